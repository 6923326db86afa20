"""A private key of SSH is read by another program than those of SSH: all is in the filters, which the kernel tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracee.detect import Field, Metadata, Selected, Severity, Signature

if TYPE_CHECKING:
    from tracee._core import Event


class PrivateKeyRead(Signature):
    """The short form: ten lines for a useful one."""

    metadata = Metadata(
        id="CUSTOM-002",
        name="Private Key Read",
        event_name="private_key_read",
        description="A program that is none of SSH's opened a private key.",
        severity=Severity.HIGH,
        category="credential-access",
        technique_id="T1552.004",
        technique="Unsecured Credentials: Private Keys",
        fields=(Field("path", about="of the key"),),
    )
    selected = (Selected("security_file_open", "executable!=/usr/bin/ssh*", "data.pathname=*/.ssh/id_*"),)

    def on_event(self, event: Event) -> None:
        path = event.args["pathname"]
        if not path.endswith(".pub"):
            self.found(event, path=path)
