"""Looking at files only as far as the kernel knows the answer without asking the disk.

A disk that hangs would else keep a whole process waiting, and to have a thread look each time takes ten times as long.
openat2(2) says with RESOLVE_CACHED whether it would have to wait. Not every file system can be asked for the size of a
file without waiting after that, so only those are believed that keep it in memory.
"""

from __future__ import annotations

import ctypes
import os
from errno import ENAMETOOLONG, ENOENT, ENOTDIR
from stat import S_ISREG

_OPENAT2 = 437  # the same for all kinds of processors on which Python runs
_AT_FDCWD = -100
_RESOLVE_CACHED = 0x20
_ABSENT = (ENOENT, ENOTDIR, ENAMETOOLONG)
# ext2 to ext4, XFS, Btrfs, tmpfs, F2FS, ZFS, bcachefs (statfs(2))
_KINDS = (0xEF53, 0x58465342, 0x9123683E, 0x01021994, 0xF2F52010, 0x2FC12FC1, 0xCA451A4E)

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t]
_how = (ctypes.c_uint64 * 3)(os.O_PATH | os.O_CLOEXEC, 0, _RESOLVE_CACHED)


def is_in_memory(*directories: bytes) -> bool:
    """Whether the file systems of directories, as far as there are any, are such. May wait for the disk."""
    return all(_kind(directory) in _KINDS for directory in directories if os.path.exists(directory))


def _kind(directory: bytes) -> int:
    result = (ctypes.c_ulong * 32)()  # struct statfs, which begins with the kind
    return int(result[0]) if _libc.statfs(directory, result) == 0 else 0


def size_at(path: bytes) -> int | None:
    """The size of a file in bytes, -1 if it is a directory or something else, None if there is nothing. Raises
    BlockingIOError where only the disk knows, or where the kernel can't say (before Linux 5.12)."""
    if b"\0" in path:
        return None  # no file is called so
    fd = _libc.syscall(_OPENAT2, _AT_FDCWD, path, _how, ctypes.sizeof(_how))
    if fd < 0:
        if ctypes.get_errno() in _ABSENT:
            return None
        raise BlockingIOError
    try:
        info = os.fstat(fd)
    finally:
        os.close(fd)
    return info.st_size if S_ISREG(info.st_mode) else -1
