"""A repository behind a connection that speaks the P2P protocol: the client's side of it (upstream: P2P/Protocol.hs).

The connection is opened on first use, kept, looked after before each use, and opened anew for the next request when it
broke. The peer may speak any version from 0 to 4; what it can't say is made up for here, so that whoever uses the port
sees no difference.
"""

from __future__ import annotations

import select
import time

from annexshell.errors import (
    AnnexshellError,
    LineTooLong,
    NodeError,
    NodeFailed,
    NodeRefused,
    NotPresent,
    PeerGone,
    TooLate,
    UnknownCommand,
    VerificationFailed,
)
from annexshell.repo.port import AlreadyHave, Held, Reading, Repository, Writing
from annexshell.wire.codec import encode, parse
from annexshell.wire.messages import MAX_VERSION, Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from annexshell.model.key import Key
    from annexshell.repo.dial import Line
    from annexshell.stream.port import Buffer, Stream


class PeerRepository(Repository):
    """A node. `dial` opens a line to it, on which it says who it is; `authenticate`, if given, is the AUTH that it
    wants first. `name` is for people. `clock` gives our own boot time, for nodes without one."""

    def __init__(
        self,
        uuid: bytes,
        name: str,
        dial: Callable[[], Line],
        clock: Callable[[], int],
        authenticate: tuple[bytes, bytes] | None = None,
        bypass: list[bytes] | None = None,
    ) -> None:
        self.uuid = uuid
        self.name = name
        self._dial = dial
        self._clock = clock
        self._authenticate = authenticate
        self._bypass = bypass or []
        self._line: Line | None = None
        self._version = 0
        self._hopeless: tuple[float, NodeError] | None = None  # until when it makes no sense to connect, and why

    # The connection

    def _stream(self) -> Stream:
        """The connection, opened if need be. Raises NodeError."""
        if self._line is not None and _is_dead(self._line.stream):
            self.hang_up()
        if self._line is None:
            self._line = self._connect()
        return self._line.stream

    def _connect(self) -> Line:
        """A new connection. One that took long to fail is not tried again for twice that time, so that a host that is
        gone does not cost every request its time-out."""
        begin = time.monotonic()
        if self._hopeless is not None and begin < self._hopeless[0]:
            raise self._hopeless[1]
        try:
            self._line = line = self._dial()
            self._greet(line.stream)
        except AnnexshellError as error:
            failure = self._lost(error)
            now = time.monotonic()
            self._hopeless = (now + 2 * (now - begin), failure)
            raise failure from None
        return line

    def _greet(self, stream: Stream) -> None:
        if self._authenticate is not None:
            stream.write(encode(b"AUTH", *self._authenticate))
        greeting = self._receive(stream)
        if greeting.word != b"AUTH-SUCCESS":
            raise NodeError(self.name, "it does not let us in")
        if greeting.args[0] != self.uuid:
            raise NodeError(self.name, f"it is another repository, {greeting.args[0].decode('utf-8', 'replace')}")
        stream.write(encode(b"VERSION", MAX_VERSION))
        answer = self._receive(stream)
        self._version = answer.args[0] if answer.word == b"VERSION" else 0
        if self._bypass and self._version >= 2:
            stream.write(encode(b"BYPASS", self._bypass))

    def _receive(self, stream: Stream) -> Message:
        line = stream.read_line()
        if line is None:
            raise PeerGone("it closed the connection")
        try:
            return parse(line)
        except UnknownCommand:
            raise NodeError(self.name, f"it said something that is not of the protocol: {line[:60]!r}") from None

    def ask(self, word: bytes, *args: Any) -> Message:
        """The peer's answer to a message. Raises NodeError when it can't be had, NodeRefused for an ERROR."""
        stream = self._stream()
        return self.exchange(stream, encode(word, *args))

    def exchange(self, stream: Stream, data: bytes) -> Message:
        """The peer's next message, after we sent some bytes."""
        try:
            if data:
                stream.write(data)
            answer = self._receive(stream)
        except (AnnexshellError, OSError) as error:
            raise self._lost(error) from None
        if answer.word == b"ERROR":
            raise NodeRefused(self.name, answer.args[0].decode("utf-8", "replace"))
        return answer

    def _lost(self, error: Exception) -> NodeError:
        """Gives the connection up; returns what to tell of that."""
        reason = self._line.reason() if self._line is not None else ""
        self.hang_up()
        if isinstance(error, NodeError):
            return error
        if isinstance(error, LineTooLong):
            return NodeError(self.name, "it sent a line without an end")
        return NodeError(self.name, f"{error}{': ' if reason else ''}{reason}")

    def fail(self, error: Exception) -> NodeError:
        """For those who use the stream themselves: what to raise when it broke."""
        return self._lost(error)

    def hang_up(self) -> None:
        """Closes the connection; the next request opens a new one."""
        if self._line is not None:
            line, self._line = self._line, None
            line.close()

    def give_up(self) -> None:
        """Ends an upload for which nothing was sent yet: the peer needs no answer to this."""
        try:
            self._stream().write(encode(b"ERROR", b"the upload was given up"))
        except AnnexshellError:
            self.hang_up()

    def _unexpected(self, answer: Message) -> NodeError:
        self.hang_up()
        return NodeError(self.name, f"its answer, {answer.word.decode()}, does not fit")

    # The port

    def present(self, key: Key) -> bool:
        answer = self.ask(b"CHECKPRESENT", key)
        if answer.word in (b"SUCCESS", b"FAILURE"):
            return answer.word == b"SUCCESS"
        raise self._unexpected(answer)

    def lock(self, key: Key) -> Held:
        answer = self.ask(b"LOCKCONTENT", key)
        if answer.word == b"SUCCESS":
            return PeerHeld(self)
        if answer.word == b"FAILURE":
            raise NotPresent("the content is not present")
        raise self._unexpected(answer)

    def unlock(self) -> None:
        """Ends the lock that the connection holds."""
        try:
            self._stream().write(encode(b"UNLOCKCONTENT"))
        except AnnexshellError as error:
            raise self._lost(error) from None

    def timestamp(self) -> int:
        self._stream()
        if self._version < 3:
            return self._clock()
        answer = self.ask(b"GETTIMESTAMP")
        if answer.word == b"TIMESTAMP":
            seconds: int = answer.args[0]
            return seconds
        raise self._unexpected(answer)

    def remove(self, key: Key, before: int | None = None) -> list[bytes]:
        self._stream()
        if before is not None and self._version >= 3:
            answer = self.ask(b"REMOVE-BEFORE", before, key)
        elif before is not None and self._clock() >= before:
            raise TooLate("the time until which the removal was allowed has passed")
        else:
            answer = self.ask(b"REMOVE", key)
        if answer.word == b"SUCCESS":
            return []
        if answer.word == b"SUCCESS-PLUS":
            return list(answer.args[0])
        if answer.word in (b"FAILURE", b"FAILURE-PLUS"):
            raise NodeFailed("the content could not be removed", list(answer.args[0]) if answer.args else [])
        raise self._unexpected(answer)

    def get(self, key: Key, offset: int, file: bytes) -> Reading:
        answer = self.ask(b"GET", offset, file, key)
        if answer.word != b"DATA" or answer.args[0] < 0:
            raise self._unexpected(answer)
        reading = PeerReading(self, self._stream(), answer.args[0], self._version)
        if reading.length == 0 and not reading.is_valid():
            reading.close(False)
            raise NotPresent("the content is not present")
        return reading

    def put(self, key: Key, file: bytes) -> AlreadyHave | Writing:
        answer = self.ask(b"PUT", file, key)
        if answer.word == b"ALREADY-HAVE":
            return AlreadyHave()
        if answer.word == b"ALREADY-HAVE-PLUS":
            return AlreadyHave(list(answer.args[0]))
        if answer.word == b"PUT-FROM" and answer.args[0] >= 0:
            return PeerWriting(self, self._stream(), answer.args[0], self._version)
        if answer.word == b"FAILURE":
            raise NodeFailed("the content could not be stored")
        raise self._unexpected(answer)

    def close(self) -> None:
        self.hang_up()


