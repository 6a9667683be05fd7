"""Files of p2phttp that verbs change: passwords, and who may do what."""

from __future__ import annotations

import os

from annexshell.disk.files import replace_secrets
from annexshell.errors import BadUsage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_MODE = 0o640
_LARGEST = 16 << 20  # bytes


def read(path: str) -> bytes:
    """What a file says; empty if there is none. Raises BadUsage."""
    try:
        with open(path, "rb") as file:
            text = file.read(_LARGEST + 1)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise BadUsage(f"{path} can't be read: {error.strerror}") from None
    if len(text) > _LARGEST:
        raise BadUsage(f"{path} is too large")
    return text


def change(path: str, edit: Callable[[bytes], bytes]) -> None:
    """Replaces a file by what `edit` makes of it. A new one gets the group of its directory, so that the account of the
    server can read it where that can enter the directory. Raises BadUsage, DiskError."""
    path = os.path.realpath(path)
    before = read(path)
    after = edit(before)
    if after == before:
        return
    try:
        state = os.stat(path if os.path.exists(path) else os.path.dirname(path))

        def created(temporary: bytes) -> None:
            os.chmod(temporary, state.st_mode & 0o777 if os.path.exists(path) else _MODE)
            if os.geteuid() == 0 or state.st_gid in (os.getegid(), *os.getgroups()):
                os.chown(temporary, -1, state.st_gid)

        replace_secrets(os.fsencode(path), after, created)
    except OSError as error:
        raise BadUsage(f"{path} can't be written: {error.strerror}") from None
