"""Content locks and retention (upstream: Annex/Content.hs, Annex/Content/Presence.hs, Annex/Content/LowLevel.hs).

In repositories of version 10 the lock is on a file beside the object, `OBJ.lck`. A lock for a client also leaves a
claim and a time stamp (store.retention), so that the object stays locked until then if the connection or this process
dies. In older repositories (and those without a version, such as gcrypt ones) the lock is on the object file itself,
and AD/sentinal is held shared meanwhile, since an upgrade to version 10 takes it exclusively. git-annex knows no
retention there, but this server honours its claims.
"""

from __future__ import annotations

import os
import time

from annexshell.errors import AnnexshellError, ContentLocked, NotPresent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from annexshell.disk.filelock import FileLocks, Lock
    from annexshell.store.layout import Layout
    from annexshell.store.protection import Protection
    from annexshell.store.retention import Retention

    class Version(Protocol):
        """The repository's version, as far as locking goes."""

        def is_10(self) -> bool: ...

        def refresh(self) -> None:
            """Reads the git config again if it changed."""


_PATIENCE = 30.0  # seconds for locks that are held only for a moment
_ATTEMPTS, _PAUSE = 10, 0.005  # everybody who unlocks takes a short exclusive lock: worth another try
_REMOVAL_ATTEMPTS = 40  # another process may be about to give up the lock of a client that has unlocked


