"""What is said between a client and us, word by word; the grammar decides what may be said."""

from __future__ import annotations

from annexshell.errors import (
    AnnexshellError,
    ClosedByPeer,
    Interrupted,
    LineTooLong,
    NodeFailed,
    NotPresent,
    PeerGone,
    TooLate,
    UnexpectedMessage,
    UnknownCommand,
)
from annexshell.wire.codec import encode, parse
from annexshell.wire.grammar import REQUEST, Conversation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from annexshell.stream.port import Stream
    from annexshell.wire.messages import Message

FATAL = (PeerGone, LineTooLong, Interrupted, ClosedByPeer)
EXPECTED = (NotPresent, TooLate)  # ordinary answers, that nobody needs an explanation of


class Dialogue:
    """Messages on a stream. `moved` are the bytes of payload of the present request, and `result` is a word about its
    outcome, for the log of operations."""

    def __init__(self, stream: Stream, report: Callable[[AnnexshellError], None]) -> None:
        self.stream = stream
        self.report = report
        self.conversation = Conversation()
        self.moved = 0
        self.result = "done"
        self._sent_error = False

    def hear_request(self, line: bytes) -> Message | None:
        """The request in a line; None for an ERROR after which the client means to go on. Raises ClosedByPeer for any
        other ERROR, PeerError for what is no request."""
        forgiven, self._sent_error = self._sent_error, False
        self.moved, self.result = 0, "done"
        message = parse(line)
        if message.word != b"ERROR":
            self.conversation.hear(message.word)
            return message
        # Clients answer our ERROR to a PUT with one of their own, old ones that to a REMOVE too, and mean to go on.
        if not forgiven:
            raise ClosedByPeer(f"the client ended the session: {message.args[0]!r}")
        return None

    def expect(self) -> Message | None:
        """The message that has to come now. For any other, the client gets an ERROR and the result is None, as it is
        for the client's own ERROR where it may give up. Raises PeerGone."""
        line = self.stream.read_line()
        if line is None:
            raise PeerGone("the client closed the connection in the middle of an operation")
        conversation = self.conversation
        is_error = False
        try:
            message = parse(line)
            if conversation.allows(message.word):
                conversation.hear(message.word)
                return message
            is_error = message.word == b"ERROR"
        except UnknownCommand:
            pass
        if is_error and conversation.may_give_up:
            conversation.end()
        else:
            self._say_error(UnexpectedMessage(conversation.complaint))
            conversation.go_without()
        return None

    def form(self, word: bytes, *args: Any) -> bytes:
        """A message that we are about to send."""
        self.conversation.say(word)
        return encode(word, *args)

    def say(self, word: bytes, *args: Any) -> None:
        self.conversation.say(word)
        self.stream.write(encode(word, *args))

    def say_plus(self, word: bytes, uuids: list[bytes]) -> None:
        """Says a word, and names further repositories if there are some and the client knows of that."""
        if uuids and self.conversation.version >= 2:
            self.say(word + b"-PLUS", uuids)
        else:
            self.say(word)

    def error(self, error: AnnexshellError) -> None:
        """Says ERROR, with which the present operation is over."""
        self.conversation.end()
        self._say_error(error)

    def _say_error(self, error: AnnexshellError) -> None:
        from annexshell.model.show import for_client

        text = error.public if error.wire is None else error.wire.decode("utf-8", "surrogateescape")
        self.stream.write(encode(b"ERROR", for_client(text).encode()))

    def fail(self, error: AnnexshellError) -> None:
        """Answers an operation that did not work."""
        if error.wire is not None:
            self.report(error)  # not every client shows the text of an ERROR
            self.error(error)
            self._sent_error = True
            return
        if not isinstance(error, EXPECTED):
            self.report(error)
        if not self.conversation.may_fail:  # the operation has been answered already, or ERROR is all that fits
            if self.conversation.state != REQUEST:
                self.error(error)
            return
        self.say_plus(b"FAILURE", error.uuids if isinstance(error, NodeFailed) else [])

    def last_words(self, error: AnnexshellError) -> None:
        """A client that closed only its sending side still reads that the upload failed."""
        if isinstance(error, PeerGone):
            try:
                self.stream.write(encode(b"FAILURE"))
            except AnnexshellError:
                pass
