"""Making `git status` clean again after contents came into the work tree or went from it.

The index holds pointers, so that git takes an unlocked file that is given its content for a modified one until it has
run git-annex's clean filter on it. Upstream (Annex/Link.hs, Logs/Restage.hs) notes such files in restage.log and then
has git refresh them. There may be no git-annex here to be the filter, and git can't be given another one for a command:
filter.annex.process wins, and when it is set to nothing the clean command isn't run either. But what git would learn is
known to us: the file stands for the very pointer that the index has. So we write what git would write, the status of
the file beside the pointer, under git's own lock (gitformat-index(5), read-cache.c).

Everything that is not as expected is left to git-annex, by leaving restage.log as it is.
"""

from __future__ import annotations

import os
from stat import S_IMODE, S_ISLNK, S_ISREG
from struct import error as StructError
from struct import pack_into, unpack_from

from annexshell.store.worktree.keysdb import InodeCache, parse_inode_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from annexshell.disk.filelock import FileLocks
    from annexshell.disk.perms import Perms

    Wanted = Mapping[bytes, tuple[os.stat_result, Collection[bytes]]]  # by path: status, and blobs or their ids

_PATIENCE = 10.0  # seconds; the log's lock is held for one write

_STATUS = 40  # bytes before the object id: ctime, mtime, dev, ino, mode, uid, gid, size
_ASSUME_VALID, _EXTENDED, _STAGE = 0x8000, 0x4000, 0x3000  # flags
_KNOWN_EXTENSION = b"sdir"  # of those that mustn't be ignored, which are in lower case; the others only cache


class RestageLog:
    """AD/restage.log: a line for each file whose entry in the index is out of date."""

    def __init__(self, annex_dir: bytes, locks: FileLocks, perms: Perms) -> None:
        self._path = annex_dir + b"/restage.log"
        self._lock = annex_dir + b"/restage.lck"
        self._locks = locks
        self._perms = perms

    def add(self, files: Iterable[tuple[bytes, InodeCache]]) -> None:
        """Notes files, with what they are now. Raises LockTimeout, OSError."""
        lines = [b"%b:%b" % (cache.text.encode(), file) for file, cache in files if b"\n" not in file]
        if lines:
            with self._locks.exclusive(self._lock, _PATIENCE):
                self._write(lines, "ab")

    def lines(self) -> list[bytes]:
        """What is in the log. Raises LockTimeout, OSError."""
        try:
            if os.stat(self._path).st_size == 0:
                return []
        except FileNotFoundError:
            return []
        with self._locks.exclusive(self._lock, _PATIENCE):
            return self._read()

    def remove(self, lines: Collection[bytes]) -> None:
        """Removes lines, keeping what was added meanwhile. Raises LockTimeout, OSError."""
        if lines:
            with self._locks.exclusive(self._lock, _PATIENCE):
                self._write([line for line in self._read() if line not in lines], "wb")

    def _read(self) -> list[bytes]:
        try:
            with open(self._path, "rb") as file:
                return file.read().split(b"\n")[:-1]
        except FileNotFoundError:  # git-annex has taken it to work on it
            return []

    def _write(self, lines: list[bytes], mode: str) -> None:
        with open(self._path, mode) as file:
            file.write(b"".join(line + b"\n" for line in lines))
        self._perms.new_file(self._path)


def parse_restage_line(line: bytes) -> tuple[bytes, InodeCache] | None:
    """The file, as a path below the top of the work tree, and what it was when it was noted."""
    text, colon, file = line.partition(b":")
    cache = parse_inode_cache(text.decode("ascii", "replace"))
    return (file, cache) if colon and cache is not None else None


