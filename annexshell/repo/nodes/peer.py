"""A repository behind connections that speak the P2P protocol: the client's side of it (upstream: P2P/Protocol.hs).

A connection is opened when there is no idle one, kept, checked before each use, and closed when anything went wrong on
it. The peer may speak any version from 0 to 4; this module makes up for what older versions can't say, so that users of
the port see no difference.
"""

from __future__ import annotations

from annexshell.errors import NodeFailed, NotPresent, TooLate
from annexshell.net.backoff import Backoff
from annexshell.net.patience import working
from annexshell.repo.nodes.peerconnection import PeerConnection
from annexshell.repo.nodes.peertransfer import PeerReading, PeerWriting
from annexshell.repo.port import AlreadyHave, Held, Reading, Repository, Writing
from annexshell.wire.codec import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from annexshell.model.key import Key
    from annexshell.repo.nodes.dial import Line
    from annexshell.wire.messages import Message


class PeerRepository(Repository):
    """A node. `dial` opens a line to it, on which it says who it is; `authenticate`, if given, is the AUTH that it
    wants first. `name` is for people. `clock` gives our own boot time, for nodes that can't tell theirs. `hops` is the
    number of other gateways on the way."""

    def __init__(
        self,
        uuid: bytes,
        name: str,
        dial: Callable[[], Line],
        clock: Callable[[], int],
        authenticate: tuple[bytes, bytes] | None = None,
        bypass: list[bytes] | None = None,
        hops: int = 0,
    ) -> None:
        self.uuid = uuid
        self.name = name
        self._dial = dial
        self._clock = clock
        self._authenticate = authenticate
        self._bypass = bypass or []
        self._hops = hops
        self._idle: list[PeerConnection] = []
        self._is_closed = False
        self._backoff = Backoff()

    def _connect(self) -> PeerConnection:
        """A connection on which nothing is going on. Raises NodeError."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_dead():
                return connection
            connection.hang_up()
        first = b"" if self._authenticate is None else encode(b"AUTH", *self._authenticate)
        bypass = encode(b"BYPASS", self._bypass) if self._bypass else b""
        with self._backoff:
            connection = PeerConnection(self.name, self._dial(), self._keep, self._hops)
            connection.greet(self.uuid, first, bypass)
        return connection

    def _keep(self, connection: PeerConnection) -> None:
        if self._is_closed:
            connection.hang_up()
        else:
            self._idle.append(connection)

    def _ask(self, word: bytes, *args: Any, work: float = 0.0) -> tuple[Message, PeerConnection]:
        """The peer's answer to a message, and the connection, which the caller frees; `work` as for
        PeerConnection.exchange. Raises NodeError when the answer can't be had, NodeRefused for an ERROR,
        NotEncodable."""
        request = encode(word, *args)  # raises NotEncodable before there is a connection to be closed
        connection = self._connect()
        return connection.exchange(request, work), connection

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
        answer = connection.exchange(request, working(self._hops))
        uuids = list(answer.args[0]) if answer.word in (b"SUCCESS-PLUS", b"FAILURE-PLUS") else []
        if answer.word not in (b"SUCCESS", b"SUCCESS-PLUS", b"FAILURE", b"FAILURE-PLUS"):
            raise connection.unexpected(answer)
        connection.free()
        if answer.word.startswith(b"FAILURE"):
            raise NodeFailed("the content could not be removed", uuids)
        return uuids

    def get(self, key: Key, offset: int, file: bytes) -> Reading:
        answer, connection = self._ask(b"GET", offset, file, key, work=working(self._hops))
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


class PeerHeld(Held):
    """A lock that a connection holds."""

    def __init__(self, connection: PeerConnection) -> None:
        self._connection = connection

    def release(self) -> None:
        self._connection.say(encode(b"UNLOCKCONTENT"))

    def abandon(self) -> None:
        # A node that keeps retention keeps the content locked; one that does not has lost its client all the same.
        self._connection.hang_up()
