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


def replace_secrets(path: bytes, data: bytes, created: Callable[[bytes], None] = lambda _: None) -> None:
    """The same for a file that nobody else may read at any moment, unless `created` allows it, and that is on disk on
    return: somebody whose password was changed must not be let in by the old one after a crash. Raises OSError,
    DiskError."""
    from annexshell.disk.durable import Durability

    durability = Durability(True)
    temporary = path + b".new"
    try:
        os.unlink(temporary)  # whoever left it may have had another mode in mind
    except FileNotFoundError:
        pass
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as file:
        file.write(data)
        file.flush()
        durability.file(fd)
    created(temporary)
    os.rename(temporary, path)
    durability.directories((os.path.dirname(path),))


def written(path: bytes) -> object:
    """A value that changes when a file is written; None if there is no such file, or we may not look."""
    try:
        info = os.stat(path)
    except OSError:
        return None
    return (info.st_ino, info.st_mtime_ns)