def _is_dead(stream: Stream) -> bool:
    """Whether an idle connection was closed, or has something to say out of turn."""
    poll = select.poll()
    poll.register(stream.in_fd, select.POLLIN)
    return bool(poll.poll(0))


class PeerHeld(Held):
    """A lock that the connection holds."""

    def __init__(self, peer: PeerRepository) -> None:
        self._peer = peer

    def release(self) -> None:
        self._peer.unlock()

    def abandon(self) -> None:
        # A node that keeps retention keeps the content locked; one that does not has lost its client all the same.
        self._peer.hang_up()


class PeerReading(Reading):
    """Content that the peer sends."""

    def __init__(self, peer: PeerRepository, stream: Stream, length: int, version: int) -> None:
        self.length = length
        self._peer = peer
        self._stream = stream
        self._version = version
        self._left = length
        self._valid: bool | None = None

    def send(self, stream: Stream) -> int:
        from annexshell.relay.copy import SinkFailed, pump

        try:
            return pump(self._stream, stream, self.length, self._count)
        except SinkFailed as failure:
            raise failure.cause from None
        except PeerGone as error:
            self.failure = self._peer.fail(error)
            return self.length - self._left

    def _count(self, moved: int) -> None:
        self._left = self.length - moved

    def is_valid(self) -> bool:
        if self._valid is None:
            self._valid = self._left == 0 and self._read_validity()
        return self._valid

    def _read_validity(self) -> bool:
        if self._version < 1:
            return True
        return self._peer.exchange(self._stream, b"").word == b"VALID"

    def close(self, delivered: bool) -> None:
        if self._left:
            self._peer.hang_up()  # in the middle of the data: nothing else can be said on this connection
            return
        try:
            self.is_valid()  # nobody may have asked, and the node has said it all the same
            self._stream.write(b"SUCCESS\n" if delivered else b"FAILURE\n")
        except AnnexshellError:
            self._peer.hang_up()