class HeldContent:
    """A shared lock on an object. `release` ends it; if the process dies first, the retention stays in force."""

    def __init__(self, locks: ContentLocks, path: bytes, lock: Lock, claim: int, guard: Lock | None) -> None:
        self._locks = locks
        self._path = path
        self._lock = lock
        self._guard = guard
        self.claim = claim  # by which `ContentLocks.unlock` ends the retention after `abandon`
        self.lasts = not locks.excludes_everything

    def is_sound(self) -> bool:
        """Whether others see the lock: the file may have been deleted by somebody who didn't ask."""
        return self._lock.is_sane()

    def release(self) -> None:
        """Unlocks the object, and ends the retention that this lock began."""
        if self._guard is None:
            self._locks.give_up(self._path, self._lock, self.claim)
            return
        try:
            self._locks.end_claim(self._path, self.claim)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Gives the file locks up but leaves the retention in force."""
        self._lock.release()
        if self._guard is not None:
            self._guard.release()


class RemovalLock:
    """An exclusive lock on an object, for its removal."""

    def __init__(self, locks: ContentLocks, path: bytes, lock: Lock, guard: Lock | None = None) -> None:
        self._locks = locks
        self._path = path
        self._lock = lock
        self._guard = guard

    def release(self) -> None:
        """Gives the lock up and tidies up behind it: lock file, empty directory, write protection."""
        try:
            if self._guard is None:
                self._locks.unlink_lock(self._lock)
        finally:
            self._lock.release()
            if self._guard is not None:
                self._guard.release()
        self._locks.tidy_directory(self._path)


class ContentLocks:
    """Locks the objects of one repository."""

    def __init__(
        self,
        layout: Layout,
        locks: FileLocks,
        protection: Protection,
        retention: Retention,
        version: Version,
    ) -> None:
        self._layout = layout
        self._locks = locks
        self._protection = protection
        self._retention = retention
        self._version = version

    def hold(self, path: bytes, present: Callable[[], bool]) -> HeldContent:
        """Locks the object at `path` for a client: until it is released, and for store.retention.SECONDS even if this
        process dies.

        Raises NotPresent and ContentLocked.
        """
        try:
            guard = self._sentinal()
            if guard is None:
                return self._hold_beside(path, present)
            try:
                return self._hold_object(path, present, guard)
            except BaseException:
                guard.release()
                raise
        except FileNotFoundError:
            raise NotPresent("the content is not present") from None

    def remove(self, path: bytes) -> RemovalLock:
        """Locks the object at `path` against everybody, for its removal. Raises ContentLocked, FileNotFoundError."""
        guard = self._sentinal()
        if guard is None:
            return self._exclude_beside(path)
        try:
            return RemovalLock(self, path, self._exclude_object(path), guard)
        except BaseException:
            guard.release()
            raise

    @property
    def excludes_everything(self) -> bool:
        """Whether a lock keeps others from the whole repository (annex.pidlock), and so should be short."""
        return self._locks.excludes_everything

    def is_being_removed(self, path: bytes) -> bool:
        """Whether somebody holds an exclusive lock on the object just now."""
        return self._locks.is_exclusively_locked(path + b".lck" if self._version.is_10() else path)

    def is_locked(self, path: bytes) -> bool:
        """Whether somebody holds any lock on the object just now."""
        return self._locks.is_locked(path + b".lck" if self._version.is_10() else path)

    def is_merely_held(self, path: bytes) -> bool:
        """Whether somebody holds a lock on the object, though nobody has a claim to it."""
        if not self.is_locked(path):
            return False
        try:
            self._retention.refuse(path)
        except ContentLocked:
            return False
        return True

    def _sentinal(self) -> Lock | None:
        """The lock to hold meanwhile in an older repository; None if it is, or has just become, version 10."""
        if self._version.is_10():
            return None
        guard = self._locks.shared(self._layout.sentinal, _PATIENCE)
        needed = False
        try:
            self._version.refresh()
            needed = not self._version.is_10()
        finally:
            if not needed:
                guard.release()
        return guard if needed else None

    def _hold_beside(self, path: bytes, present: Callable[[], bool]) -> HeldContent:
        lock = self._beside(path, exclusive=False)
        claim = 0
        try:
            claim = self._retention.begin(path)
            if not lock.is_sane():
                raise ContentLocked("the content is being removed")
            if not present():
                raise NotPresent("the content is not present")
            self._protection.freeze_directory(os.path.dirname(path))
        except BaseException:
            self.give_up(path, lock, claim)
            raise
        return HeldContent(self, path, lock, claim, None)

    def unlock(self, path: bytes, claim: int) -> None:
        """Ends the retention that an abandoned HeldContent with this claim left in force. Raises NotPresent,
        ContentLocked."""
        if not self._version.is_10():
            if claim:
                self.end_claim(path, claim)
            return
        try:
            self.give_up(path, self._beside(path, exclusive=False), claim)
        except FileNotFoundError:
            raise NotPresent("the content is not present") from None

    def expire(self, path: bytes) -> None:
        """Tidies up after a retention that is over. Raises OSError, AnnexshellError."""
        if self._version.is_10() and os.path.exists(path):
            self.unlock(path, 0)
        self._retention.expire(path)

    def _beside(self, path: bytes, exclusive: bool) -> Lock:
        """The lock on the file beside the object, whose directory stays thawed then."""
        directory = os.path.dirname(path)
        attempt = self._locks.try_exclusive if exclusive else self._locks.try_shared
        try:
            for _ in range(_REMOVAL_ATTEMPTS if exclusive else _ATTEMPTS):
                lock: Lock | None = self._protection.thawed(directory, lambda: attempt(path + b".lck"))
                if lock is not None and lock.is_sane():
                    return lock
                if lock is not None:
                    lock.release()
                time.sleep(_PAUSE)
            raise ContentLocked("content is locked")
        except BaseException:
            self._protection.freeze_directory(directory)
            raise

    def _exclude_beside(self, path: bytes) -> RemovalLock:
        self._refuse(path, self._restore)
        lock = RemovalLock(self, path, self._beside(path, exclusive=True))
        try:
            if self._refuse(path, self._retention.settle):  # a locker may have come and died since the first look
                self._retention.forget(path)
        except BaseException:
            lock.release()
            raise
        return lock

    def _refuse(self, path: bytes, mend: Callable[[bytes], None]) -> bool:
        """Raises ContentLocked while the object is retained; returns whether it ever was. `mend` is called first, and
        may restore files that others have deleted."""
        try:
            return self._retention.refuse(path)
        except ContentLocked:
            try:
                mend(path)
            except (OSError, AnnexshellError):
                pass  # this server retains it all the same
            raise

    def _restore(self, path: bytes) -> None:
        """Restores a vanished time stamp, so that git-annex sees again that we retain the object."""
        if not self._retention.is_settled(path):
            lock = self._beside(path, exclusive=False)
            try:
                self._retention.restore(path)
            finally:
                self.give_up(path, lock, 0)

    def give_up(self, path: bytes, lock: Lock, claim: int) -> None:
        """Ends a shared lock and its claim. The last holder deletes the files of locks, and those of a retention that
        nobody relies on."""
        try:
            if claim:
                self.end_claim(path, claim)
        finally:
            lock.release()
            self._tidy(path)

    def end_claim(self, path: bytes, claim: int) -> None:
        """Nobody relies on a claim any more."""
        try:
            self._retention.release(path, claim)
        except FileNotFoundError:
            pass  # the content is gone, or its retention is

    def _tidy(self, path: bytes) -> None:
        try:
            lock = self._locks.try_exclusive(path + b".lck", create=False)
        except OSError:
            return  # the directory or the lock file is gone already, or not ours
        if lock is not None:
            try:
                self._retention.settle(path)
                if lock.is_sane():
                    self.unlink_lock(lock)
            finally:
                lock.release()
        self.tidy_directory(path)

    def tidy_directory(self, path: bytes) -> None:
        """Removes the directory of an object that is gone, or write-protects the directory of one that is there.

        The hash directories above it stay, unlike upstream: they are few, the next object in them will need them again,
        and making and removing them can cost more than all the rest of a removal.
        """
        directory = os.path.dirname(path)
        try:
            os.rmdir(directory)
        except FileNotFoundError:
            pass
        except OSError:
            self._protection.freeze_directory(directory)

    def unlink_lock(self, lock: Lock) -> None:
        """Deletes a lock file, which only its exclusive holder may do."""
        self._protection.unlink(lock.path)

    def _hold_object(self, path: bytes, present: Callable[[], bool], guard: Lock) -> HeldContent:
        lock = self._locks.try_shared(path, create=False)
        if lock is None:
            raise ContentLocked("content is locked")
        try:
            if not lock.is_sane() or not present():
                raise NotPresent("the content is not present")
            claim = self._retention.begin_unstamped(path)
        except BaseException:
            lock.release()
            raise
        return HeldContent(self, path, lock, claim, guard)

    def _exclude_object(self, path: bytes) -> Lock:
        self._refuse(path, self._retention.refresh)
        self._protection.thaw_object(path)
        lock = None
        try:
            try:
                lock = self._locks.try_exclusive(path, create=False)
            finally:
                self._protection.freeze_object(path)
            if lock is None:
                raise ContentLocked("content is locked")
            if not lock.is_sane():
                raise ContentLocked("content is being removed")
            if self._refuse(path, self._retention.refresh):
                self._retention.forget(path)
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        return lock
