"""Locks on files that exclude git-annex's own, both ways.

git-annex takes POSIX record locks over whole files (Utility/LockFile/Posix.hs). We take Linux's open file description
locks: they conflict with POSIX ones, belong to the descriptor and not to the process, and so survive when another part
of the process opens and closes the same file. flock(2) would conflict with neither.
"""

from __future__ import annotations

import os
import time
from _thread import allocate_lock, start_new_thread
from errno import EACCES, EAGAIN
from fcntl import F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_RDLCK, F_UNLCK, F_WRLCK, fcntl
from struct import pack, unpack_from

from annexshell.errors import LockTimeout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

_FLOCK = "hhqqi4x"  # struct flock: type, whence, start, length, pid
_SHARED = pack(_FLOCK, F_RDLCK, os.SEEK_SET, 0, 0, 0)
_EXCLUSIVE = pack(_FLOCK, F_WRLCK, os.SEEK_SET, 0, 0, 0)

_PAUSE = 0.02  # seconds between tries where there can be no more threads
# Seconds after which signals are looked at. One that comes just before the wait, or to the thread that waits in the
# kernel, would otherwise be noticed only when the wait is over.
_SLICE = 0.2


class Lock:
    """A held lock. `fd` stays open, and must not be passed to a child, as long as the lock is to be held."""

    __slots__ = ("fd", "path")

    def __init__(self, fd: int, path: bytes) -> None:
        self.fd = fd
        self.path = path

    def is_sane(self) -> bool:
        """Whether the locked file is still the one at its path: the holder before us may have deleted it."""
        try:
            there = os.stat(self.path)
        except FileNotFoundError:
            return False
        ours = os.fstat(self.fd)
        return (there.st_ino, there.st_dev) == (ours.st_ino, ours.st_dev)

    def release(self) -> None:
        """Releases the lock; may be called twice."""
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)

    def __enter__(self) -> Lock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class FileLocks:
    """Takes locks. `created`, if there is one, is called with the path of a lock file that had to be created, to set
    its mode. With `stays`, nobody ever deletes the lock file."""

    excludes_everything = False  # whether a lock on one file excludes others from all files, and should be short

    def __init__(self, created: Callable[[bytes], None] | None = None) -> None:
        self._created = created

    def child_environment(self) -> Mapping[bytes, bytes]:
        """Environment variables for a child that may run git-annex on the files that we have locked."""
        return {}

    def try_shared(self, path: bytes, create: bool = True) -> Lock | None:
        """A shared lock, or None while somebody holds it exclusively. Raises OSError if the file can't be opened."""
        return self._try(path, os.O_RDONLY, _SHARED, create)

    def try_exclusive(self, path: bytes, create: bool = True) -> Lock | None:
        """An exclusive lock, or None while somebody holds any lock. Raises OSError if the file can't be opened."""
        return self._try(path, os.O_RDWR, _EXCLUSIVE, create)

    def shared(self, path: bytes, timeout: float, stays: bool = False) -> Lock:
        """A shared lock, waited for up to `timeout` seconds. Raises LockTimeout."""
        return self._wait(self.try_shared, (os.O_RDONLY, _SHARED, True), path, timeout, stays)

    def exclusive(self, path: bytes, timeout: float, create: bool = True, stays: bool = False) -> Lock:
        """An exclusive lock, waited for up to `timeout` seconds. Raises LockTimeout."""
        attempt = lambda path: self.try_exclusive(path, create)  # noqa: E731
        return self._wait(attempt, (os.O_RDWR, _EXCLUSIVE, create), path, timeout, stays)

    def is_exclusively_locked(self, path: bytes) -> bool:
        """Whether somebody else holds an exclusive lock; a missing file is not locked."""
        return self._excludes(path, _SHARED)

    def is_locked(self, path: bytes) -> bool:
        """Whether somebody else holds a lock of either kind; a missing file is not locked."""
        return self._excludes(path, _EXCLUSIVE)

    def _excludes(self, path: bytes, kind: bytes) -> bool:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            answer = fcntl(fd, F_OFD_GETLK, kind)
            return bool(unpack_from("h", answer)[0] != F_UNLCK)
        finally:
            os.close(fd)

    def _try(self, path: bytes, flags: int, kind: bytes, create: bool) -> Lock | None:
        fd = self._open(path, flags | os.O_CLOEXEC, create)
        try:
            fcntl(fd, F_OFD_SETLK, kind)
        except OSError as error:
            os.close(fd)
            if error.errno in (EAGAIN, EACCES):
                return None
            raise
        return Lock(fd, path)

    def _open(self, path: bytes, flags: int, create: bool) -> int:
        if create and self._created is None:
            return os.open(path, flags | os.O_CREAT, 0o666)
        try:
            return os.open(path, flags)
        except FileNotFoundError:
            if not create:
                raise
        fd = os.open(path, flags | os.O_CREAT, 0o666)
        if self._created is not None:
            try:
                self._created(path)
            except BaseException:
                os.close(fd)
                raise
        return fd

    def _wait(
        self,
        attempt: Callable[[bytes], Lock | None],
        how: tuple[int, bytes, bool],
        path: bytes,
        timeout: float,
        stays: bool,
    ) -> Lock:
        """Waits in the kernel, which wakes whoever waits as soon as the lock is free. To try again now and then would
        mean to find mostly that somebody else was faster. `how` is what `_try` needs for the same as `attempt`."""
        deadline = time.monotonic() + timeout
        lock = attempt(path)
        while lock is None or not (stays or lock.is_sane()):
            if lock is not None:
                lock.release()
            left = deadline - time.monotonic()
            if left <= 0:
                name = os.fsdecode(path)
                raise LockTimeout(f"{name} has been locked by another process for over {timeout:.0f} seconds")
            flags, kind, create = how
            fd = self._open(path, flags | os.O_CLOEXEC, create)
            lock = Lock(fd, path) if _Waiter(fd, kind).wait(left) else attempt(path)
        return lock


class _Waiter:
    """Waits for a lock on an open file, in a thread, since the kernel knows no limit. If it is given up, the thread
    goes on and closes the file in the end; it keeps no process from ending."""

    def __init__(self, fd: int, kind: bytes) -> None:
        self._fd = fd
        self._kind = kind
        self._mutex = allocate_lock()
        self._over = allocate_lock()
        self._is_over = self._is_given_up = False
        self._error: OSError | None = None

    def wait(self, limit: float) -> bool:
        """Whether the lock came within `limit` seconds; the file is closed if not. Raises OSError."""
        self._over.acquire()
        try:
            start_new_thread(self._run, ())
        except RuntimeError:
            os.close(self._fd)
            time.sleep(min(_PAUSE, limit))
            return False
        try:
            deadline = time.monotonic() + limit
            while (left := deadline - time.monotonic()) > 0 and not self._over.acquire(timeout=min(left, _SLICE)):
                pass
        except BaseException:  # of a signal
            if not self._give_up():
                os.close(self._fd)
            raise
        if self._give_up():
            return False
        if self._error is not None:
            os.close(self._fd)
            raise self._error
        return True

    def _give_up(self) -> bool:
        """Whether the thread has to close the file."""
        with self._mutex:
            self._is_given_up = not self._is_over
            return self._is_given_up

    def _run(self) -> None:
        try:
            fcntl(self._fd, F_OFD_SETLKW, self._kind)
        except OSError as error:
            self._error = error
        with self._mutex:
            self._is_over = True
            if self._is_given_up:
                os.close(self._fd)
        self._over.release()
