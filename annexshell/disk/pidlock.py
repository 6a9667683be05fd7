"""Locks for repositories with annex.pidlock=true: one for everything, where the file system has no fcntl locks.

Upstream: Utility/LockFile/PidLock.hs, Utility/LockPool/PidLock.hs, Annex/LockPool/PosixOrPid.hs. A process that locks
anything creates the usual lock file, for others to see, but locks nothing in it. Instead it holds AD/pidlock, which
says who holds it. disk.pidfile takes that lock for the process; here threads and functions of one process share it.
"""

from __future__ import annotations

import os
import time
from _thread import allocate_lock

from annexshell.disk.filelock import FileLocks, Lock
from annexshell.disk.pidfile import PidLockFile, parse, read
from annexshell.errors import LockTimeout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

DEFAULT_TIMEOUT = 300  # seconds; annex.pidlocktimeout (Types/GitConfig.hs)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.1  # seconds between tries, which may cost requests to a file server


class PidLock(Lock):
    """A held lock. Its `fd` is -1, since no file has to stay open for it."""

    __slots__ = ("_hold", "_key")

    def __init__(self, path: bytes, hold: Hold, key: bytes) -> None:
        super().__init__(-1, path)
        self._hold: Hold | None = hold
        self._key = key

    def is_sane(self) -> bool:
        """Whether we still hold the repository's lock, and others can see the lock file."""
        return self._hold is not None and self._hold.file.is_ours() and os.path.lexists(self.path)

    def release(self) -> None:
        """Releases the lock; may be called twice."""
        hold, self._hold = self._hold, None
        if hold is not None:
            hold.unlock(self._key)


class PidLocks(FileLocks):
    """Takes locks in one repository. `timeout` is annex.pidlocktimeout in seconds and `env` our environment, in which a
    parent may say that it holds the lock for us. `created` is called with the path of a lock file that had to be
    created, to set its mode."""

    excludes_everything = True

    def __init__(
        self,
        annex_dir: bytes,
        work_tree: bytes | None,
        timeout: float,
        env: Mapping[bytes, bytes],
        created: Callable[[bytes], None] | None = None,
    ) -> None:
        super().__init__(created)
        self._annex_dir = annex_dir
        self._timeout = timeout
        names = _names(annex_dir, work_tree)
        self._variables = {_variable(name): b"1" for name in names}
        self._inherited = any(variable in env for variable in self._variables)
        self._hold = _hold(annex_dir, names, self._inherited)

    def try_shared(self, path: bytes, create: bool = True) -> Lock | None:
        """A shared lock, or None while anybody else uses the repository or we hold it exclusively. Raises OSError."""
        return self._take(path, False, create)

    def try_exclusive(self, path: bytes, create: bool = True) -> Lock | None:
        """An exclusive lock, or None while anybody else uses the repository or we hold any lock on it. Raises
        OSError."""
        return self._take(path, True, create)

    def is_exclusively_locked(self, path: bytes) -> bool:
        """Whether this process holds an exclusive lock. Locks of other processes can't be seen; upstream, too, counts
        that as not locked."""
        return self._hold.held.get(self._key(path), 0) < 0

    def is_locked(self, path: bytes) -> bool:
        """Whether this process holds any lock."""
        return self._key(path) in self._hold.held

    def child_environment(self) -> Mapping[bytes, bytes]:
        """Variables for a child that may run git-annex on this repository, so that it does not wait for us.

        Empty unless we hold the lock, which must then be held until the child has ended.
        """
        return self._variables if self._inherited or self._hold.count else {}

    def _take(self, path: bytes, exclusive: bool, create: bool) -> Lock | None:
        os.close(self._open(path, os.O_RDONLY | os.O_CLOEXEC, create))
        key = self._key(path)
        return PidLock(path, self._hold, key) if self._hold.try_lock(key, exclusive) else None

    def _key(self, path: bytes) -> bytes:
        """An identity of the repository that does not depend on the path to it."""
        return path.removeprefix(self._annex_dir)

    def _wait(
        self, attempt: Callable[[bytes], Lock | None], _how: object, path: bytes, timeout: float, _stays: bool
    ) -> Lock:
        timeout = min(timeout, self._timeout)
        deadline = time.monotonic() + timeout
        pause = _FIRST_PAUSE
        while True:
            lock = attempt(path)
            if lock is not None:
                if lock.is_sane():
                    return lock
                lock.release()
            if time.monotonic() >= deadline:
                raise LockTimeout(f"{self._what_is_held(path)} for over {timeout:.0f} seconds")
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _what_is_held(self, path: bytes) -> str:
        if self._hold.count and self._hold.file.is_ours():
            return f"{os.fsdecode(path)} has been locked by somebody else in this process"
        name = self._annex_dir + b"/pidlock"
        found = read(name)
        holder = parse(found[0]) if found is not None else None
        who = f"process {holder[0]} on {os.fsdecode(holder[1])}" if holder is not None else "another process"
        return f"{os.fsdecode(name)} has been held by {who}"


class Hold:
    """The locks of this process in one repository, which share the pid lock. `held` has the number of shared locks on
    each path, or -1 for an exclusive one; `count` is the number of all locks."""

    def __init__(self, file: PidLockFile) -> None:
        self.file = file
        self.held: dict[bytes, int] = {}
        self.count = 0
        self._mutex = allocate_lock()

    def try_lock(self, key: bytes, exclusive: bool) -> bool:
        with self._mutex:
            others = self.held.get(key, 0)
            if others < 0 or (others and exclusive):
                return False
            if not self.count and not self.file.try_take():
                return False
            self.held[key] = -1 if exclusive else others + 1
            self.count += 1
            return True

    def unlock(self, key: bytes) -> None:
        with self._mutex:
            others = self.held.pop(key) - 1
            if others > 0:
                self.held[key] = others
            self.count -= 1
            if not self.count:
                self.file.drop()


_holds: dict[tuple[bytes, bool], Hold] = {}
_mutex = allocate_lock()


def _hold(annex_dir: bytes, names: Iterable[bytes], inherited: bool) -> Hold:
    """The one Hold of this process for a repository, whichever path leads to it."""
    key = (os.path.realpath(annex_dir), inherited)
    with _mutex:
        if key not in _holds:
            _holds[key] = Hold(PidLockFile(annex_dir, inherited))
        _holds[key].file.add_names(names)
        return _holds[key]


def _names(annex_dir: bytes, work_tree: bytes | None) -> list[bytes]:
    """The paths by which git-annex may know AD/pidlock. It simplifies what the client named but follows no symlink
    there, and finds a work tree's repository below the real path of the directory that it runs in, even where that
    .git is a symlink to elsewhere."""
    directories = [annex_dir, os.path.realpath(os.path.dirname(annex_dir)) + b"/annex"]
    if work_tree is not None:
        directories += [work_tree + b"/.git/annex", os.path.realpath(work_tree) + b"/.git/annex"]
    return list(dict.fromkeys(os.path.normpath(directory) + b"/pidlock" for directory in directories))


def _variable(name: bytes) -> bytes:
    """The name of the variable by which a parent process tells its children that it holds the lock."""
    return b"PIDLOCK_" + bytes(c for c in name if c == 0x5F or (c < 0x80 and chr(c).isalnum()))
