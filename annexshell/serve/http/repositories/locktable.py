"""Locks of clients of the HTTP API.

Clients go on to drop their copies whatever becomes of their connection to us. So only the client's own word ends a lock
early, and neither a closed connection nor a restart does. A lock is in force for ten minutes, and is renewed as long as
its client is connected for it. It rests on two things on disk, the retention of the object and a note (repo.leases), so
that any worker process can end it.

Besides, the process that gave a lock also holds the object's lock file: git-annex knows nothing of our claims, and
deletes the time stamp of an object that nobody holds. When the process ends, another one takes over within seconds;
once the note is gone, the holder lets go. On nodes a lock does not last by itself, and ends with the process that took
it.
"""

from __future__ import annotations

import time

from annexshell.errors import AnnexshellError, ContentLocked, NotPresent
from annexshell.repo.local.leases import Lease

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from annexshell.green.tasks import Tasks
    from annexshell.model.key import Key
    from annexshell.repo.local.leases import Holder, Leases
    from annexshell.repo.local.repository import LocalRepository
    from annexshell.repo.port import Held
    from annexshell.serve.http.repositories.request import RequestRepository

    Result = TypeVar("Result")

_RENEWAL = 300.0  # seconds before the end at which the lock of a connected client is renewed
_CONNECTIONS = 8  # that may be kept for one lock: a client has one, and may not know yet that another one is dead
_CLEANING = 20.0  # seconds between two looks for locks whose time is over
_TAKING_OVER = 3.0  # seconds between two looks for content that nobody holds any more
_WATCHING = 0.05  # seconds between two looks for locks that another process has ended
_LOOKS = 60  # how often whoever ends a lock looks whether others have let go; it may be git-annex that holds it


class _HeldLock:
    """A lock that would end with this process. `lent` is not used for anything else meanwhile."""

    def __init__(self, lent: RequestRepository, held: Held) -> None:
        self.lent = lent
        self.held = held


