"""Looking at small files with as few system calls as it takes: sessions read some for every key."""

from __future__ import annotations

import os

_PIECE = 65536  # bytes


def read_file(path: bytes) -> bytes | None:
    """All of a file's content, or None if there is no such file. Raises OSError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
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


def written(path: bytes) -> object:
    """When a file was written last; None if that can't be told."""
    try:
        info = os.stat(path)
    except OSError:
        return None
    return (info.st_ino, info.st_mtime_ns)
