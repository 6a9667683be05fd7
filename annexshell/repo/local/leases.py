"""Notes of locks that outlive connections and processes: one file for each lock that a client of the HTTP API has.

What keeps the content is its retention (store.retention); a note tells whoever is asked about the lock's id later which
content that was, and which claim on its retention. The name of a note is the id: for whom it is, and something unique.
As claims do, it lasts until a deadline that no clock which is set changes.
"""

from __future__ import annotations

import hashlib
import os
import uuid

from annexshell.disk.clock import BILLION, Clock, Deadline
from annexshell.disk.files import read_file
from annexshell.disk.perms import make_directories
from annexshell.errors import BadKey, TooManyLocks
from annexshell.model.address import network_of
from annexshell.model.key import parse_key
from annexshell.model.ownfiles import OwnFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from annexshell.disk.filelock import Lock
    from annexshell.model.key import Key
    from annexshell.repo.local.parts import Parts

    Result = TypeVar("Result")

SECONDS = 600  # that a lock lasts (P2P/Http), as retention does

_PATIENCE = 30.0  # seconds for a lock that is held only for a moment
_LONGEST_ID = 80
_LONGEST_NAME = 100  # bytes


class Holder:
    """Who has a lock: the uuid that the client gives, which may be any text, its address, and the user's name, empty
    for who has not logged in."""

    __slots__ = ("address", "client", "user")

    def __init__(self, client: bytes, address: bytes, user: bytes) -> None:
        self.client = client[:_LONGEST_NAME]
        self.address = address
        self.user = user


class Lease:
    """A note. `uuid` is the repository's whose content is locked, `claim` is what ends the lock, 0 if whoever took it
    has to hold it."""

    def __init__(self, uuid: bytes, key: Key, deadline: Deadline, claim: int, holder: Holder) -> None:
        self.uuid = uuid
        self.key = key
        self.deadline = deadline
        self.claim = claim
        self.holder = holder


class Leases:
    """The notes of one repository, of which there may be `limit`, and `client_limit` for one address. All calls raise
    OSError, LockTimeout."""

    def __init__(self, parts: Parts, limit: int = 100, client_limit: int = 50) -> None:
        self._parts = parts
        self._limit = limit
        self._client_limit = client_limit
        self._directory = OwnFiles(parts.paths.annex_dir).leases
        self.clock = Clock()

    def deadline(self) -> Deadline:
        """Until when a lock lasts that is taken now."""
        return self.clock.after(SECONDS * BILLION)

    def remaining(self, lease: Lease) -> float:
        """The seconds that a lock still lasts; 0 if it is over."""
        return self.clock.remaining(lease.deadline, SECONDS * BILLION) / BILLION

    def create(self, lease: Lease) -> str:
        """Notes a lock, and returns its id. Raises TooManyLocks."""
        lock_id = f"{_digest(lease.holder.address)}-{uuid.uuid4()}"
        with self._guard():
            self.check(lease.holder.address)
            self._write(lock_id, lease)
        return lock_id

    def all(self) -> list[Lease]:
        """All of them that are in force."""
        found = [lease for lease in map(self.find, self.ids()) if lease is not None]
        return [lease for lease in found if self.remaining(lease)]

    def count(self) -> int:
        """How many locks there are, for people: without those whose time is over, and none where that can't be seen."""
        try:
            return len(self.all())
        except OSError:
            return 0

    def check(self, address: bytes) -> None:
        """Raises TooManyLocks if there can't be one more for an address."""
        ids = self.ids()
        if len(ids) >= self._limit or sum(i.startswith(_digest(address)) for i in ids) >= self._client_limit:
            raise TooManyLocks("too many keys are locked already")

    def find(self, lock_id: str) -> Lease | None:
        """The lock with an id, which may be any text."""
        return _parse(read_file(self._path(lock_id)) or b"") if _is_id(lock_id) else None

    def renew(self, lock_id: str, lease: Lease) -> Lease | None:
        """Notes anew what is locked, and returns what was noted before; does nothing and returns None if the lock has
        ended."""
        with self._guard():
            before = self.find(lock_id)
            if before is not None:
                self._write(lock_id, lease)
            return before

    def end(self, lock_id: str) -> Lease | None:
        """Forgets a lock, and returns what was noted of it: to one caller only."""
        if not _is_id(lock_id):
            return None
        with self._guard():
            lease = self.find(lock_id)
            try:
                os.unlink(self._path(lock_id))
            except FileNotFoundError:
                return None
            return lease

    def while_noted(self, lock_id: str, function: Callable[[], Result]) -> Result | None:
        """The result of a function during which the lock does not end; None, without calling it, if it has ended."""
        with self._guard():
            return None if self.find(lock_id) is None else function()

    def expire(self) -> None:
        """Forgets the locks whose time is over. Of the others it says until when, by the clocks of now."""
        for lock_id in self.ids():
            lease = self.find(lock_id)
            if lease is None or not self.remaining(lease):
                self.end(lock_id)
            elif lease.deadline.boot_id != self.clock.boot_id:
                deadline = self.clock.renewed(lease.deadline, SECONDS * BILLION)
                self.renew(lock_id, Lease(lease.uuid, lease.key, deadline, lease.claim, lease.holder))

    def ids(self) -> list[str]:
        """Those of all locks."""
        try:
            return [name for name in map(os.fsdecode, os.listdir(self._directory)) if _is_id(name)]
        except FileNotFoundError:
            return []

    def _guard(self) -> Lock:
        path = self._directory + b".lck"
        try:
            return self._parts.annex.locks.exclusive(path, _PATIENCE, stays=True)
        except FileNotFoundError:
            make_directories(self._directory, self._parts.paths.common_dir, self._parts.annex.perms)
            return self._parts.annex.locks.exclusive(path, _PATIENCE, stays=True)

    def _write(self, lock_id: str, lease: Lease) -> None:
        holder = lease.holder
        texts = [text.hex().encode() for text in (lease.uuid, holder.client, holder.address, holder.user)]
        deadline = lease.deadline
        numbers = b"%d %d" % (deadline.wall // BILLION, lease.claim)
        head = b" ".join([numbers, *texts, b"%d" % deadline.boot, deadline.boot_id])
        make_directories(self._directory, self._parts.paths.common_dir, self._parts.annex.perms)
        # A crash of the machine may take the note: the retention of the object is on disk, and ends by itself.
        self._parts.annex.scratch.replace(self._path(lock_id), head + b"\n" + lease.key.serialized, durably=False)

    def _path(self, lock_id: str) -> bytes:
        return b"%b/%b" % (self._directory, lock_id.encode())


def _digest(address: bytes) -> str:
    """What stands for a client in names of notes."""
    return hashlib.sha256(network_of(address.decode("latin-1")).encode("latin-1")).hexdigest()[:16]


def _is_id(text: str) -> bool:
    """Whether a client's text could be an id of ours."""
    return len(text) <= _LONGEST_ID and text.count("-") > 2 and all(c in "0123456789abcdef-" for c in text)


def _parse(data: bytes) -> Lease | None:
    head, _, key = data.partition(b"\n")
    try:
        seconds, claim, *texts = head.split(b" ")
        target, client, address, user = (bytes.fromhex(text.decode("ascii")) for text in texts[:4])
        boot = (int(texts[4]), texts[5]) if len(texts) > 4 else ()  # those of old versions are without
        deadline = Deadline(int(seconds) * BILLION, *boot)
        return Lease(target, parse_key(key), deadline, int(claim), Holder(client, address, user))
    except (ValueError, IndexError, BadKey):
        return None
