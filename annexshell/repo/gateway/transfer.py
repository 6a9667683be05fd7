"""Transfers of a cluster: an upload to several nodes, and a download from the best node that can give it."""

from __future__ import annotations

import os
from functools import partial

from annexshell.errors import AnnexshellError, NodeError, NodeFailed, NotPresent, VerificationFailed
from annexshell.model.hashes import hasher_for, matches
from annexshell.relay.fanout import FanOut, FanOutBranch
from annexshell.repo.port import Reading, Writing
from annexshell.stream.port import Sink, SinkFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.annexlog.reservations import Reservation
    from annexshell.model.hashes import Hasher
    from annexshell.model.key import Key
    from annexshell.repo.gateway.loads import Loads
    from annexshell.repo.gateway.member import Member, NodeTasks
    from annexshell.repo.gateway.tracked import LocationTracker
    from annexshell.stream.port import Buffer, Source

_SMALL = 1 << 16  # bytes; smaller objects are kept in memory and given to each node in one go


class ClusterWriting(Writing):
    """An upload to the nodes of `writings`, each from its own offset. The sender starts at the smallest offset. The
    `reserved` space is released in the end."""

    def __init__(
        self,
        writings: dict[Member, Writing],
        pace: Callable[[Member], tuple[int, float]],
        tracker: LocationTracker,
        tasks: NodeTasks,
        warn: Callable[[AnnexshellError], None],
        key: Key,
        reserved: Reservation,
    ) -> None:
        self.offset = min(writing.offset for writing in writings.values())
        self._pace = pace
        self._tracker = tracker
        self._tasks = tasks
        self._warn = warn
        self._key = key
        self._writings = writings
        self._reserved = reserved
        self._small: _SmallObject | None = None
        self._fan_out: FanOut | None = None
        self._total = 0
        self._hasher: Hasher | None = None
        self._failures: list[AnnexshellError] = []

    def begin(self, length: int) -> Sink:
        self._total = self.offset + length
        if length <= _SMALL:
            self._small = _SmallObject()
            return self._small
        begun: dict[Member, Sink] = {}

        def begin_one(member: Member, writing: Writing) -> None:
            begun[member] = writing.begin(max(0, self._total - writing.offset))

        self._each(begin_one)
        self._check_any_left()
        branches = {
            self._branch(member, begun[member], writing.offset): member for member, writing in self._writings.items()
        }
        self._fan_out = self._open_fan_out(branches)
        return _Spread(self._fan_out, length, self._check_any_left)

    def _open_fan_out(self, branches: dict[FanOutBranch, Member]) -> FanOut:
        everything = list(branches)
        if any(self._trusts_us(member, writing) for member, writing in self._writings.items()):
            self._hasher = hasher_for(self._key)
            if self._hasher is not None:
                update = self._hasher.update
                everything.append(FanOutBranch("hash", lambda data: self._tasks.offload(partial(update, data))))

        def dropped(branch: FanOutBranch) -> None:
            if branch not in branches:
                self._hasher = None  # the nodes have to do it themselves
            elif branch.failure is not None:
                self._drop(branches[branch], branch.failure)

        return FanOut(everything, self._tasks, dropped)

    def _branch(self, member: Member, sink: Sink, offset: int) -> FanOutBranch:
        def take(data: Buffer) -> None:
            member.run(lambda: sink.write(data))

        return FanOutBranch(member.name, take, offset - self.offset, self._pace(member))

    def _check_any_left(self) -> None:
        if not self._writings:
            raise NodeFailed("; ".join(str(failure) for failure in self._failures))

    def _trusts_us(self, member: Member, writing: Writing) -> bool:
        """Whether our hash of the data is the hash of the node's whole object."""
        return member.is_local and writing.offset == 0

    def _each(self, function: Callable[[Member, Writing], None]) -> None:
        """Calls a function for each upload, and drops those for which it fails."""

        def one(item: tuple[Member, Writing]) -> None:
            try:
                item[0].run(lambda: function(*item))
            except AnnexshellError as error:
                self._drop(item[0], error)

        self._tasks.each(one, list(self._writings.items()))

    def _drop(self, member: Member, failure: AnnexshellError) -> None:
        writing = self._writings.pop(member, None)
        if writing is not None:
            self._note(failure)
            self._tasks.spawn(partial(self._abandon, member, writing))  # where a disk is stuck, nobody waits for it

    def _close_fan_out(self) -> None:
        if self._fan_out is not None:
            self._fan_out.close()

    def _note(self, failure: AnnexshellError) -> None:
        self._warn(failure)
        self._failures.append(failure)

    def _abandon(self, member: Member, writing: Writing) -> None:
        try:
            member.run(writing.abandon)
        except AnnexshellError as error:
            self._warn(error)

    def finish(self, valid: bool | None, verified: bool | None = None) -> list[bytes]:
        self._close_fan_out()
        verified = self._verify()

        def one(member: Member, writing: Writing) -> list[bytes]:
            if self._small is not None:
                self._give_small(writing, bytes(self._small.data))
            return writing.finish(valid, verified if self._trusts_us(member, writing) else None)

        return self._store(one)

    def _give_small(self, writing: Writing, data: bytes) -> None:
        try:
            sink = writing.begin(max(0, self._total - writing.offset))
            sink.write(data[writing.offset - self.offset :])
        except AnnexshellError:
            writing.abandon()
            raise

    def _verify(self) -> bool | None:
        """Whether the hash of the data is right, None if the gateway did not hash all of it."""
        if self.offset:
            return None
        hasher = self._hasher
        if self._small is not None:
            hasher = hasher_for(self._key)
            if hasher is not None:
                hasher.update(self._small.data)
        return None if hasher is None else matches(self._key, hasher, self._total)

    def finish_present(self) -> list[bytes]:
        try:
            return self._store(lambda _member, writing: writing.finish_present())
        except VerificationFailed as error:
            raise NotPresent(str(error)) from None

    def _store(self, finish: Callable[[Member, Writing], list[bytes]]) -> list[bytes]:
        """Ends the uploads and records where they worked; returns the uuids of those repositories."""

        def one(item: tuple[Member, Writing]) -> list[bytes]:
            member, _ = item
            try:
                return member.store(lambda: finish(*item), self._total)
            except AnnexshellError as error:
                self._note(error)
                return []

        answers = self._tasks.each(one, list(self._writings.items()))
        self._writings = {}
        stored = list(dict.fromkeys(uuid for answer in answers for uuid in answer))
        try:
            self._tasks.offload(lambda: self._tracker.stored(self._key, stored))
        finally:
            self._reserved.release()
        if not stored:
            raise VerificationFailed("; ".join(str(failure) for failure in self._failures))
        return stored

    def abandon(self) -> None:
        self._close_fan_out()
        self._reserved.release()
        for member in list(self._writings):
            self._abandon(member, self._writings.pop(member))


