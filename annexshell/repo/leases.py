"""Notes of locks that outlive connections and processes: one file for each lock that a client of the HTTP API has.

What keeps the content is its retention (store.retention); a note tells whoever is asked about the lock's id later which
content that was, and whether anybody else still relies on it. The name of a note is the id: what is locked, for whom,
and something unique.
"""

from __future__ import annotations

import hashlib
import os
import uuid

from annexshell.disk.files import read_file
from annexshell.disk.perms import make_directories
from annexshell.errors import BadKey
from annexshell.model.key import parse_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.disk.filelock import Lock
    from annexshell.model.key import Key
    from annexshell.repo.parts import Parts

_PATIENCE = 30.0  # seconds for a lock that is held only for a moment
_LONGEST_ID = 80


class Lease:
    """A note. `uuid` is the repository's whose content is locked, `deadline` in seconds of the wall clock."""

    def __init__(self, uuid: bytes, key: Key, deadline: float) -> None:
        self.uuid = uuid
        self.key = key
        self.deadline = deadline


class Leases:
    """The notes of one repository. All calls raise OSError, LockTimeout."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._directory = parts.paths.annex_dir + b"/annexshell/locks"

    def create(self, lease: Lease, client: bytes) -> str:
        """Notes a lock that is about to be taken, and returns its id."""
        lock_id = f"{_digest(lease.uuid, lease.key.serialized)}-{_digest(client)}-{uuid.uuid4()}"
        with self._guard():
            self._write(lock_id, lease)
        return lock_id

    def find(self, lock_id: str) -> Lease | None:
        """The lock with an id, which may be any text."""
        return _parse(read_file(self._path(lock_id)) or b"") if _is_id(lock_id) else None

    def renew(self, lock_id: str, deadline: float) -> None:
        """Notes a new deadline of a lock, unless it has ended."""
        with self._guard():
            lease = self.find(lock_id)
            if lease is not None:
                lease.deadline = deadline
                self._write(lock_id, lease)

    def end(self, lock_id: str) -> bool:
        """Forgets a lock; whether nobody else has one on the same content."""
        with self._guard():
            try:
                os.unlink(self._path(lock_id))
            except FileNotFoundError:
                return False
            content = lock_id.partition("-")[0] + "-"
            return not any(other.startswith(content) for other in self._ids())

    def count(self, client: bytes) -> tuple[int, int]:
        """How many locks there are, in all and those of a client."""
        ids = self._ids()
        middle = f"-{_digest(client)}-"
        return len(ids), sum(middle in lock_id for lock_id in ids)

    def expire(self, now: float) -> None:
        """Forgets the locks whose time is over."""
        for lock_id in self._ids():
            lease = self.find(lock_id)
            if lease is None or lease.deadline < now:
                self.end(lock_id)

    def _ids(self) -> list[str]:
        try:
            return [name for name in map(os.fsdecode, os.listdir(self._directory)) if _is_id(name)]
        except FileNotFoundError:
            return []

    def _guard(self) -> Lock:
        path = self._directory + b".lck"
        try:
            return self._parts.locks.exclusive(path, _PATIENCE)
        except FileNotFoundError:
            make_directories(self._directory, self._parts.paths.common_dir, self._parts.perms)
            return self._parts.locks.exclusive(path, _PATIENCE)

    def _write(self, lock_id: str, lease: Lease) -> None:
        text = b"%d %b\n%b" % (int(lease.deadline), lease.uuid.hex().encode(), lease.key.serialized)
        make_directories(self._directory, self._parts.paths.common_dir, self._parts.perms)
        self._parts.scratch.replace(self._path(lock_id), text)

    def _path(self, lock_id: str) -> bytes:
        return b"%b/%b" % (self._directory, lock_id.encode())


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _is_id(text: str) -> bool:
    """Whether a client's text could be an id of ours."""
    return len(text) <= _LONGEST_ID and text.count("-") > 2 and all(c in "0123456789abcdef-" for c in text)


def _parse(data: bytes) -> Lease | None:
    head, _, key = data.partition(b"\n")
    deadline, _, target = head.partition(b" ")
    try:
        return Lease(bytes.fromhex(target.decode("ascii")), parse_key(key), float(int(deadline)))
    except (ValueError, BadKey):
        return None
