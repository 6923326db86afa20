"""Files that the kernel makes: by the type of their file system and their own name.

A path says little of them: whoever may mount has /proc, or one file of it, wherever it likes. The kernel's own name for
the file and its file system stay.
"""

from __future__ import annotations

from tracee.detect import Selected

WRITING = "data.flags=O_WRONLY,O_RDWR"
READING = "data.flags=O_RDONLY,O_RDWR"


def opened_in_container(fs_type: str, file_name: str, access: str) -> Selected:
    """Opens of such a file by a task in a container.

    Args:
        fs_type: as `fs_type` of security_file_open is named: ``PROC_SUPER_MAGIC``; a comma separates several.
        file_name: the last part of its name; a comma separates several.
        access: ``WRITING`` or ``READING``.
    """
    return Selected("security_file_open", "container", f"data.fs_type={fs_type}", f"data.file_name={file_name}", access)