class _SmallObject(Sink):
    """A small object, kept in memory."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: Buffer) -> None:
        self.data += data


class _Spread(Sink):
    """Gives `length` bytes to all nodes, and fails when none of them is left, which `check` raises."""

    def __init__(self, fan_out: FanOut, length: int, check: Callable[[], None]) -> None:
        self._fan_out = fan_out
        self._left = length
        self._check = check

    def write(self, data: Buffer) -> None:
        self._fan_out.write(data)
        self._left -= len(data)
        if self._left <= 0:
            self._fan_out.settle()
        self._check()

    def splice_from(self, source: Source, count: int) -> int:
        taken = self._fan_out.splice_from(source, count)
        self._left -= taken
        try:
            self._check()
        except NodeFailed as error:
            raise SinkFailed(error, taken) from error
        return taken


def _length(key: Key, offset: int) -> int | None:
    """How much of the content there is from an offset on, if the key says so."""
    return None if key.size is None or key.chunk_number is not None else max(0, key.size - offset)


class ClusterReading(Reading):
    """A download from the first of `members` that can give it. When it fails in the middle of it, the next one goes on
    from there."""

    def __init__(
        self,
        members: list[Member],
        loads: Loads,
        warn: Callable[[AnnexshellError], None],
        key: Key,
        offset: int,
        file: bytes,
    ) -> None:
        """Raises NotPresent, or the reason why a node that has the key could not give it."""
        self._loads = loads
        self._warn = warn
        self._others = list(members)
        self._key = key
        self._offset = offset
        self._file = file
        self._reading: Reading
        self._slot = -1
        failure = self._open(0, _length(key, offset))
        if failure is not None:
            raise failure
        self.length = self._reading.length

    def _open(self, sent: int, length: int | None) -> AnnexshellError | None:
        """Moves on to the next node that can give the rest, of this `length` if one is given; returns the failure if
        there is none."""
        failure: AnnexshellError = NotPresent("the content is not present")
        while self._others:
            member = self._others.pop(0)
            answer = member.get(self._key, self._offset + sent, self._file)
            if isinstance(answer, AnnexshellError):
                self._warn(answer)
                if isinstance(failure, NotPresent):
                    failure = answer
            elif length is None or answer.length == length:
                self._reading = answer
                self._slot = self._loads.take(member.uuid) if answer.length > _SMALL else -1
                return None
            else:
                answer.close(False)
                failure = NodeError(member.name, "what it has is not as long as the content")
                self._warn(failure)
        return failure

    def send(self, sink: Sink) -> int:
        sent = self._reading.send(sink)
        while sent < self.length:
            self.failure = self._reading.failure
            if self.failure is not None:
                self._warn(self.failure)
            broken = self._reading
            self._free_slot()
            if self._open(sent, self.length - sent) is not None:
                break
            broken.close(False)
            sent += self._reading.send(sink)
        return sent

    def read_small(self) -> bytes | None:
        return self._reading.read_small()

    def is_valid(self) -> bool:
        return self._reading.is_valid()

    def close(self, delivered: bool) -> None:
        self._free_slot()
        self._reading.close(delivered)

    def _free_slot(self) -> None:
        if self._slot >= 0:
            os.close(self._slot)
            self._slot = -1
