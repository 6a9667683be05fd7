"""A repository behind connections that speak the P2P protocol: the client's side of it (upstream: P2P/Protocol.hs).

A connection is opened when there is no idle one, kept, looked after before each use, and closed when anything went
wrong on it. The peer may speak any version from 0 to 4; what it can't say is made up for here, so that whoever uses the
port sees no difference.
"""

from __future__ import annotations

import select

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
from annexshell.repo.attempts import Attempts
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
        self._idle: list[PeerConnection] = []
        self._is_closed = False
        self._attempts = Attempts()

    def _connect(self) -> PeerConnection:
        """A connection on which nothing is going on. Raises NodeError."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_dead():
                return connection
            connection.hang_up()
        first = b"" if self._authenticate is None else encode(b"AUTH", *self._authenticate)
        bypass = encode(b"BYPASS", self._bypass) if self._bypass else b""
        with self._attempts:
            connection = PeerConnection(self.name, self._dial(), self._keep)
            connection.greet(self.uuid, first, bypass)
        return connection

    def _keep(self, connection: PeerConnection) -> None:
        if self._is_closed:
            connection.hang_up()
        else:
            self._idle.append(connection)

    def _ask(self, word: bytes, *args: Any) -> tuple[Message, PeerConnection]:
        """The peer's answer to a message, and the connection, which the caller frees. Raises NodeError when the answer
        can't be had, NodeRefused for an ERROR, NotEncodable."""
        request = encode(word, *args)  # raises NotEncodable before there is a connection to be closed
        connection = self._connect()
        return connection.exchange(request), connection

    # The port

    def present(self, key: Key) -> bool:
        answer, connection = self._ask(b"CHECKPRESENT", key)
        if answer.word not in (b"SUCCESS", b"FAILURE"):
            raise connection.unexpected(answer)
        connection.free()
        return answer.word == b"SUCCESS"

    def lock(self, key: Key) -> Held:
        answer, connection = self._ask(b"LOCKCONTENT", key)
        if answer.word == b"SUCCESS":
            return PeerHeld(connection)
        if answer.word != b"FAILURE":
            raise connection.unexpected(answer)
        connection.free()
        raise NotPresent("the content is not present")

    def timestamp(self) -> int:
        connection = self._connect()
        if connection.version < 3:
            connection.free()
            return self._clock()
        answer = connection.exchange(encode(b"GETTIMESTAMP"))
        if answer.word != b"TIMESTAMP":
            raise connection.unexpected(answer)
        connection.free()
        seconds: int = answer.args[0]
        return seconds

    def remove(self, key: Key, before: int | None = None) -> list[bytes]:
        request = encode(b"REMOVE", key)
        limited = request if before is None else encode(b"REMOVE-BEFORE", before, key)
        connection = self._connect()
        if connection.version >= 3:
            request = limited
        elif before is not None and self._clock() >= before:
            connection.free()
            raise TooLate("the time until which the removal was allowed has passed")
        answer = connection.exchange(request)
        uuids = list(answer.args[0]) if answer.word in (b"SUCCESS-PLUS", b"FAILURE-PLUS") else []
        if answer.word not in (b"SUCCESS", b"SUCCESS-PLUS", b"FAILURE", b"FAILURE-PLUS"):
            raise connection.unexpected(answer)
        connection.free()
        if answer.word.startswith(b"FAILURE"):
            raise NodeFailed("the content could not be removed", uuids)
        return uuids

    def get(self, key: Key, offset: int, file: bytes) -> Reading:
        answer, connection = self._ask(b"GET", offset, file, key)
        if answer.word != b"DATA" or answer.args[0] < 0:
            raise connection.unexpected(answer)
        reading = PeerReading(connection, answer.args[0])
        if reading.length == 0 and not reading.is_valid():
            reading.close(False)
            raise NotPresent("the content is not present")
        return reading

    def put(self, key: Key, file: bytes) -> AlreadyHave | Writing:
        answer, connection = self._ask(b"PUT", file, key)
        if answer.word == b"PUT-FROM" and answer.args[0] >= 0:
            return PeerWriting(connection, answer.args[0])
        if answer.word not in (b"ALREADY-HAVE", b"ALREADY-HAVE-PLUS", b"FAILURE"):
            raise connection.unexpected(answer)
        connection.free()
        if answer.word == b"FAILURE":
            raise NodeFailed("the content could not be stored")
        return AlreadyHave(list(answer.args[0]) if answer.args else [])

    def close(self) -> None:
        self._is_closed = True
        while self._idle:
            self._idle.pop().hang_up()


