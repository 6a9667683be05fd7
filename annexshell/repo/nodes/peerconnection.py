"""A conversation with a repository that speaks the P2P protocol: who is there, and questions with their answers."""

from __future__ import annotations

import select

from annexshell.errors import (
    AnnexshellError,
    Cause,
    Interrupted,
    LineTooLong,
    NodeError,
    NodeRefused,
    PeerGone,
    UnknownCommand,
    node_error,
)
from annexshell.model.show import without_hosts
from annexshell.net.patience import asking
from annexshell.repo.nodes.remedies import cause_said
from annexshell.wire.codec import encode, parse
from annexshell.wire.messages import MAX_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.repo.nodes.dial import Line
    from annexshell.stream.port import Buffer, Stream
    from annexshell.wire.messages import Message


class PeerConnection:
    """One connection, used for one operation after the other. `keep` takes it back when it is free; `hops` is the
    number of other gateways on the way."""

    def __init__(self, name: str, line: Line, keep: Callable[[PeerConnection], None], hops: int = 0) -> None:
        self.name = name
        self.hops = hops
        self.stream: Stream = line.stream
        self.version = 0
        self._line: Line | None = line
        self._keep = keep

    def greet(self, uuid: bytes, authenticate: bytes, bypass: bytes) -> None:
        """Finds out which repository is there and which version it speaks, after sending AUTH and BYPASS if they are
        given. Raises NodeError."""
        if authenticate:
            self.send(authenticate)
        greeting = self.receive()
        if greeting.word != b"AUTH-SUCCESS":
            raise self.fail(NodeError(self.name, "it does not let us in"))
        if greeting.args[0] != uuid:
            other = greeting.args[0].decode("utf-8", "replace")
            raise self.fail(NodeError(self.name, f"it is another repository, {other}", cause=Cause.OTHER_REPOSITORY))
        self.send(encode(b"VERSION", MAX_VERSION))
        answer = self.receive()
        self.version = answer.args[0] if answer.word == b"VERSION" else 0
        if bypass and self.version >= 2:
            self.send(bypass)

    def _receive(self) -> Message:
        line = self.stream.read_line()
        if line is None:
            raise PeerGone("it closed the connection")
        try:
            return parse(line)
        except UnknownCommand:
            said = f"{line[:60]!r}"
            reason = f"it said something that is not part of the protocol: {said}"
            raise NodeError(self.name, reason, cause=cause_said(said)) from None

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

    def exchange(self, data: bytes, work: float = 0.0) -> Message:
        """The peer's answer to what we send, which may take it `work` seconds longer than a simple question. Raises
        NodeError; after an ERROR, which is a NodeRefused, the connection is free."""
        self.hurry(work)
        if data:
            self.send(data)
        answer = self.receive()
        if answer.word == b"ERROR":
            self.free()
            said = answer.args[0].decode("utf-8", "replace")
            raise NodeRefused(self.name, said, cause=cause_said(said))
        return answer

    def hurry(self, work: float = 0.0) -> None:
        """What comes now has to come soon, or in so many seconds more; see Line."""
        if self._line is not None:
            self._line.hurry(work + asking(self.hops, self._line.soon))

    def relax(self) -> None:
        """See Line."""
        if self._line is not None:
            self._line.relax()

    def receives(self) -> Callable[[int], None]:
        """See Line."""
        return _nobody if self._line is None else self._line.receives()

    def is_dead(self) -> bool:
        """Whether it was closed while it was idle, or has sent something out of turn."""
        poll = select.poll()
        poll.register(self.stream.in_fd, select.POLLIN)
        return bool(poll.poll(0))

    def fail(self, error: Exception) -> AnnexshellError:
        """Gives the connection up; returns the error to raise."""
        reason, host = ("", "") if self._line is None else (self._line.reason(), self._line.host)
        self.hang_up()
        if isinstance(error, (NodeError, Interrupted)):
            return error
        if isinstance(error, LineTooLong):
            return NodeError(self.name, "it sent a line without an end")
        blamed = node_error(self.name, error)
        if not reason:
            return blamed
        public = error.public if isinstance(error, AnnexshellError) else str(error)
        cause = cause_said(reason)
        return NodeError(
            self.name,
            f"{error}: {reason}",
            f"{public}: {without_hosts(reason, host, self.name)}",
            blamed.cause if cause == Cause.UNKNOWN else cause,
        )

    def unexpected(self, answer: Message) -> NodeError:
        """The same for a message that does not fit."""
        self.hang_up()
        return NodeError(self.name, f"its answer, {answer.word.decode()}, does not fit")

    def say(self, message: bytes) -> None:
        """Ends an operation with a message that needs no answer; one that does not arrive changes nothing."""
        self.hurry()
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


def _nobody(_count: int) -> None:
    """The connection is gone."""
