"""Looking at small files with as few system calls as it takes: sessions read some for every key."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_PIECE = 65536  # bytes


def read_file(path: bytes) -> bytes | None:
    """All of a file's content, or None if there is no such file. Raises OSError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a named pipe has nothing for us
    except FileNotFoundError:
        return None
    except BlockingIOError:  # a file server has lent it to a client, whom it asks to give it back
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.read(fd, _PIECE)
        if len(data) < _PIECE:  # of a regular file a short piece is the last
            return data
        pieces = [data]
        while piece := os.read(fd, _PIECE):
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        os.close(fd)


def replace_file(path: bytes, pieces: Iterable[bytes], created: Callable[[bytes], None]) -> None:
    """Puts a file of our own in the place of another one: readers see the old one or all of the new one. `created` is
    called with the path of the new file, to set its mode. Nothing is flushed: disk.scratch is for what has to be on
    disk when we go on. One process at a time may do it to a file. Raises OSError."""
    temporary = path + b".new"
    with open(temporary, "wb") as file:
        file.writelines(pieces)
    created(temporary)
    os.rename(temporary, path)


def written(path: bytes) -> object:
    """When a file was written last; None if that can't be told."""
    try:
        info = os.stat(path)
    except OSError:
        return None
    return (info.st_ino, info.st_mtime_ns)
