"""Transfers of a cluster: an upload to several nodes, and a download from the best node that can give it."""

from __future__ import annotations

import os
from functools import partial

from annexshell.errors import AnnexshellError, NodeError, NodeFailed, NotPresent, PeerGone, VerificationFailed
from annexshell.model.hashes import hasher_for, matches
from annexshell.relay.copy import discard
from annexshell.relay.fanout import FanOut, Sink
from annexshell.repo.port import Reading, Writing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.annexlog.reservations import Reservation
    from annexshell.model.hashes import Hasher
    from annexshell.model.key import Key
    from annexshell.repo.gateway.loads import Loads
    from annexshell.repo.gateway.member import Member, NodeTasks
    from annexshell.repo.gateway.tracked import LocationTracker
    from annexshell.stream.port import Buffer, Stream

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
        self._small: bytes | None = None
        self._total = 0
        self._hasher: Hasher | None = None
        self._failures: list[AnnexshellError] = []

    def receive(self, stream: Stream, length: int) -> None:
        self._total = self.offset + length
        if length <= _SMALL:
            self._small = _read_all(stream, length)
            return
        self._each(lambda _member, writing: writing.begin(max(0, self._total - writing.offset)))
        self._fan_out(stream, length)
        if not self._writings:
            raise NodeFailed("; ".join(str(failure) for failure in self._failures))

    def _fan_out(self, stream: Stream, length: int) -> None:
        sinks = {self._sink(member, writing): member for member, writing in self._writings.items()}
        everything = list(sinks)
        if any(self._trusts_us(member, writing) for member, writing in self._writings.items()):
            self._hasher = hasher_for(self._key)
            if self._hasher is not None:
                update = self._hasher.update
                everything.append(Sink("hash", lambda data: self._tasks.offload(partial(update, data))))

        def dropped(sink: Sink) -> None:
            if sink not in sinks:
                self._hasher = None  # the nodes have to do it themselves
            elif sink.failure is not None:
                self._drop(sinks[sink], sink.failure)

        moved = FanOut(everything, self._tasks, dropped).run(stream, length) if sinks else discard(stream, length)
        if moved < length:
            raise PeerGone("the connection was closed in the middle of the content")

    def _sink(self, member: Member, writing: Writing) -> Sink:
        def take(data: Buffer) -> None:
            member.run(lambda: writing.write(data))

        return Sink(member.name, take, writing.offset - self.offset, self._pace(member))

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

    def _note(self, failure: AnnexshellError) -> None:
        self._warn(failure)
        self._failures.append(failure)

    def _abandon(self, member: Member, writing: Writing) -> None:
        try:
            member.run(writing.abandon)
        except AnnexshellError as error:
            self._warn(error)

    def finish(self, valid: bool | None, verified: bool | None = None) -> list[bytes]:
        verified = self._verify()

        def one(member: Member, writing: Writing) -> list[bytes]:
            if self._small is not None:
                self._give_small(writing, self._small)
            return writing.finish(valid, verified if self._trusts_us(member, writing) else None)

        return self._store(one)

    def _give_small(self, writing: Writing, data: bytes) -> None:
        try:
            writing.begin(max(0, self._total - writing.offset))
            writing.write(data[writing.offset - self.offset :])
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
                hasher.update(self._small)
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
        self._reserved.release()
        for member in list(self._writings):
            self._abandon(member, self._writings.pop(member))


def _length(key: Key, offset: int) -> int | None:
    """How much of the content there is from an offset on, if the key says so."""
    return None if key.size is None or key.chunk_number is not None else max(0, key.size - offset)


def _read_all(stream: Stream, length: int) -> bytes:
    data = memoryview(bytearray(length))
    got = 0
    while got < length:
        count = stream.read_into(data[got:])
        if count == 0:
            raise PeerGone("the connection was closed in the middle of the content")
        got += count
    return bytes(data)


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

    def send(self, stream: Stream) -> int:
        sent = self._reading.send(stream)
        while sent < self.length:
            self.failure = self._reading.failure
            if self.failure is not None:
                self._warn(self.failure)
            broken = self._reading
            self._free_slot()
            if self._open(sent, self.length - sent) is not None:
                break
            broken.close(False)
            sent += self._reading.send(stream)
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
