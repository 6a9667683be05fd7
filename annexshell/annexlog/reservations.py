"""Reserves the space that running uploads will take, so that uploads at the same time count each other.

Upstream: Annex/RepoSize/LiveUpdate.hs.
Each upload has a file in AD/annexshell/uploads and holds a lock on it; when its process dies the kernel gives the lock
up, and the next process removes the file. A file of another account that can't be read is ignored.
"""

from __future__ import annotations

import os

from annexshell.disk.filelock import FileLocks
from annexshell.disk.files import read_file
from annexshell.disk.perms import make_directories
from annexshell.model.ownfiles import OwnFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import TypeVar

    from annexshell.disk.filelock import Lock
    from annexshell.disk.perms import Perms

    Choice = TypeVar("Choice")

_PATIENCE = 60.0  # seconds to wait for others, who choose quickly
_MAX_DIGITS = 30  # of a size


class Reservations:
    """The running uploads through one repository, in all processes. Without locks on files, none are known."""

    def __init__(self, annex_dir: bytes, perms: Perms) -> None:
        self._annex_dir = annex_dir
        self._directory = OwnFiles(annex_dir).reservations
        self._perms = perms
        self._locks = FileLocks(perms.new_file)
        self._count = 0

    def reserve(
        self, size: int, choose: Callable[[], Choice], uuids: Callable[[Choice], Collection[bytes]]
    ) -> tuple[Choice, Reservation]:
        """Calls `choose` while nobody else chooses, and reserves `size` bytes in the repositories that it chose, which
        `uuids` tells. Raises LockTimeout, and what `choose` raises."""
        try:
            make_directories(self._directory, self._annex_dir, self._perms)
            lock = self._locks.exclusive(self._directory + b".lck", _PATIENCE)
        except OSError:
            return choose(), Reservation(None)
        with lock:
            self._forget_dead()
            choice = choose()
            return choice, self._write(b"%d\n%b" % (size, b"\n".join(uuids(choice))))

    def sums(self) -> dict[bytes, int]:
        """The bytes reserved in each repository."""
        sums: dict[bytes, int] = {}
        for path in self._files():
            size, *uuids = self._read(path).split(b"\n")
            if size.isdigit() and len(size) < _MAX_DIGITS and self._is_alive(path):
                for uuid in uuids:
                    sums[uuid] = sums.get(uuid, 0) + int(size)
        return sums

    def _read(self, path: bytes) -> bytes:
        try:
            return read_file(path) or b""
        except OSError:
            return b""

    def _is_alive(self, path: bytes) -> bool:
        try:
            return self._locks.is_exclusively_locked(path)
        except OSError:
            return True

    def _files(self) -> list[bytes]:
        try:
            return [b"%b/%b" % (self._directory, name) for name in os.listdir(self._directory)]
        except OSError:
            return []

    def _forget_dead(self) -> None:
        for path in self._files():
            if not self._is_alive(path):
                _unlink(path)

    def _write(self, text: bytes) -> Reservation:
        self._count += 1
        path = b"%b/%d.%d.%d" % (self._directory, os.getpid(), id(self), self._count)
        reservation = Reservation(None)
        try:
            reservation = Reservation(self._locks.try_exclusive(path))
            reservation.write(text)
        except OSError:  # on a full disk, uploads may still be tried
            reservation.release()
        return reservation


class Reservation:
    """Space that is reserved until it is released, which may happen twice."""

    def __init__(self, lock: Lock | None) -> None:
        self._lock = lock

    def write(self, text: bytes) -> None:
        if self._lock is not None:
            os.write(self._lock.fd, text)

    def release(self) -> None:
        """Releases the space. It never fails, since an upload must be able to end."""
        lock, self._lock = self._lock, None
        if lock is not None:
            _unlink(lock.path)
            lock.release()


def _unlink(path: bytes) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass  # without its lock, the file does not count
