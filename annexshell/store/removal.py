"""Content on its way out (Annex/Content.hs: removeAnnex; P2P/Annex.hs: removeContent)."""

from __future__ import annotations

import os
import time

from annexshell.errors import TooLate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.model.key import Key
    from annexshell.store.locks import ContentLocks
    from annexshell.store.objects import Objects
    from annexshell.store.protection import Protection


def boot_time() -> int:
    """Whole seconds of the clock that clients' removal deadlines are given in: it counts suspends, and no process or
    person can set it (Utility/MonotonicClock.hs)."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME))


class Removal:
    """Removes contents from one repository. `trash` may keep a copy elsewhere, and its failure prevents the removal;
    `record` notes in the location log that a key's content is gone; `removed` is called after that."""

    def __init__(
        self,
        objects: Objects,
        locks: ContentLocks,
        protection: Protection,
        trash: Callable[[Key, bytes], None] | None,
        record: Callable[[Key], None],
        removed: Callable[[Key], None],
    ) -> None:
        self._objects = objects
        self._locks = locks
        self._protection = protection
        self._trash = trash
        self._record = record
        self._removed = removed

    def remove(self, key: Key, before: int | None = None) -> bool:
        """Removes the content; returns whether there was any. Raises ContentLocked, and TooLate if it is not before
        the boot time `before` any more once all locks are held."""
        found = False
        # An object may lie in both of its possible places, and is gone only when it lies in neither.
        while (path := self._objects.find(key)) is not None:
            try:
                lock = self._locks.remove(path)
            except FileNotFoundError:
                continue
            try:
                if before is not None and boot_time() >= before:
                    raise TooLate("the time until which the removal was allowed has passed")
                if not os.path.exists(path):
                    continue
                found = True
                self._remove_object(key, path)
                if self._objects.find(key) is None:
                    self._record(key)
                    self._removed(key)
            finally:
                lock.release()
        return found

    def _remove_object(self, key: Key, path: bytes) -> None:
        if self._trash is not None:
            self._trash(key, path)
        self._protection.erase(path)
        self._protection.unlink(path)
