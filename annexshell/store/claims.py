"""Who relies on the retention of an object: the claims, in a file of our own for each key.

The time stamp beside an object has room for the latest deadline only, goes by a clock that may be set, and is deleted
by a client of git-annex that locks and unlocks the content after ours. So each lock that we give notes its claim here,
where nobody else deletes it, and takes none but its own away again.

A file is a line with the time stamp that was last written on behalf of the claims and with their number, and then a
line for each: its name, and its deadline on both clocks. What is damaged stands for a claim that nobody can end before
its time.
"""

from __future__ import annotations

import os

from annexshell.disk.clock import BILLION, Deadline
from annexshell.disk.files import read_file
from annexshell.disk.perms import make_directories

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from annexshell.disk.clock import Clock
    from annexshell.disk.durable import Durability
    from annexshell.disk.filelock import FileLocks, Lock
    from annexshell.disk.perms import Perms
    from annexshell.store.layout import Layout

SECONDS = 600  # for which content that was locked for a client is retained (Types/NumCopies.hs)
LONGEST = SECONDS * BILLION

_PATIENCE = 30.0  # seconds for a lock that is held only for a moment
_MOST = 100  # claims on one key; of more than that the earliest are not told apart
_LARGEST = 1 << 16  # bytes
_DIGITS = 20