class PeerConnection:
    """One connection, used for one operation after the other. `keep` is where it goes when it is free."""

    def __init__(self, name: str, line: Line, keep: Callable[[PeerConnection], None]) -> None:
        self.name = name
        self.stream: Stream = line.stream
        self.version = 0
        self._line: Line | None = line
        self._keep = keep

    def greet(self, uuid: bytes, authenticate: bytes, bypass: bytes) -> None:
        """Finds out who is there and what they speak: sends what it is given of AUTH and BYPASS. Raises NodeError."""
        if authenticate:
            self.send(authenticate)
        greeting = self.receive()
        if greeting.word != b"AUTH-SUCCESS":
            raise self.fail(NodeError(self.name, "it does not let us in"))
        if greeting.args[0] != uuid:
            other = greeting.args[0].decode("utf-8", "replace")
            raise self.fail(NodeError(self.name, f"it is another repository, {other}"))
        self.send(encode(b"VERSION", MAX_VERSION))
        answer = self.receive()
        self.version = answer.args[0] if answer.word == b"VERSION" else 0
        if bypass and self.version >= 2:
            self.send(bypass)
        if self._line is not None:
            self._line.greeted()

    def _receive(self) -> Message:
        line = self.stream.read_line()
        if line is None:
            raise PeerGone("it closed the connection")
        try:
            return parse(line)
        except UnknownCommand:
            raise NodeError(self.name, f"it said something that is not of the protocol: {line[:60]!r}") from None

    def receive(self) -> Message:
        """The peer's next message. Raises NodeError."""
        try:
            return self._receive()
        except (AnnexshellError, OSError) as error:
            raise self.fail(error) from None

    def send(self, data: Buffer) -> None:
        """Raises NodeError."""
        try:
            self.stream.write(data)
        except (AnnexshellError, OSError) as error:
            raise self.fail(error) from None

    def exchange(self, data: bytes) -> Message:
        """The peer's answer to what we send. Raises NodeError; after an ERROR, which is a NodeRefused, the connection
        is free."""
        if data:
            self.send(data)
        answer = self.receive()
        if answer.word == b"ERROR":
            self.free()
            raise NodeRefused(self.name, answer.args[0].decode("utf-8", "replace"))
        return answer

    def is_dead(self) -> bool:
        """Whether it was closed while it was idle, or has something to say out of turn."""
        poll = select.poll()
        poll.register(self.stream.in_fd, select.POLLIN)
        return bool(poll.poll(0))

    def fail(self, error: Exception) -> NodeError:
        """Gives the connection up; returns what to tell of that."""
        reason = self._line.reason() if self._line is not None else ""
        self.hang_up()
        if isinstance(error, NodeError):
            return error
        if isinstance(error, LineTooLong):
            return NodeError(self.name, "it sent a line without an end")
        return NodeError(self.name, f"{error}{': ' if reason else ''}{reason}")

    def unexpected(self, answer: Message) -> NodeError:
        """The same for a message that does not fit."""
        self.hang_up()
        return NodeError(self.name, f"its answer, {answer.word.decode()}, does not fit")

    def say(self, message: bytes) -> None:
        """Ends an operation with a message that needs no answer; one that does not arrive changes nothing."""
        try:
            self.stream.write(message)
        except AnnexshellError:
            self.hang_up()
        else:
            self.free()

    def free(self) -> None:
        """The operation is over, and another may follow."""
        self._keep(self)

    def hang_up(self) -> None:
        """Closes the connection; may be called twice."""
        if self._line is not None:
            line, self._line = self._line, None
            line.close()


