"""Notes of locks that outlive connections and processes: one file for each lock that a client of the HTTP API has.

What keeps the content is its retention; a note only tells whoever is asked about the lock's id later which content that
was. As long as a process holds the lock itself, it holds a record lock on the note. A note that is deleted ends the
lock, wherever it is held.
"""

from __future__ import annotations

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

_ID_LENGTH = 36


class Lease:
    """A note. `deadline` is in seconds of the wall clock, `uuid` the repository's whose content is locked."""

    def __init__(self, lock_id: str, path: bytes, uuid: bytes, key: Key, deadline: float, lock: Lock) -> None:
        self.lock_id = lock_id
        self.uuid = uuid
        self.key = key
        self.deadline = deadline
        self._path = path
        self._lock = lock

    def is_ended(self) -> bool:
        """Whether somebody else has ended the lock."""
        return not self._lock.is_sane()

    def renew(self, deadline: float) -> None:
        """Notes a new deadline."""
        self.deadline = deadline
        data = _text(self.uuid, self.key, deadline)
        os.pwrite(self._lock.fd, data, 0)

    def end(self) -> None:
        """Deletes the note."""
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            pass
        self._lock.release()

    def leave(self) -> None:
        """Leaves the note to other processes."""
        self._lock.release()


class Leases:
    """The notes of one repository."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._directory = parts.paths.annex_dir + b"/annexshell/locks"

    def create(self, target: bytes, key: Key, deadline: float) -> Lease:
        """Notes a new lock. Raises OSError."""
        make_directories(self._directory, self._parts.paths.common_dir, self._parts.perms)
        lock_id = str(uuid.uuid4())
        path = self._path(lock_id)
        lock = self._parts.locks.try_exclusive(path)
        if lock is None:
            raise FileExistsError(17, "a lock's id was made twice")
        lease = Lease(lock_id, path, target, key, deadline, lock)
        lease.renew(deadline)
        return lease

    def count(self) -> int:
        """How many locks there are, in all processes."""
        return len(self.ids())

    def ids(self) -> list[str]:
        try:
            return [os.fsdecode(name) for name in os.listdir(self._directory)]
        except FileNotFoundError:
            return []

    def adopt(self, lock_id: str) -> Lease | None:
        """The note of a lock that no living process holds; None if there is none."""
        if not is_lock_id(lock_id):
            return None
        path = self._path(lock_id)
        try:
            lock = self._parts.locks.try_exclusive(path, create=False)
        except FileNotFoundError:
            return None
        if lock is None:
            return None
        found = _parse(read_file(path) or b"")
        if found is None or not lock.is_sane():
            lock.release()
            return None
        return Lease(lock_id, path, *found, lock)

    def find(self, lock_id: str) -> tuple[bytes, Key, float] | None:
        """Uuid, key and deadline of a lock, whoever holds it."""
        return _parse(read_file(self._path(lock_id)) or b"") if is_lock_id(lock_id) else None

    def end(self, lock_id: str) -> None:
        """Ends a lock that another process holds: it will see that soon."""
        if is_lock_id(lock_id):
            try:
                os.unlink(self._path(lock_id))
            except FileNotFoundError:
                pass

    def _path(self, lock_id: str) -> bytes:
        return b"%b/%b" % (self._directory, lock_id.encode())


def is_lock_id(text: str) -> bool:
    """Whether a client's text has the form of our ids."""
    return len(text) == _ID_LENGTH and all(c in "0123456789abcdef-" for c in text)


def _text(uuid: bytes, key: Key, deadline: float) -> bytes:
    return b"%020d %b\n%b" % (int(deadline), uuid.hex().encode(), key.serialized)


def _parse(data: bytes) -> tuple[bytes, Key, float] | None:
    head, _, key = data.partition(b"\n")
    deadline, _, target = head.partition(b" ")
    try:
        return bytes.fromhex(target.decode("ascii")), parse_key(key), float(int(deadline))
    except (ValueError, BadKey):
        return None