def refresh_index(path: bytes, wanted: Wanted, hash_name: str, still: Callable[[], bool]) -> bool:
    """Puts the status of files into their entries in the index at `path`, where these have one of the blobs that the
    file stands for. `hash_name` is that of the repository's object format. `still` tells whether the files are as they
    were: it is asked under the lock of the index, so that whoever changes one later refreshes it later.

    Returns False if all is left as it is, because files changed, somebody uses the index, or it has a form that isn't
    known here. Raises OSError.
    """
    import hashlib  # most sessions never get here

    def digest(*parts: bytes | memoryview) -> bytes:
        hasher = hashlib.new(hash_name, usedforsecurity=False)
        for part in parts:
            hasher.update(part)
        return hasher.digest()

    try:
        with open(path, "rb") as file:
            before = os.fstat(file.fileno())
            data = bytearray(file.read())
    except FileNotFoundError:
        return True
    end = len(data) - len(digest())
    checksum = bytes(data[end:])
    if any(checksum) and checksum != digest(memoryview(data)[:end]):  # all zero with index.skipHash
        return False
    ids = {name: (info, [digest(b"blob %d\0" % len(b), b) for b in blobs]) for name, (info, blobs) in wanted.items()}
    try:
        changed = _patch(data, end, ids, before.st_mtime_ns // 1_000_000_000)
    except (ValueError, StructError):
        return False
    if changed and any(checksum):
        data[end:] = digest(memoryview(data)[:end])
    return not changed or _replace(path, before, data, still)


def _patch(data: bytearray, end: int, wanted: Wanted, index_mtime: int) -> bool:
    """Changes the statuses in an index; returns whether it has to be written. Raises ValueError, struct.error.

    A file that was modified in the second in which the index was written may have an unchanged status: git calls it
    racy and compares its content, which it can tell by the age of the index. As the index becomes younger now, we mark
    these entries, by a size of 0, as git does when it writes an index.
    """
    changed = False
    id_size = len(data) - end
    for at, flags_at, path in _entries(data, end, id_size):
        mtime, mode = unpack_from(">8xI12xI", data, at)
        if path in wanted and S_ISREG(mode) and not unpack_from(">H", data, flags_at)[0] & (_STAGE | _ASSUME_VALID):
            info, ids = wanted[path]
            if data[at + _STATUS : flags_at] in ids:
                changed |= _set_status(data, at, info) or mtime >= index_mtime  # a younger index is believed
                continue
        if mtime >= index_mtime and (S_ISREG(mode) or S_ISLNK(mode)):
            pack_into(">I", data, at + 36, 0)
    return changed


def _entries(data: bytearray, end: int, id_size: int) -> Iterator[tuple[int, int, bytes]]:
    """Where each entry begins, where its flags are, and its path."""
    signature, version, count = unpack_from(">4sII", data)
    if signature != b"DIRC" or version not in (2, 3, 4):
        raise ValueError("an index of another kind")
    at, path = 12, b""
    for _ in range(count):
        flags_at = at + _STATUS + id_size
        name_at = flags_at + (4 if data[flags_at] & _EXTENDED >> 8 else 2)
        if version == 4:  # a path is given by how much to cut off from the one before, and what to append
            cut, name_at = _number(data, name_at)
            name_end = data.index(0, name_at, end)
            path = path[: len(path) - cut] + data[name_at:name_end]
            following = name_end + 1
        else:
            name_end = data.index(0, name_at, end)
            path = bytes(data[name_at:name_end])
            following = at + (name_end - at + 8 & ~7)
        yield at, flags_at, path
        at = following
    while at < end:
        extension, size = unpack_from(">4sI", data, at)
        if extension[:1].islower() and extension != _KNOWN_EXTENSION:
            raise ValueError("an index that needs more than this to be understood")
        at += 8 + size
    if at != end:
        raise ValueError("a damaged index")


def _number(data: bytearray, at: int) -> tuple[int, int]:
    """A number of variable length, and where it ends."""
    value = data[at] & 0x7F
    while data[at] & 0x80:
        at += 1
        value = (value + 1 << 7) + (data[at] & 0x7F)
    return value, at + 1


def _set_status(data: bytearray, at: int, info: os.stat_result) -> bool:
    """Sets all but the mode, which says what is to be checked out. Returns whether this changed anything."""
    size = info.st_size & 0xFFFFFFFF
    if size == 0:  # stands for a status that isn't known
        return False
    old = bytes(data[at : at + _STATUS])
    times = [part & 0xFFFFFFFF for ns in (info.st_ctime_ns, info.st_mtime_ns) for part in divmod(ns, 1_000_000_000)]
    pack_into(">6I", data, at, *times, info.st_dev & 0xFFFFFFFF, info.st_ino & 0xFFFFFFFF)
    pack_into(">3I", data, at + 28, info.st_uid, info.st_gid, size)
    return data[at : at + _STATUS] != old


def _replace(path: bytes, before: os.stat_result, data: bytearray, still: Callable[[], bool]) -> bool:
    """Replaces the index if it still is as it was before and nobody has locked it; returns whether.

    git's lock is the existence of a file. It is made here when all is ready to be moved into place, so that a git
    command of the user's will hardly ever find it, and a crash will hardly ever leave it.
    """
    temp = b"%b.%b" % (path, os.urandom(8).hex().encode())
    try:
        with open(os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), S_IMODE(before.st_mode))
        os.link(temp, path + b".lock")
        try:
            if _identity(os.stat(path)) != _identity(before) or not still():
                return False
            os.rename(temp, path)
        finally:
            os.unlink(path + b".lock")
    except FileExistsError:
        return False
    finally:
        _unlink(temp)
    return True


def _identity(info: os.stat_result) -> tuple[int, int, int, int]:
    return (info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns)


def _unlink(path: bytes) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
