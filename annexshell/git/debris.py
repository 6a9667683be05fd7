"""Leftovers of a failed `git fast-import`.

It writes a report of its crash into the git directory. On a full disk, or when it is killed, its temporary pack stays
in objects/pack, where git looks at it only when somebody runs `git gc`.
"""

from __future__ import annotations

import os
from fcntl import F_RDLCK, F_SETLEASE, F_SETSIG, F_UNLCK, fcntl

_URGENT = 23  # SIGURG, which does nothing unless somebody handles it
_BLOB = 3
_LONGEST_HEADER = 10  # bytes, of an object in a pack
_ROOM = 100  # bytes that compression may add
# A pack begins with `PACK`, the version, and how many objects there are. Only fast-import writes 0 objects at first.
_UNFINISHED = b"PACK\0\0\0\2\0\0\0\0"


def clear_away(git_dir: bytes, common_dir: bytes, pid: int, first: bytes) -> None:
    """Removes the leftovers of the fast-import with this process id, whose first object is a blob with the content
    `first`, and the temporary packs of others that are still empty."""
    _remove(b"%b/fast_import_crash_%d" % (git_dir, pid))
    directory = common_dir + b"/objects/pack"
    try:
        names = os.listdir(directory)
    except OSError:
        return
    for name in names:
        path = b"%b/%b" % (directory, name)
        if name.startswith((b"tmp_pack_", b"tmp_idx_")) and _is_abandoned(path, first):
            _remove(path)


def _is_abandoned(path: bytes, first: bytes) -> bool:
    """Whether a temporary file is abandoned: no process has it open for writing, and it is either empty (other programs
    leave theirs empty only while they have it open) or a pack of ours (those of others begin with a commit)."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl(fd, F_SETSIG, _URGENT)
        fcntl(fd, F_SETLEASE, F_RDLCK)  # refused while a writer has it open; not every file system can tell
        fcntl(fd, F_SETLEASE, F_UNLCK)
        data = os.read(fd, _ROOM + 2 * len(first))
    except OSError:
        return False
    finally:
        os.close(fd)
    return data[: len(_UNFINISHED)] in (b"", _UNFINISHED) or _begins_with(data[len(_UNFINISHED) :], first)


def _begins_with(objects: bytes, first: bytes) -> bool:
    """Whether the first object of a pack is a blob of this content (gitformat-pack(5))."""
    from zlib import decompressobj, error

    end = next((i for i, byte in enumerate(objects[:_LONGEST_HEADER]) if byte < 0x80), None)
    if end is None or objects[0] >> 4 & 7 != _BLOB:
        return False
    try:
        return decompressobj().decompress(objects[end + 1 :], len(first) + 1) == first
    except error:
        return False


def _remove(path: bytes) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