class Claims:
    """The claims on one key. `held` has the deadlines that somebody relies on, by the names of the claims, which are
    numbers; `stamp` is the time stamp that was written for them, 0 for none."""

    def __init__(self, stamp: int, held: dict[int, Deadline]) -> None:
        self.stamp = stamp
        self.held = held

    def latest(self) -> int:
        """Until when the content is retained for all of them, by the clock of the wall; 0 if there are none."""
        return max((deadline.wall for deadline in self.held.values()), default=0)

    def add(self, deadline: Deadline, taken: int | None = None) -> int:
        """Notes a claim and returns its name, which is not `taken`: the deadline on the clock of the wall, or the next
        number that is free."""
        if len(self.held) >= _MOST:
            self._merge()
        name = deadline.wall
        while name in self.held or name == taken:
            name += 1
        self.held[name] = deadline
        return name

    def _merge(self) -> None:
        """Has the earlier half of the claims last until the last of them is over, whoever ends theirs."""
        ordered = sorted(self.held.items(), key=lambda item: item[1].boot)
        merged = ordered[_MOST // 2][1]
        self.held = dict(ordered[_MOST // 2 + 1 :])
        self.add(merged, taken=merged.wall)


def parse(data: bytes, clock: Clock) -> Claims:
    """What a file of claims says, without those that are over."""
    try:
        stamp, held = _parse(data)
    except ValueError:
        return damaged(clock)
    renewed = {name: clock.renewed(deadline, LONGEST) for name, deadline in held.items()}
    now = clock.boot()
    return Claims(stamp, {name: deadline for name, deadline in renewed.items() if deadline.boot > now})


def damaged(clock: Clock) -> Claims:
    """Nobody knows any more who relies on the content: it is retained for as long as anybody can."""
    claims = Claims(0, {})
    claims.add(clock.after(LONGEST))
    return claims


def _parse(data: bytes) -> tuple[int, dict[int, Deadline]]:
    head, *lines = data.split(b"\n")
    stamp, count = map(_number, head.split(b" "))
    held = {}
    for line in lines[:-1]:
        name, wall, boot, boot_id = line.split(b" ")
        held[_number(name)] = Deadline(_number(wall), _number(boot), boot_id)
    if len(held) != count or lines[-1:] != [b""]:
        raise ValueError("a file of claims that is not whole")
    return stamp, held


def _number(text: bytes) -> int:
    if not text.isdigit() or len(text) > _DIGITS:
        raise ValueError("not a number")
    return int(text)


def serialize(claims: Claims) -> bytes:
    lines = [b"%d %d\n" % (claims.stamp, len(claims.held))]
    for name, deadline in claims.held.items():
        lines.append(b"%d %d %d %b\n" % (name, deadline.wall, deadline.boot, deadline.boot_id))
    return b"".join(lines)


class ClaimsFile:
    """The claims on one key, locked until the end of the context. Raises OSError, DiskError."""

    def __init__(self, lock: Lock, durability: Durability, may_be_new: bool) -> None:
        self._lock = lock
        self._durability = durability
        self._may_be_new = may_be_new
        self._data = b""
        self._fd = lock.fd
        if lock.fd < 0:  # with annex.pidlock no file is open for a lock
            try:
                self._fd = os.open(lock.path, os.O_RDWR | os.O_CLOEXEC)
            except BaseException:
                lock.release()
                raise

    def __enter__(self) -> ClaimsFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            # What stays empty would count as damaged, and nobody could remove the content from a full disk.
            if error is not None and self._may_be_new and not os.fstat(self._fd).st_size:
                self.delete()
        finally:
            if self._fd != self._lock.fd:
                os.close(self._fd)
            self._lock.release()

    def load(self, clock: Clock) -> Claims:
        self._data = os.pread(self._fd, _LARGEST, 0)
        return Claims(0, {}) if self._may_be_new and not self._data else parse(self._data, clock)

    def write(self, claims: Claims, durably: bool = False) -> None:
        """Writes the claims in place if they have changed, and flushes them if they are to be there `durably`. If that
        is interrupted, what is there is as good as damaged."""
        data, before = serialize(claims), self._data
        if data == before:
            return
        self._put(data)
        if len(data) < len(before):
            os.ftruncate(self._fd, len(data))
        self._data = data
        if durably:
            self._durability.file(self._fd)
            if not before:
                self._durability.directories((os.path.dirname(self._lock.path),))

    def revert(self, claims: Claims) -> None:
        """Has the file say this after something failed, whatever of it has been written. Raises OSError."""
        data = serialize(claims) if claims.held or claims.stamp else b""  # what is empty is deleted at the end
        self._put(data)
        os.ftruncate(self._fd, len(data))

    def _put(self, data: bytes) -> None:
        """Writes all of the data: where the disk is full, a part of it may fit."""
        written = 0
        while written < len(data):
            written += os.pwrite(self._fd, data[written:], written)

    def delete(self) -> None:
        os.unlink(self._lock.path)


class ClaimsFiles:
    """The files of all claims. A key's is called as its objects are, whose `path` is given."""

    def __init__(self, layout: Layout, locks: FileLocks, perms: Perms, durability: Durability) -> None:
        self._annex_dir = layout.annex_dir
        self._directory = layout.claims
        self._locks = locks
        self._perms = perms
        self._durability = durability

    def _path(self, path: bytes) -> bytes:
        return self._directory + path[path.rindex(b"/") :]

    def read(self, path: bytes) -> bytes | None:
        """What is in the file; None if there is none. It may be half written: only who opens it can be sure."""
        return read_file(self._path(path))

    def open(self, path: bytes) -> ClaimsFile:
        """Raises FileNotFoundError if there is none, LockTimeout, OSError."""
        lock = self._locks.exclusive(self._path(path), _PATIENCE, create=False)
        return ClaimsFile(lock, self._durability, may_be_new=False)

    def create(self, path: bytes) -> ClaimsFile:
        """Opens the file, which is created where there is none. Raises LockTimeout, OSError."""
        try:
            lock = self._locks.exclusive(self._path(path), _PATIENCE)
        except FileNotFoundError:
            make_directories(self._directory, self._annex_dir, self._perms)
            lock = self._locks.exclusive(self._path(path), _PATIENCE)
        return ClaimsFile(lock, self._durability, may_be_new=True)

    def delete(self, path: bytes) -> None:
        """Deletes the file if there is one. The caller holds the content lock exclusively."""
        try:
            os.unlink(self._path(path))
        except FileNotFoundError:
            pass
