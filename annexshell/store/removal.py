"""Removing objects (Annex/Content.hs: removeAnnex; P2P/Annex.hs: removeContent)."""

from __future__ import annotations

import os
import time

from annexshell.errors import AnnexshellError, LockTimeout, TooLate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.model.key import Key
    from annexshell.store.ingest import Record
    from annexshell.store.locks import ContentLocks, RemovalLock
    from annexshell.store.objects import Objects
    from annexshell.store.protection import Protection

    Trash = Callable[[Key, bytes], None]


def boot_time() -> int:
    """Whole seconds of the clock in which clients give deadlines of removals. It goes on during suspends, and nobody
    can set it (Utility/MonotonicClock.hs)."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME))


def _check_time(before: int | None) -> None:
    if before is not None and boot_time() >= before:
        raise TooLate("the time until which the removal was allowed has passed")


class Removal:
    """Removes objects from one repository. `trash` may keep a copy elsewhere, and its failure prevents the removal;
    `removed` is called when the object is gone. `warn` gets what went wrong after that."""

    def __init__(
        self,
        objects: Objects,
        locks: ContentLocks,
        protection: Protection,
        trash: Trash | None,
        record: Record,
        removed: Callable[[Key], None],
        warn: Callable[[str], None],
    ) -> None:
        self._objects = objects
        self._locks = locks
        self._protection = protection
        self._trash = trash
        self._record = record
        self._removed = removed
        self._warn = warn

    def remove(self, key: Key, before: int | None = None) -> bool:
        """Removes the object; returns whether there was one. Raises ContentLocked, and TooLate if the boot time
        `before` has come by the time that all locks are held."""
        found = False
        # An object may lie in both of its possible places, and is gone only when it lies in neither.
        while (path := self._objects.find(key)) is not None:
            try:
                lock = self._locks.remove(path)
            except FileNotFoundError:
                continue
            try:
                _check_time(before)
                if not os.path.exists(path):
                    continue
                is_elsewhere = self._remove_object(key, path, before)
                found = True
            finally:
                self._release(lock, path)
            if not is_elsewhere:
                break
        return found

    def _release(self, lock: RemovalLock, path: bytes) -> None:
        """Gives up the lock. A failure to tidy up is only a warning, since the object is gone."""
        try:
            lock.release()
        except OSError as error:
            if os.path.exists(path):
                raise
            self._warn(f"the directory of a removed object could not be tidied up: {error.strerror}")

    def _remove_object(self, key: Key, path: bytes, before: int | None) -> bool:
        """Returns whether the object lies in its other place, too."""
        if self._trash is not None:
            self._trash(key, path)
            _check_time(before)
        is_erased = self._protection.erase(path)

        def delete() -> None:
            if not is_erased:
                _check_time(before)  # the journal may have been waited for
            self._protection.unlink(path)

        if self._objects.is_elsewhere(key, path):
            delete()
            return True
        self._delete_and_record(key, path, delete)
        self._removed(key)
        return False

    def _delete_and_record(self, key: Key, path: bytes, delete: Callable[[], None]) -> None:
        """Deletes the object once the record of that is prepared and only has to be published. Where that fails, as on
        a full disk, a note is left first: removals make room, so they must work there, and none may go unrecorded."""
        try:
            self._record.record_missing(key, delete)
        except TooLate:
            raise
        except (OSError, AnnexshellError) as error:
            is_noted = self._record.record_later(key)
            if os.path.exists(path):
                if isinstance(error, LockTimeout) and not is_noted:
                    raise
                delete()
            self._record_after_all(key, is_noted, error)

    def _record_after_all(self, key: Key, is_noted: bool, error: OSError | AnnexshellError) -> None:
        """Tries to record the removal, which may have made room for the record."""
        if isinstance(error, LockTimeout):
            return
        try:
            self._record.record_missing(key)
        except (OSError, AnnexshellError) as again:
            if not is_noted and not self._record.record_later(key):
                self._warn(f"a removal could not be recorded; git annex fsck --fast would record it: {again}")
