"""Counts what processes are doing at the moment: while one does it, it holds a record lock on a byte of a file.

The kernel releases the locks of a process that dies, so the count is always right.
"""

from __future__ import annotations

import os
from errno import EACCES, EAGAIN
from fcntl import F_OFD_GETLK, F_OFD_SETLK, F_UNLCK, F_WRLCK, fcntl
from struct import pack, unpack_from

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_FLOCK = "hhqqi4x"  # struct flock: type, whence, start, length, pid
_SLOTS = 32  # the highest number that can be counted


class Slots:
    """The slots of one file, which is created when the first is taken; `created` is then called with its path."""

    def __init__(self, path: bytes, created: Callable[[bytes], None] | None = None) -> None:
        self._path = path
        self._created = created

    def take(self) -> int:
        """A file descriptor that holds a slot until it is closed. Raises OSError."""
        fd = self._open()
        for slot in range(_SLOTS):
            try:
                fcntl(fd, F_OFD_SETLK, _record(slot))
                break
            except OSError as error:
                if error.errno not in (EAGAIN, EACCES):
                    os.close(fd)
                    raise
        return fd

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            if self._created is not None:
                self._created(self._path)
            return fd

    def count(self) -> int:
        """How many slots are taken."""
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return 0
        try:
            if not _is_taken(fd, 0, _SLOTS):
                return 0
            return sum(_is_taken(fd, slot) for slot in range(_SLOTS))
        finally:
            os.close(fd)


def _is_taken(fd: int, slot: int, length: int = 1) -> bool:
    return bool(unpack_from("h", fcntl(fd, F_OFD_GETLK, _record(slot, length)))[0] != F_UNLCK)


def _record(slot: int, length: int = 1) -> bytes:
    return pack(_FLOCK, F_WRLCK, os.SEEK_SET, slot, length, 0)
