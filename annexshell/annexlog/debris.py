"""What a `git fast-import` leaves behind that did not end well.

It writes a report of its own crash into the git directory, and on a full disk, or when it is killed, its temporary pack
stays in objects/pack, where git looks at it only when somebody runs `git gc`.
"""

from __future__ import annotations

import os
from fcntl import F_RDLCK, F_SETLEASE, F_SETSIG, F_UNLCK, fcntl

_URGENT = 23  # SIGURG, which is ignored unless somebody asks for it
# A pack's first bytes: `PACK`, the version, and how many objects there are. Only fast-import writes 0 objects at first.
_UNFINISHED = b"PACK\0\0\0\2\0\0\0\0"


def clear_away(git_dir: bytes, common_dir: bytes, pid: int) -> None:
    """Removes what the fast-import with this process id left, and the temporary packs of others that are gone."""
    _remove(b"%b/fast_import_crash_%d" % (git_dir, pid))
    directory = common_dir + b"/objects/pack"
    try:
        names = os.listdir(directory)
    except OSError:
        return
    for name in names:
        path = b"%b/%b" % (directory, name)
        if name.startswith(b"tmp_pack_") and _is_abandoned(path):
            _remove(path)


def _is_abandoned(path: bytes) -> bool:
    """Whether nobody will go on with a temporary pack: nothing is in it yet, and no process has it open to write. All
    but fast-import begin with the number of objects, and whoever has an empty one has it open."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl(fd, F_SETSIG, _URGENT)
        fcntl(fd, F_SETLEASE, F_RDLCK)  # refused while a writer has it open; not every file system can tell
        fcntl(fd, F_SETLEASE, F_UNLCK)
        head = os.read(fd, len(_UNFINISHED))
    except OSError:
        return False
    finally:
        os.close(fd)
    return head in (b"", _UNFINISHED)


def _remove(path: bytes) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
