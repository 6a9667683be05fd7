"""Downloads from and uploads to a repository that speaks the P2P protocol (upstream: P2P/Annex.hs, P2P/IO.hs)."""

from __future__ import annotations

from annexshell.errors import NodeError, NotPresent, PeerGone, VerificationFailed
from annexshell.net.patience import storing, working
from annexshell.repo.nodes.blame import BlamedSink
from annexshell.repo.port import Reading, Writing
from annexshell.stream.port import SinkFailed
from annexshell.wire.codec import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.repo.nodes.peerconnection import PeerConnection
    from annexshell.stream.port import Sink


class PeerReading(Reading):
    """An object that the peer sends."""

    def __init__(self, connection: PeerConnection, length: int) -> None:
        self.length = length
        self._connection = connection
        self._left = length
        self._valid: bool | None = None if connection.version >= 1 else True  # as the peer says, if it can
        self._reached = connection.receives()

    def send(self, sink: Sink) -> int:
        from annexshell.relay.copy import pump

        try:
            return pump(self._connection.stream, sink, self.length, self._count)
        except SinkFailed as failure:
            raise failure.cause from None
        except (PeerGone, OSError) as error:
            self.failure = self._connection.fail(error)
            return self.length - self._left

    def _count(self, moved: int) -> None:
        self._left = self.length - moved
        self._reached(moved)

    def is_valid(self) -> bool:
        if self._left:
            return False
        if self._valid is None:
            self._connection.hurry(working(self._connection.hops))
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
    """An object that the peer stores."""

    def __init__(self, connection: PeerConnection, offset: int) -> None:
        self.offset = offset
        self._connection = connection
        self._length = 0
        self._has_begun = False

    def begin(self, length: int) -> Sink:
        self._length = length
        self._has_begun = True
        self._connection.relax()
        self._connection.send(encode(b"DATA", length))
        return BlamedSink(self._connection.stream, self._connection.fail)

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
            raise NodeError(self._connection.name, "it can't be told of content that arrived another way")
        stored = self._stored(encode(b"DATA-PRESENT"))
        if stored is None:
            raise NotPresent("the content is not present")
        return stored

    def _stored(self, message: bytes) -> list[bytes] | None:
        """The further repositories in which the peer stored the object; None if it did not store it."""
        work = storing(self._connection.hops, self.offset + self._length)
        answer = self._connection.exchange(message, work)
        if answer.word not in (b"SUCCESS", b"SUCCESS-PLUS", b"FAILURE", b"FAILURE-PLUS"):
            raise self._connection.unexpected(answer)
        self._connection.free()
        if answer.word.startswith(b"FAILURE"):
            return None
        return list(answer.args[0]) if answer.args else []

    def abandon(self) -> None:
        if self._has_begun:
            self._connection.hang_up()  # in the middle of the data: the node keeps what it got
        else:
            self._connection.say(encode(b"ERROR", b"the upload was given up"))
