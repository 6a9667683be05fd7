"""Locks of clients of the HTTP API.

Clients go on to drop their copies whatever becomes of their connection to us, so that nothing but the client's own word
ends a lock early: no closed connection, and no restart. A lock is in force for ten minutes; as long as its client is
connected for it, it is renewed. All that there is of it is on disk, the content's retention and a note (repo.leases):
any worker process may be asked to end it. Only where a lock does not last by itself, in old repositories and on nodes,
the process that took it holds it.
"""

from __future__ import annotations

import time

from annexshell.errors import AnnexshellError, ContentLocked, NotPresent
from annexshell.repo.leases import Lease

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from annexshell.model.key import Key
    from annexshell.repo.leases import Holder
    from annexshell.repo.port import Held
    from annexshell.serve.http.backend import Backend
    from annexshell.serve.http.served import Served

    Result = TypeVar("Result")

SECONDS = 600.0  # P2P/Http's, and our retention
_RENEWAL = 300.0  # seconds before the end at which the lock of a connected client is renewed
_CONNECTIONS = 8  # that may be kept for one lock: a client has one, and may not know yet that another one is dead
_CLEANING = 20.0  # seconds between two looks for locks whose time is over


class _HeldLock:
    """A lock that would end with this process. `backend` is not used for anything else meanwhile."""

    def __init__(self, backend: Backend, held: Held) -> None:
        self.backend = backend
        self.held = held


class LockTable:
    """The locks of one repository and of what it proxies for."""

    def __init__(self, served: Served, open_backend: Callable[[bytes], Backend]) -> None:
        self._served = served
        self._open_backend = open_backend
        self._held: dict[str, _HeldLock] = {}
        self._connected: dict[str, int] = {}
        self._over: set[str] = set()  # those of them that have ended
        self._renewing: set[str] = set()
        self._cleaned = 0.0  # monotonic seconds

    def _note(self, function: Callable[[], Result]) -> Result:
        return self._served.tasks.offload(function)

    def lock(self, key: Key, holder: Holder, backend: Backend) -> str:
        """Locks a content and returns the lock's id. Takes over the backend, also when it raises NotPresent,
        ContentLocked, TooManyLocks, and what else a Repository does."""
        leases = self._served.leases
        try:
            leases.check(holder.address)
            held = backend.call(lambda: backend.repository.lock(key))
            try:
                lease = Lease(backend.uuid, key, time.time() + SECONDS, held.claim, holder)
                lock_id = self._note(lambda: leases.create(lease))
            except BaseException:
                backend.call(held.release)
                raise
        except BaseException:
            backend.close()
            raise
        if held.claim:
            backend.call(held.abandon)
            backend.close()
        else:
            self._held[lock_id] = _HeldLock(backend, held)
        return lock_id

    def keep(self, lock_id: str, uuid: bytes) -> bool:
        """The client is connected for its lock on a content of a repository, until `leave`. False if there is no such
        lock, or more are connected for it than anybody needs: then nothing is to be waited for."""
        lease = self._served.leases.find(lock_id)
        if lease is None or lease.uuid != uuid or lease.deadline < time.time():
            return False
        connected = self._connected.get(lock_id, 0)
        if connected >= _CONNECTIONS:
            return False
        self._connected[lock_id] = connected + 1
        return True

    def leave(self, lock_id: str) -> None:
        """The client's connection is gone, which changes nothing."""
        self._connected[lock_id] -= 1
        if not self._connected[lock_id]:
            del self._connected[lock_id]
            self._over.discard(lock_id)

    def is_over(self, lock_id: str) -> bool:
        """Whether a lock that a client is connected for has ended, as `tend` saw it last."""
        return lock_id in self._over

    def release(self, lock_id: str) -> None:
        """The client needs the lock no more. An id that does not exist is no error. Raises AnnexshellError."""
        lease = self._note(lambda: self._served.leases.end(lock_id))
        self._give_up(lock_id)
        if lease is not None and lease.claim:
            self._unlock(lease)

    def _unlock(self, lease: Lease) -> None:
        backend = self._open_backend(lease.uuid)
        try:
            backend.call(lambda: backend.repository.unlock(lease.key, lease.claim))
        except (NotPresent, ContentLocked):
            pass  # it is removed, or about to be
        finally:
            backend.close()

    def _give_up(self, lock_id: str) -> None:
        """Ends a lock if this process holds it."""
        lock = self._held.pop(lock_id, None)
        if lock is None:
            return
        try:
            lock.backend.call(lock.held.release)
        except AnnexshellError as error:
            self._served.warn(str(error))
        lock.backend.close()

    def tend(self) -> None:
        """To be called every second or so: ends what is over, and renews what is in use."""
        now = time.time()
        for lock_id in self._connected.keys() - self._renewing:
            lease = self._served.leases.find(lock_id)
            if lease is None or lease.deadline < now:
                self._over.add(lock_id)
            elif lease.deadline - now < _RENEWAL:
                self._renewing.add(lock_id)
                self._served.tasks.spawn(lambda lock_id=lock_id, lease=lease: self._renew(lock_id, lease))  # type: ignore[misc]
        for lock_id in list(self._held):
            lease = self._served.leases.find(lock_id)
            if lease is None or lease.deadline < now:
                self._give_up(lock_id)
        if time.monotonic() - self._cleaned > _CLEANING:
            self._cleaned = time.monotonic()
            self._note(lambda: self._served.leases.expire(now))

    def _renew(self, lock_id: str, lease: Lease) -> None:
        """For another ten minutes; where that does not work, the lock stays as it is."""
        try:
            claim = self._claim_again(lease) if lease.claim else 0
            renewed = Lease(lease.uuid, lease.key, time.time() + SECONDS, claim, lease.holder)
            before = self._note(lambda: self._served.leases.renew(lock_id, renewed))
            over = renewed if before is None else before
            if over.claim:
                self._unlock(over)
        except (AnnexshellError, OSError) as error:
            self._served.warn(str(error))
        finally:
            self._renewing.discard(lock_id)

    def _claim_again(self, lease: Lease) -> int:
        """A new claim on a content that is locked. Raises AnnexshellError."""
        backend = self._open_backend(lease.uuid)
        try:
            held = backend.call(lambda: backend.repository.lock(lease.key))
            backend.call(held.abandon)
            return held.claim
        finally:
            backend.close()

    def close(self) -> None:
        """Leaves all locks to their retention."""
        for lock in self._held.values():
            lock.backend.call(lock.held.abandon)
            lock.backend.close()
        self._held = {}
