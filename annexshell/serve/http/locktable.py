"""Locks of clients of the HTTP API.

Clients go on to drop their copies whatever becomes of their connection to us, so that nothing but the client's own word
ends a lock early: no closed connection, and no restart. A lock is in force for ten minutes; as long as its client is
connected for it, it is renewed. Which locks there are is on disk (repo.leases): any worker process may be asked for
one.
"""

from __future__ import annotations

import time

from annexshell.errors import AnnexshellError, NotPresent, TooManyLocks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.model.key import Key
    from annexshell.repo.leases import Lease
    from annexshell.repo.port import Held
    from annexshell.serve.http.backend import Backend
    from annexshell.serve.http.served import Served

SECONDS = 600.0  # P2P/Http's and our retention
_PATIENCE = 60.0  # seconds for a lock that is just being taken over
_RENEWAL = 300.0  # seconds before the end at which the lock of a connected client is renewed


class HeldLock:
    """A lock that this process holds. `backend` is what it is held in, and is not used for anything else meanwhile."""

    def __init__(self, lease: Lease, client: str, backend: Backend, held: Held) -> None:
        self.lease = lease
        self.client = client
        self.backend = backend
        self.held = held
        self.connections = 0
        self.over = False


class LockTable:
    """The locks of one repository and of what it proxies for. `limit` is for all of them in all processes, and
    `client_limit` for those that one client has taken here."""

    def __init__(self, served: Served, limit: int, client_limit: int, open_backend: Callable[[bytes], Backend]) -> None:
        self._served = served
        self._limit = limit
        self._client_limit = client_limit
        self._open_backend = open_backend
        self._locks: dict[str, HeldLock] = {}
        self._adopting: set[str] = set()
        self._adopted = served.tasks.news()
        # Locks on the same content are given up together, in the order in which they were taken: only the last one that
        # began a retention knows how to end it.
        self._by_key: dict[tuple[bytes, bytes], list[HeldLock]] = {}

    def __len__(self) -> int:
        return len(self._locks)

    def lock(self, key: Key, client: str, backend: Backend) -> str:
        """Locks a content and returns the lock's id. Takes over the backend, also when it raises NotPresent,
        ContentLocked, TooManyLocks, and what else a Repository does."""
        held: Held | None = None
        try:
            self._check_limits(client)
            held = backend.call(lambda: backend.repository.lock(key))
            deadline = time.time() + SECONDS
            lease = backend.offload(lambda: self._served.leases.create(backend.uuid, key, deadline))
        except BaseException:
            if held is not None:
                held.release()
            backend.close()
            raise
        self._add(HeldLock(lease, client, backend, held))
        if backend.is_own:
            backend.close()  # a lock on a file needs nothing of it
        return lease.lock_id

    def _check_limits(self, client: str) -> None:
        mine = sum(lock.client == client for lock in self._locks.values())
        if mine >= self._client_limit or self._served.leases.count() >= self._limit:
            raise TooManyLocks("too many contents are locked already")

    def _add(self, lock: HeldLock) -> None:
        self._locks[lock.lease.lock_id] = lock
        self._by_key.setdefault((lock.lease.uuid, lock.lease.key.serialized), []).append(lock)

    def keep(self, lock_id: str) -> HeldLock | None:
        """The client is connected for its lock, until `leave`. None if the lock is not in force, or another process
        holds it."""
        lock = self._find(lock_id)
        if lock is not None:
            lock.connections += 1
        return lock

    def leave(self, lock: HeldLock) -> None:
        """The client's connection is gone, which changes nothing."""
        lock.connections -= 1

    def release(self, lock_id: str) -> None:
        """The client needs the lock no more."""
        lock = self._find(lock_id)
        if lock is not None:
            self._end(lock)
        else:
            self._served.leases.end(lock_id)

    def _find(self, lock_id: str) -> HeldLock | None:
        """A lock that this process holds, or can take over from one that has left it behind."""
        if lock_id in self._adopting:
            self._adopted.wait(_PATIENCE)
        if lock_id in self._locks:
            return self._locks[lock_id]
        self._adopting.add(lock_id)
        try:
            return self._adopt(lock_id)
        finally:
            self._adopting.discard(lock_id)
            self._adopted.tell()

    def _adopt(self, lock_id: str) -> HeldLock | None:
        lease = self._served.leases.adopt(lock_id)
        if lease is None:
            return None
        if lease.deadline <= time.time():
            lease.end()
            return None
        try:
            backend = self._open_backend(lease.uuid)
        except AnnexshellError:
            lease.leave()
            return None
        try:
            held = backend.call(lambda: backend.repository.lock(lease.key))
        except AnnexshellError as error:
            backend.close()
            if isinstance(error, NotPresent):
                lease.end()
            else:
                lease.leave()
            return None
        lock = HeldLock(lease, "", backend, held)
        self._add(lock)
        if backend.is_own:
            backend.close()
        return lock

    def tend(self) -> None:
        """To be called every second or so: ends what is over, renews what is in use, and takes over what dead processes
        have left."""
        now = time.time()
        for lock in list(self._locks.values()):
            if lock.over:
                continue
            if lock.lease.is_ended() or (lock.lease.deadline <= now and not lock.connections):
                self._end(lock)
            elif lock.connections and lock.lease.deadline - now < _RENEWAL:
                self._renew(lock, now)
        for lock_id in self._served.leases.ids():
            self._find(lock_id)

    def _renew(self, lock: HeldLock, now: float) -> None:
        repository, key = lock.backend.repository, lock.lease.key
        try:
            held = lock.backend.call(lambda: repository.lock(key))
        except AnnexshellError:
            return  # it stays locked as it is
        lock.held, before = held, lock.held
        lock.backend.call(before.abandon)
        lock.lease.renew(now + SECONDS)

    def _end(self, lock: HeldLock) -> None:
        lock.over = True
        self._locks.pop(lock.lease.lock_id, None)
        lock.lease.end()
        place = (lock.lease.uuid, lock.lease.key.serialized)
        group = self._by_key.get(place, [])
        if not all(other.over for other in group):
            return
        self._by_key.pop(place, None)
        for other in group:
            self._give_up(other, other.held.release)

    def _give_up(self, lock: HeldLock, how: Callable[[], None]) -> None:
        try:
            lock.backend.call(how)
        except (AnnexshellError, TimeoutError) as error:
            self._served.warn(str(error))
        lock.backend.close()

    def close(self) -> None:
        """Leaves all locks as they are, for the next process."""
        for group in self._by_key.values():
            for lock in group:
                lock.lease.leave()
                self._give_up(lock, lock.held.abandon)
        self._locks = {}
        self._by_key = {}
