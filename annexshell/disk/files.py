"""Reads and replaces small files with as few system calls as possible: sessions read some for every key."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_PIECE = 65536  # bytes


def read_file(path: bytes) -> bytes | None:
    """All of a file's content, or None if there is no such file. Raises OSError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # O_NONBLOCK: a named pipe must not make us wait
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
    """Replaces a file of our own: readers see either the old one or all of the new one. `created` is called with the
    path of the new file, to set its mode. Nothing is flushed; what has to be on disk afterwards is for disk.scratch.
    Only one process at a time may replace a file. Raises OSError."""
    temporary = path + b".new"
    with open(temporary, "wb") as file:
        file.writelines(pieces)
    created(temporary)
    os.rename(temporary, path)


def written(path: bytes) -> object:
    """A value that changes when a file is written; None if there is no such file, or we may not look."""
    try:
        info = os.stat(path)
    except OSError:
        return None
    return (info.st_ino, info.st_mtime_ns)
