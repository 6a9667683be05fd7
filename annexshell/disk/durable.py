"""What is acknowledged is on disk: fsync of files and of the directories that name them.

git-annex never calls fsync; git does as core.fsync and core.fsyncMethod say, and so do we. One difference: where
core.fsync is not set, git skips loose objects and we do not skip annex objects.
"""

from __future__ import annotations

import os

from annexshell.errors import disk_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# The components of core.fsync that include git's loose objects, which an annex object is most like.
_COMPONENTS = (b"loose-object", b"objects", b"committed", b"added", b"all")


def is_durable(core_fsync: bytes | None) -> bool:
    """Whether core.fsync asks for objects to be flushed; None means that it is not set.

    As in git, `none` clears the default, and a named component wins over one that is taken away.
    """
    words = (core_fsync or b"").replace(b",", b" ").split()
    named = any(word in _COMPONENTS for word in words)
    taken_away = any(word[:1] == b"-" and word[1:] in _COMPONENTS for word in words)
    return named or not (taken_away or b"none" in words)


_STEP = 32 << 20  # bytes after which writing out is started
_GRANULE = 1 << 20  # bytes that are received at a time


class Durability:
    """Flushes files and directories to stable storage, or does nothing if the owner has turned that off.

    With core.fsyncMethod=writeout-only, only the data of files is flushed (fdatasync), and directories are left to the
    kernel. That is still more than git does, which doesn't make the disk write out its cache.
    """

    def __init__(self, durable: bool, method: bytes | None = None) -> None:
        self.is_on = durable
        self._writeout_only = (method or b"").strip().lower() == b"writeout-only"

    def file(self, fd: int) -> None:
        """Flushes a file's content. Raises DiskError: the content must not be acknowledged then."""
        if not self.is_on:
            return
        try:
            if self._writeout_only:
                os.fdatasync(fd)
            else:
                os.fsync(fd)
        except OSError as error:
            raise disk_error(error, "flushing to disk") from None

    def begin(self, fd: int, size: int) -> None:
        """Starts writing out a file that grew to `size` bytes while more of it comes, so that the final flush has
        little left to wait for."""
        if self.is_on and size % _STEP < _GRANULE:
            # POSIX_FADV_DONTNEED drops no dirty page, but makes the kernel start to write it.
            os.posix_fadvise(fd, max(0, size - _STEP), _STEP, os.POSIX_FADV_DONTNEED)

    def directories(self, paths: Iterable[bytes]) -> None:
        """Flushes the entries of directories. A directory that others have removed meanwhile needs no flush."""
        if not self.is_on or self._writeout_only:
            return
        for path in dict.fromkeys(paths):
            try:
                fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise disk_error(error, "flushing a directory to disk") from None
            try:
                os.fsync(fd)
            except OSError as error:
                raise disk_error(error, "flushing a directory to disk") from None
            finally:
                os.close(fd)
