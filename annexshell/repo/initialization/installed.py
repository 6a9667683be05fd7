"""Which git-annex a PATH leads to. A link to annexshell may have that name and answer a few commands; it has neither
the filter nor the hooks that git would call, so it does not count as one."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.disk.spawn import Environment

NAME = b"git-annex"
_HEAD = 1024  # bytes; scripts that start us, and our archive, name us in their first lines


def installed(env: Environment, after: bytes | None = None) -> bytes | None:
    """The path of the first git-annex on PATH that is not ours; None if there is none. With `after`, only directories
    that come after that one are searched, none if it is not on PATH."""
    directories = env.get(b"PATH", os.defpath.encode()).split(b":")
    if after is not None:
        directories = directories[directories.index(after) + 1 :] if after in directories else []
    for directory in directories:
        path = os.path.join(directory, NAME)
        if os.access(path, os.X_OK) and os.path.isfile(path) and not _is_ours(path):
            return path
    return None


def _is_ours(path: bytes) -> bool:
    """Whether a program is annexshell, by a link or a copy. Its first line does not count: it names an interpreter,
    which may be in a directory of that name."""
    try:
        with open(path, "rb", buffering=0) as file:
            head = file.read(_HEAD)
    except OSError:  # may be run but not read, as ours never is
        return False
    return head.startswith(b"#!") and b"annexshell" in head.partition(b"\n")[2]