class PeerWriting(Writing):
    """Content that the peer stores."""

    def __init__(self, peer: PeerRepository, stream: Stream, offset: int, version: int) -> None:
        self.offset = offset
        self._peer = peer
        self._stream = stream
        self._version = version
        self._left = -1  # bytes that were announced and not sent; -1 as long as nothing was announced

    def receive(self, stream: Stream, length: int) -> None:
        from annexshell.relay.copy import SinkFailed, discard, pump

        taken = 0
        try:
            self.begin(length)
            taken = pump(stream, self._stream, length)
        except SinkFailed as failure:
            discard(stream, length - failure.taken)  # so that the next line of the stream can be understood
            raise self._peer.fail(failure.cause) from None
        except NodeError:
            discard(stream, length)
            raise
        self._left = length - taken
        if self._left:
            raise PeerGone("the connection was closed in the middle of the content")

    def begin(self, length: int) -> None:
        self._left = length
        self._guarded(lambda: self._stream.write(encode(b"DATA", length)))

    def write(self, data: Buffer) -> None:
        self._guarded(lambda: self._stream.write(data))
        self._left -= len(data)

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
        except AnnexshellError as error:
            raise self._peer.fail(error) from None

    def finish(self, valid: bool | None, verified: bool | None = None) -> list[bytes]:
        validity = b""
        if self._version >= 1:
            # A sender that can't say (version 0) has the node verify by being called in doubt.
            validity = b"VALID\n" if verified is not False and (valid or verified) else b"INVALID\n"
        return self._result(self._peer.exchange(self._stream, validity))

    def finish_present(self) -> list[bytes]:
        if self._version < 4:
            self.abandon()
            raise NodeError(self._peer.name, "it can't be told of content that came by another way")
        return self._result(self._peer.exchange(self._stream, encode(b"DATA-PRESENT")))

    def _result(self, answer: Message) -> list[bytes]:
        if answer.word == b"SUCCESS":
            return []
        if answer.word == b"SUCCESS-PLUS":
            return list(answer.args[0])
        if answer.word in (b"FAILURE", b"FAILURE-PLUS"):
            raise VerificationFailed("the node did not store the content")
        raise NodeError(self._peer.name, f"its answer, {answer.word.decode()}, does not fit")

    def abandon(self) -> None:
        if self._left >= 0:
            self._peer.hang_up()  # in the middle of the data: the node keeps what it got
        else:
            self._peer.give_up()
