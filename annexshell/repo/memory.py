"""A Repository that holds its contents in memory: a fake for tests.

It keeps the promises of the port, and it is strict with its user: what has been begun must be ended exactly once, and
whatever still is open can be seen in `unfinished`. `now` is its clock, which only a test moves. An operation can be
made to fail: `fail("put", DiskFull("no space"))`.
"""

from __future__ import annotations

from annexshell.errors import (
    AnnexshellError,
    ContentLocked,
    NotPresent,
    TooLate,
    TransferBusy,
    VerificationFailed,
)
from annexshell.model.hashes import hasher_for, matches
from annexshell.repo.port import AlreadyHave, Held, Reading, Repository, Writing
from annexshell.stream.port import Sink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.model.key import Key
    from annexshell.stream.port import Buffer

RETENTION = 600  # seconds of `now`
_SMALL = 64  # bytes


class MemoryRepository(Repository):
    """Contents by key. `plus` are uuids of further repositories, named in the answers to `put` and `remove`."""

    def __init__(self, uuid: bytes, now: int = 1000, plus: tuple[bytes, ...] = ()) -> None:
        self.uuid = uuid
        self.now = now
        self.plus = plus
        self.contents: dict[Key, bytes] = {}
        self.partial: dict[Key, bytes] = {}
        self.retained: dict[int, tuple[Key, int]] = {}  # abandoned locks by claim: of what, and until when
        self.files: list[bytes] = []  # the names for display that came with `get` and `put`
        self.unfinished: list[Unfinished] = []
        self.closed = False
        self._failing: dict[str, AnnexshellError] = {}

    def fail(self, operation: str, error: AnnexshellError | None) -> None:
        """Makes an operation raise from now on: a method of the port, or of what it
        returns, such as `begin`. None ends it."""
        if error is None:
            self._failing.pop(operation, None)
        else:
            self._failing[operation] = error

    def trip(self, operation: str) -> None:
        """Raises what `fail` asked for."""
        if self.closed:
            raise AssertionError(f"{operation} on a closed repository")
        error = self._failing.get(operation)
        if error is not None:
            raise error

    def present(self, key: Key) -> bool:
        self.trip("present")
        return key in self.contents

    def lock(self, key: Key) -> Held:
        self.trip("lock")
        if key not in self.contents:
            raise NotPresent("the content is not present")
        return MemoryHeld(self, key)

    def unlock(self, key: Key, claim: int) -> None:
        self.trip("unlock")
        if key not in self.contents:
            raise NotPresent("the content is not present")
        self.retained.pop(claim, None)

    def remove(self, key: Key, before: int | None = None) -> list[bytes]:
        self.trip("remove")
        if key not in self.contents:
            return list(self.plus)
        if self._is_locked(key):
            raise ContentLocked("content is locked")
        if before is not None and self.now >= before:
            raise TooLate("the time until which the removal was allowed has passed")
        del self.contents[key]
        return list(self.plus)

    def _is_locked(self, key: Key) -> bool:
        held = any(isinstance(thing, MemoryHeld) and thing.key == key for thing in self.unfinished)
        return held or any(locked == key and until > self.now for locked, until in self.retained.values())

    def timestamp(self) -> int:
        self.trip("timestamp")
        return self.now

    def get(self, key: Key, offset: int, file: bytes) -> Reading:
        self.trip("get")
        self.files.append(file)
        if key not in self.contents:
            raise NotPresent("the content is not present")
        return MemoryReading(self, key, self.contents[key][offset:])

    def put(self, key: Key, file: bytes) -> AlreadyHave | Writing:
        self.trip("put")
        self.files.append(file)
        if key in self.contents:
            return AlreadyHave(list(self.plus))
        if any(isinstance(thing, MemoryWriting) and thing.key == key for thing in self.unfinished):
            raise TransferBusy("another process is receiving this content at the moment")
        return MemoryWriting(self, key)

    def close(self) -> None:
        self.trip("close")
        self.closed = True


class Unfinished:
    """Something that was begun on a repository and has to be ended, once."""

    def __init__(self, repository: MemoryRepository, key: Key) -> None:
        self.key = key
        self._repository = repository
        repository.unfinished.append(self)

    def _end(self) -> None:
        if self not in self._repository.unfinished:
            raise AssertionError(f"{type(self).__name__} of {self.key} is ended twice")
        self._repository.unfinished.remove(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.key})"


class MemoryHeld(Unfinished, Held):
    """A lock on a content."""

    def __init__(self, repository: MemoryRepository, key: Key) -> None:
        super().__init__(repository, key)
        self.claim = id(self)

    def release(self) -> None:
        self._end()

    def abandon(self) -> None:
        self._end()
        self._repository.retained[self.claim] = (self.key, self._repository.now + RETENTION)


class MemoryReading(Unfinished, Reading):
    """A content being read: a short one in one piece. Setting `valid` to False says that it changed meanwhile."""

    def __init__(self, repository: MemoryRepository, key: Key, data: bytes) -> None:
        super().__init__(repository, key)
        self.length = len(data)
        self.delivered: bool | None = None
        self.valid = True
        self._data = data

    def send(self, sink: Sink) -> int:
        self._repository.trip("send")
        sink.write(self._data)
        return len(self._data)

    def read_small(self) -> bytes | None:
        self._repository.trip("read_small")
        return self._data if self.length <= _SMALL else None

    def is_valid(self) -> bool:
        self._repository.trip("is_valid")
        return self.valid

    def close(self, delivered: bool) -> None:
        self._end()
        self.delivered = delivered


class MemoryWriting(Unfinished, Writing):
    """A content being stored."""

    def __init__(self, repository: MemoryRepository, key: Key) -> None:
        super().__init__(repository, key)
        self._data = repository.partial.get(key, b"")
        self.offset = len(self._data)
        self._nothing = True

    def begin(self, length: int) -> Sink:
        self._repository.trip("begin")
        self._nothing = length == 0
        return MemorySink(self)

    def add(self, data: Buffer) -> None:
        """What its sink takes."""
        self._repository.trip("write")
        self._data += data

    def finish(self, valid: bool | None, verified: bool | None = None) -> list[bytes]:
        self._end()
        self._repository.trip("finish")
        if verified is False:
            raise VerificationFailed("verification of content failed")
        if valid is False and self._nothing:
            raise VerificationFailed("the client has nothing to send")
        self._repository.partial.pop(self.key, None)
        hasher = hasher_for(self.key)
        if hasher is not None:
            hasher.update(self._data)
        if not matches(self.key, hasher, len(self._data)):
            raise VerificationFailed("verification of content failed")
        self._repository.contents.setdefault(self.key, self._data)
        return list(self._repository.plus)

    def finish_present(self) -> list[bytes]:
        self._end()
        self._repository.trip("finish_present")
        if self.key not in self._repository.contents:
            raise NotPresent("the content is not present")
        return list(self._repository.plus)

    def abandon(self) -> None:
        self._end()
        if self._data:
            self._repository.partial[self.key] = self._data


class MemorySink(Sink):
    """Adds what it takes to a content being stored."""

    def __init__(self, writing: MemoryWriting) -> None:
        self._writing = writing

    def write(self, data: Buffer) -> None:
        self._writing.add(data)