class LockTable:
    """The locks of one repository and of what it proxies for."""

    def __init__(
        self,
        uuid: bytes,
        leases: Leases,
        tasks: Tasks,
        warn: Callable[[str], None],
        looking: Callable[[], LocalRepository],
        lend: Callable[[bytes], RequestRepository],
    ) -> None:
        self._uuid = uuid
        self._leases = leases
        self._tasks = tasks
        self._warn = warn
        self._looking = looking
        self._lend = lend
        self._held: dict[str, _HeldLock] = {}
        self._lasting: dict[str, tuple[Held, Lease]] = {}  # which need no repository to be held
        self._watching = False
        self._connected: dict[str, int] = {}
        self._over: set[str] = set()  # those of them that have ended
        self._renewing: set[str] = set()
        self._cleaned = 0.0  # monotonic seconds
        self._took_over = 0.0

    def _note(self, function: Callable[[], Result]) -> Result:
        return self._tasks.offload(function)

    def lock(self, key: Key, holder: Holder, lent: RequestRepository) -> str:
        """Locks a key and returns the lock's id. Takes over `lent`, even when it raises NotPresent, ContentLocked,
        TooManyLocks, or whatever else a Repository raises."""
        leases = self._leases
        try:
            leases.check(holder.address)
            held = lent.call(lambda: lent.repository.lock(key))
            try:
                lease = Lease(lent.uuid, key, leases.deadline(), held.claim, holder)
                lock_id = self._note(lambda: leases.create(lease))
            except BaseException:
                lent.call(held.release)
                raise
        except BaseException:
            lent.close()
            raise
        if held.claim:
            self._hold(lock_id, held, lease)
            lent.close()
        else:
            self._held[lock_id] = _HeldLock(lent, held)
        return lock_id

    def _hold(self, lock_id: str, held: Held, lease: Lease) -> None:
        """Holds the object, replacing what held it for this lock before."""
        if not held.lasts:
            held.abandon()
            return
        before = self._lasting.pop(lock_id, None)
        self._lasting[lock_id] = (held, lease)
        if before is not None:
            before[0].abandon()
        if not self._watching:
            self._watching = True
            self._tasks.spawn(self._watch)

    def _watch(self) -> None:
        """Lets go of objects once another process has ended their locks: the client may want to remove them next."""
        while self._lasting:
            try:
                for lock_id in self._lasting.keys() - self._leases.ids():
                    self._let_go(lock_id)
            except (AnnexshellError, OSError) as error:
                self._warn(str(error))
            self._tasks.news().wait(_WATCHING)
        self._watching = False

    def _let_go(self, lock_id: str) -> None:
        """Lets go of the object, and tidies up after the lock. The process that ended the lock also ends its claim."""
        lasting = self._lasting.pop(lock_id, None)
        if lasting is not None:
            held, lease = lasting
            held.abandon()
            self._unlock(lease.uuid, lease.key, 0)

    def keep(self, lock_id: str, uuid: bytes) -> bool:
        """Notes that the client is connected for its lock in a repository, until `leave`. False if there is no such
        lock, or if it has more connections than anybody needs: then do not wait."""
        lease = self._leases.find(lock_id)
        if lease is None or lease.uuid != uuid or not self._leases.remaining(lease):
            return False
        connected = self._connected.get(lock_id, 0)
        if connected >= _CONNECTIONS:
            return False
        self._connected[lock_id] = connected + 1
        return True

    def leave(self, lock_id: str) -> None:
        """Notes that the client's connection is gone. The lock stays."""
        self._connected[lock_id] -= 1
        if not self._connected[lock_id]:
            del self._connected[lock_id]
            self._over.discard(lock_id)

    def is_over(self, lock_id: str) -> bool:
        """Whether a lock that a client is connected for has ended, as `tend` saw it last."""
        return lock_id in self._over

    def release(self, lock_id: str) -> None:
        """Ends a lock, because the client says so. An unknown id is no error. Raises AnnexshellError."""
        lease = self._note(lambda: self._leases.end(lock_id))
        self._give_up(lock_id)
        lasting = self._lasting.pop(lock_id, None)
        if lasting is not None:
            lasting[0].abandon()
        if lease is not None and lease.claim:
            self._unlock(lease.uuid, lease.key, lease.claim)
            self._await_others(lease)

    def _await_others(self, lease: Lease) -> None:
        """Another process may hold the object for a lock that has just ended, and lets go as soon as it sees that: the
        client may want to remove the object next."""
        if lease.uuid != self._uuid:
            return
        for _ in range(_LOOKS):
            try:
                if not self._note(lambda: self._looking().is_locked(lease.key, without_claim=True)):
                    return
            except AnnexshellError:
                return  # the object is gone
            self._tasks.news().wait(_WATCHING)

    def _unlock(self, uuid: bytes, key: Key, claim: int) -> None:
        lent = self._lend(uuid)
        try:
            lent.call(lambda: lent.repository.unlock(key, claim))
        except (NotPresent, ContentLocked):
            pass  # it is removed, or about to be
        finally:
            lent.close()

    def _give_up(self, lock_id: str) -> None:
        """Ends a lock if this process holds it."""
        lock = self._held.pop(lock_id, None)
        if lock is None:
            return
        try:
            lock.lent.call(lock.held.release)
        except AnnexshellError as error:
            self._warn(str(error))
        lock.lent.close()

    def tend(self) -> None:
        """Call this every second or so: it ends locks that are over, and renews those in use."""
        leases = self._leases
        for lock_id in self._connected.keys() - self._renewing:
            lease = leases.find(lock_id)
            remaining = 0.0 if lease is None else leases.remaining(lease)
            if lease is None or not remaining:
                self._over.add(lock_id)
            elif remaining < _RENEWAL:
                self._renewing.add(lock_id)
                self._tasks.spawn(lambda lock_id=lock_id, lease=lease: self._renew(lock_id, lease))  # type: ignore[misc]
        for lock_id in list(self._held):
            lease = leases.find(lock_id)
            if lease is None or not leases.remaining(lease):
                self._give_up(lock_id)
        now = time.monotonic()
        if now - self._cleaned > _CLEANING:
            self._cleaned = now
            self._note(leases.expire)
        if now - self._took_over > _TAKING_OVER:
            self._took_over = now
            self._take_over()

    def _take_over(self) -> None:
        """Holds locked objects that no process holds any more, or none in a way that others see."""
        for lock_id, (held, _) in list(self._lasting.items()):
            if not held.is_sound():
                self._lasting.pop(lock_id)[0].abandon()
        for lock_id in self._leases.ids():
            lease = self._leases.find(lock_id)
            if lease is not None and lock_id not in self._lasting and self._is_orphaned(lease):
                self._hold_for(lock_id, lease)

    def _is_orphaned(self, lease: Lease) -> bool:
        if not lease.claim or lease.uuid != self._uuid or not self._leases.remaining(lease):
            return False
        try:
            return not self._looking().is_locked(lease.key)
        except AnnexshellError:
            return False

    def _hold_for(self, lock_id: str, lease: Lease) -> None:
        """Holds the object for a lock whose claim stays as it is. The claim that comes with holding it is not
        needed."""
        lent = self._lend(lease.uuid)

        def take() -> Held:
            held = lent.repository.lock(lease.key)
            lent.repository.unlock(lease.key, held.claim)
            return held

        try:
            held = lent.call(lambda: self._leases.while_noted(lock_id, take))
            if held is not None:
                self._hold(lock_id, held, lease)
        except (NotPresent, ContentLocked):
            pass  # it is removed, or somebody else looks at it just now
        finally:
            lent.close()

    def _renew(self, lock_id: str, lease: Lease) -> None:
        """Prolongs a lock to ten minutes from now; if that fails, it stays as it is."""
        leases = self._leases
        try:
            claim = self._claim_again(lock_id, lease) if lease.claim else 0
            renewed = Lease(lease.uuid, lease.key, leases.deadline(), claim, lease.holder)
            try:
                before = self._note(lambda: leases.renew(lock_id, renewed))
            except BaseException:
                if claim:  # which no note has, so that nobody else would end it
                    self._unlock(lease.uuid, lease.key, claim)
                raise
            over = renewed if before is None else before
            if over.claim:
                self._unlock(over.uuid, over.key, over.claim)
        except (AnnexshellError, OSError) as error:
            self._warn(str(error))
        finally:
            self._renewing.discard(lock_id)

    def _claim_again(self, lock_id: str, lease: Lease) -> int:
        """A new claim on a locked object. Raises AnnexshellError."""
        lent = self._lend(lease.uuid)
        try:
            held = lent.call(lambda: lent.repository.lock(lease.key))
            renewed = Lease(lease.uuid, lease.key, lease.deadline, held.claim, lease.holder)
            self._hold(lock_id, held, renewed)
            return held.claim
        finally:
            lent.close()

    def close(self) -> None:
        """Leaves all locks to their retention."""
        for lock in self._held.values():
            lock.lent.call(lock.held.abandon)
            lock.lent.close()
        for held, _ in self._lasting.values():
            held.abandon()
        self._held, self._lasting = {}, {}
