"""Transfer locks, and the files that show running transfers to other processes (Logs/Transfer.hs, Annex/Transfer.hs).

The lock of a download keeps two writers out of one partial file. Everything else here is for people, so its errors are
ignored.
"""

from __future__ import annotations

import os
import time

from annexshell.disk.perms import make_directories
from annexshell.errors import LockTimeout, TransferBusy
from annexshell.store.layout import DOWNLOAD, UPLOAD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.disk.filelock import FileLocks, Lock
    from annexshell.disk.perms import Perms
    from annexshell.model.key import Key
    from annexshell.store.layout import Layout

_WORTH_SHOWING = 1 << 20  # bytes; a smaller transfer is over before anybody could look
_PATIENCE = 10.0  # seconds for a lock that somebody may hold for another purpose
_TRIES = 10
_KEPT = 32  # directories of peers that stay, for transfers of each kind
_FAILURES = 100  # transfers of one peer that are remembered as failed
_OLD, _SWEPT = 3600.0, 50  # seconds after which directories without a transfer are removed, and how many at once
_STEP = 100_000  # bytes between updates where the size isn't known; else a hundredth of the size


class Transfers:
    """The transfers of one repository."""

    def __init__(self, layout: Layout, locks: FileLocks, perms: Perms) -> None:
        self.layout = layout
        self._locks = locks
        self._perms = perms

    def receiving(self, key: Key, file: bytes, peer: bytes) -> Transfer:
        """Takes the locks for receiving the key's content. Raises TransferBusy while somebody else holds one."""
        held: list[Lock] = []
        try:
            for path in self.layout.transfer_locks(DOWNLOAD, key, peer):
                lock = self._try(path)
                if lock is None and self._locks.excludes_everything:
                    lock = self._patiently(path)
                if lock is None:
                    raise TransferBusy("another process is receiving this content at the moment")
                if not lock.is_sane():
                    lock.release()
                    raise TransferBusy("another process has just received this content")
                held.append(lock)
        except BaseException:
            _unlink_and_release(held)
            raise
        return Transfer(self, DOWNLOAD, key, file, peer, held)

    def _patiently(self, path: bytes) -> Lock | None:
        """The one lock there is where locks on files don't work: somebody may hold it for another purpose."""
        try:
            return self._locks.exclusive(path, _PATIENCE)
        except LockTimeout:
            return None

    def sending(self, key: Key, file: bytes, peer: bytes) -> Transfer | None:
        """Announces that an object is being sent. Several may send the same key, and accounts that may not write here
        may still read, so that any difficulty only means that nothing is announced."""
        if self._locks.excludes_everything:
            return None
        (path,) = self.layout.transfer_locks(UPLOAD, key, peer)
        try:
            lock = self._try(path)
        except OSError:
            return None
        if lock is None:
            return None
        if not lock.is_sane():
            lock.release()
            return None
        return Transfer(self, UPLOAD, key, file, peer, [lock])

    def _try(self, path: bytes) -> Lock | None:
        """A lock on a file whose directory may be tidied away by others at any moment."""
        for _ in range(_TRIES):
            try:
                return self._locks.try_exclusive(path)
            except FileNotFoundError:
                make_directories(os.path.dirname(path), self.layout.annex_dir, self._perms)
        return None

    def note_failure(self, path: bytes, text: bytes) -> None:
        """Remembers a failed transfer, unless more are remembered already than anybody would try again."""
        directory = os.path.dirname(path)
        peers = len(_names(os.path.dirname(directory))) + (not os.path.isdir(directory))
        if peers <= _KEPT and len(_names(directory)) < _FAILURES:
            self.write_info(path, text)

    def tidy(self, directory: bytes) -> None:
        """Removes directories of peers, since there may be any number of peers. A few directories stay: git-annex never
        removes one, and could be about to use it. If there are more, the given one goes, and others that are old."""
        parent = os.path.dirname(directory)
        try:
            if 2 <= os.stat(parent).st_nlink <= _KEPT:  # on most file systems that tells how many directories there are
                return
            names = os.listdir(parent)
            if len(names) <= _KEPT:
                return
            _remove_empty(directory)
            latest = time.time() - _OLD
            for path in (b"%b/%b" % (parent, name) for name in names[:_SWEPT] if name != b"lck"):
                if os.stat(path).st_mtime < latest:
                    _remove_empty(path)
        except OSError:
            pass

    def write_info(self, path: bytes, text: bytes) -> None:
        """Writes a file about a transfer, over the old text so that nobody finds it empty. A failure does no harm."""
        try:
            make_directories(os.path.dirname(path), self.layout.annex_dir, self._perms)
            created = not os.path.exists(path)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                os.write(fd, text)
                os.ftruncate(fd, len(text))
            finally:
                os.close(fd)
            if created:
                self._perms.new_file(path)
        except OSError:
            pass


class Transfer:
    """One running transfer. `end` must be called, whatever happens."""

    def __init__(
        self, transfers: Transfers, direction: bytes, key: Key, file: bytes, peer: bytes, held: list[Lock]
    ) -> None:
        self.direction = direction
        self.key = key
        self.file = file
        self.peer = peer
        self._transfers = transfers
        self._held = held
        self._started = b"%d" % time.time()
        self._shown = False
        self._next = 0

    @property
    def info_path(self) -> bytes:
        """The file that shows this transfer."""
        return self._transfers.layout.transfer_info(self.direction, self.key, self.peer)

    def progress(self, total: int) -> None:
        """Notes that `total` bytes are through, counted from the start of the object."""
        if total < self._next or total < _WORTH_SHOWING:
            return
        self._next = total + (self.key.size // 100 if self.key.size else _STEP)
        text = b"%bs %d\n%b\n" % (self._started, total, self.file.replace(b"\n", b"_"))
        self._transfers.write_info(self.info_path, text)
        self._shown = True

    def end(self, succeeded: bool | None) -> None:
        """Gives up the locks, after deleting their files while they are still held. A failed download is remembered, so
        that git-annex can try again; None stands for one that never began."""
        layout, key = self._transfers.layout, self.key
        if self._shown:
            _unlink(self.info_path)
        if self.direction == DOWNLOAD and succeeded is not None:
            failed = layout.failed_transfer(self.direction, key, self.peer)
            if not succeeded:
                text = b"%bs\n%b\n" % (self._started, self.file.replace(b"\n", b"_"))
                self._transfers.note_failure(failed, text)
            elif _unlink(failed):
                self._transfers.tidy(os.path.dirname(failed))
        _unlink_and_release(self._held)
        self._held = []
        self._transfers.tidy(os.path.dirname(layout.transfer_info(self.direction, key, self.peer)))


def _unlink_and_release(locks: list[Lock]) -> None:
    for lock in locks:
        _unlink(lock.path)
    for lock in locks:
        lock.release()


def _unlink(path: bytes) -> bool:
    try:
        os.unlink(path)
    except OSError:
        return False
    return True


def _remove_empty(directory: bytes) -> None:
    try:
        os.rmdir(directory)
    except OSError:
        pass


def _names(directory: bytes) -> list[bytes]:
    try:
        return os.listdir(directory)
    except OSError:
        return []
