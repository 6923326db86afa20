"""What can be set of a sink, and what is said of mistakes."""

from __future__ import annotations

import pytest

from tracee import sinks
from tracee.errors import InputError
from tracee.output import parse_outputs
from tracee.sinks.forward import Forward, ForwardSettings
from tracee.sinks.frame.delivery import Delivery, SpoolSettings
from tracee.sinks.frame.options import seconds, size
from tracee.sinks.webhook import Webhook, WebhookSettings, as_array


def test_every_file_of_the_folder_registers_its_sink() -> None:
    assert {"webhook", "forward"} <= set(sinks.kinds())


def test_options_in_the_query_are_taken_out_and_the_rest_is_the_receivers() -> None:
    text = (
        "webhook:https://h.example:8443/in?site=a%20b&gzip=true&timeout=500ms&batch-size=50&header=X-A:%20b&header=C:d"
    )
    assert sinks.parse(text) == WebhookSettings(
        url="https://h.example:8443/in?site=a+b",
        headers=(("X-A", "b"), ("C", "d")),
        gzip=True,
        timeout=0.5,
        delivery=Delivery(batch_events=50),
    )


def test_a_url_without_options_stays_as_it_is() -> None:
    assert sinks.parse("webhook:http://h/in?a=%20b&c").url == "http://h/in?a=%20b&c"


def test_a_configuration_file_sets_the_same() -> None:
    options = {
        "headers": {"Authorization": "Bearer token123"},
        "flush-interval": "2s",
        "queue_bytes": "1MiB",
        "gzip": True,
    }
    assert sinks.settings("webhook", "http://siem.example.com/events", options) == WebhookSettings(
        url="http://siem.example.com/events",
        headers=(("Authorization", "Bearer token123"),),
        gzip=True,
        delivery=Delivery(flush=2.0, queue_bytes=1 << 20),
    )


def test_forward() -> None:
    assert sinks.parse("forward:tcp://127.0.0.1:24224?tag=a.b&shared-key=k") == ForwardSettings(
        "tcp://127.0.0.1:24224", tag="a.b", shared_key="k"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("webhok:http://h/", 'unknown format "webhok" (nearest: webhook)'),
        ("webhook", "a URL is missing"),
        ("webhook:h", "a URL such as webhook:SCHEME://HOST:PORT/ is needed"),
        ("webhook:ftp://h/", "begins with http:// or https://"),
        ("webhook:http://h:port/", "could not be cast to integer"),
        ("webhook:http://h/?timeout=soon", "timeout: a time such as 5s or 500ms is needed"),
        ("webhook:http://h/?timeout=0", "timeout must be more than 0"),
        ("webhook:http://h/?gzip=maybe", "gzip: true or false is needed"),
        ("webhook:http://h/?gzip=true&gzip=true", "gzip: it is given more than once"),
        ("webhook:http://h/?batch-events=0", "batch-events must be at least 1"),
        ("webhook:http://h/?format=xml", 'unknown format "xml"'),
        ("webhook:http://h/?header=X-A", "a header such as X-Site: a is needed"),
        ("webhook:http://h/?header=:b", "a header such as X-Site: a is needed"),
        ("webhook:http://h/?header=A:b%0d%0aC:d", "a character that no header can have"),
        ("webhook:https://h/?ca-file=/nowhere", "ca-file /nowhere: No such file"),
        ("forward:http://h/", "begins with tcp:// or tls://"),
        ("forward:tcp://h/path", "a URL such as tcp://HOST:PORT?tag=TAG"),
        ("forward:tcp://h?tga=x", "a URL such as tcp://HOST:PORT?tag=TAG"),
        ("forward:tcp://u:p@h", "of use with a shared-key only"),
        ("option:spool-size=1k", "at least 65536 bytes"),
        ("option:spool-size=big", "a number such as"),
        ("option:spool-dri=/x", "(nearest: spool-dir)"),
    ],
)
def test_mistakes(text: str, said: str) -> None:
    with pytest.raises(InputError) as raised:
        parse_outputs([text])
    assert said in str(raised.value)


def test_unknown_options_of_a_configuration_file_are_named() -> None:
    with pytest.raises(InputError, match=r'unknown option "timout" \(nearest: timeout\)'):
        sinks.settings("webhook", "http://h/", {"timout": 5})
    with pytest.raises(InputError, match=r'unknown sink "webhok" \(nearest: webhook\)'):
        sinks.settings("webhok", "http://h/")


def test_two_sinks_to_one_place_are_a_mistake() -> None:
    with pytest.raises(InputError, match="the same URL"):
        parse_outputs(["webhook:http://h/", "webhook:http://h/?gzip=true"])


def test_sinks_stand_beside_other_outputs_and_replace_the_table() -> None:
    both = parse_outputs(["json", "webhook:http://h/", "option:spool-dir=/x,spool-size=1MiB"])
    assert [output.format for output in both.outputs] == ["json"]
    assert both.spool == SpoolSettings("/x", 1 << 20, asked=True)
    alone = parse_outputs(["webhook:http://h/"])
    assert alone.outputs == ()
    assert len(alone.sinks) == 1
    assert parse_outputs([]).outputs[0].format == "table"


def test_names_hold_no_secret() -> None:
    url = "https://user:password@h.example:8443/services/T0/secret?key=secret"
    name = Webhook(WebhookSettings(url)).name
    assert "secret" not in name
    assert "password" not in name
    assert name.startswith("webhook https://h.example:8443/services/...")
    assert name != Webhook(WebhookSettings(url + "2")).name
    assert Forward(ForwardSettings("tcp://u:p@h:1", shared_key="k")).name == "forward tcp://h:1"


def test_sizes_and_times() -> None:
    assert [size(text) for text in ("500", "64k", "16MiB", "1GB", "2 kb")] == [500, 65536, 16 << 20, 1 << 30, 2048]
    assert [seconds(text) for text in ("5", "500ms", "2.5s", "1m", "1h")] == [5, 0.5, 2.5, 60, 3600]


def test_lines_as_an_array() -> None:
    assert as_array(b'{"a":"\\n"}\n{"b":2}\n') == b'[{"a":"\\n"},\n{"b":2}]'