class PeerHeld(Held):
    """A lock that a connection holds."""

    def __init__(self, connection: PeerConnection) -> None:
        self._connection = connection

    def release(self) -> None:
        self._connection.say(encode(b"UNLOCKCONTENT"))

    def abandon(self) -> None:
        # A node that keeps retention keeps the content locked; one that does not has lost its client all the same.
        self._connection.hang_up()


class PeerReading(Reading):
    """Content that the peer sends."""

    def __init__(self, connection: PeerConnection, length: int) -> None:
        self.length = length
        self._connection = connection
        self._left = length
        self._valid: bool | None = None if connection.version >= 1 else True  # as the peer says, if it can

    def send(self, stream: Stream) -> int:
        from annexshell.relay.copy import SinkFailed, pump

        try:
            return pump(self._connection.stream, stream, self.length, self._count)
        except SinkFailed as failure:
            raise failure.cause from None
        except (PeerGone, OSError) as error:
            self.failure = self._connection.fail(error)
            return self.length - self._left

    def _count(self, moved: int) -> None:
        self._left = self.length - moved

    def is_valid(self) -> bool:
        if self._left:
            return False
        if self._valid is None:
            answer = self._connection.receive()
            if answer.word not in (b"VALID", b"INVALID"):
                raise self._connection.unexpected(answer)
            self._valid = answer.word == b"VALID"
        return self._valid

    def close(self, delivered: bool) -> None:
        if self._left:
            self._connection.hang_up()  # in the middle of the data: nothing else can be said on this connection
            return
        try:
            self.is_valid()  # nobody may have asked, and the peer has said it all the same
        except NodeError:
            return
        self._connection.say(b"SUCCESS\n" if delivered else b"FAILURE\n")


class PeerWriting(Writing):
    """Content that the peer stores."""

    def __init__(self, connection: PeerConnection, offset: int) -> None:
        self.offset = offset
        self._connection = connection
        self._left = -1  # bytes that were announced and not sent; -1 as long as nothing was announced

    def receive(self, stream: Stream, length: int) -> None:
        from annexshell.relay.copy import SinkFailed, discard, pump

        taken = 0
        try:
            self.begin(length)
            taken = pump(stream, self._connection.stream, length)
        except SinkFailed as failure:
            discard(stream, length - failure.taken)  # so that the next line of the stream can be understood
            raise self._connection.fail(failure.cause) from None
        except NodeError:
            discard(stream, length)
            raise
        self._left = length - taken
        if self._left:
            raise PeerGone("the connection was closed in the middle of the content")

    def begin(self, length: int) -> None:
        self._left = length
        self._connection.send(encode(b"DATA", length))

    def write(self, data: Buffer) -> None:
        self._connection.send(data)
        self._left -= len(data)

    def finish(self, valid: bool | None, verified: bool | None = None) -> list[bytes]:
        validity = b""
        if self._connection.version >= 1:
            # A sender that can't say (version 0) has the node verify by being called in doubt.
            validity = b"VALID\n" if verified is not False and (valid or verified) else b"INVALID\n"
        stored = self._stored(validity)
        if stored is None:
            raise VerificationFailed("the node did not store the content")
        return stored

    def finish_present(self) -> list[bytes]:
        if self._connection.version < 4:
            self.abandon()
            raise NodeError(self._connection.name, "it can't be told of content that came by another way")
        stored = self._stored(encode(b"DATA-PRESENT"))
        if stored is None:
            raise NotPresent("the content is not present")
        return stored

    def _stored(self, message: bytes) -> list[bytes] | None:
        """Which further repositories the peer stored the content in; None if it did not store it."""
        answer = self._connection.exchange(message)
        if answer.word not in (b"SUCCESS", b"SUCCESS-PLUS", b"FAILURE", b"FAILURE-PLUS"):
            raise self._connection.unexpected(answer)
        self._connection.free()
        if answer.word.startswith(b"FAILURE"):
            return None
        return list(answer.args[0]) if answer.args else []

    def abandon(self) -> None:
        if self._left >= 0:
            self._connection.hang_up()  # in the middle of the data: the node keeps what it got
        else:
            self._connection.say(encode(b"ERROR", b"the upload was given up"))
