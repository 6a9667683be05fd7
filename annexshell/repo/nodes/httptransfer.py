"""Content on its way from and to a server of git-annex's HTTP API.

The API says that content is invalid by sending less of it than was announced. An upload's last byte is therefore held
back until its sender has said what it thinks of the rest.
"""

from __future__ import annotations

from annexshell.errors import (
    AnnexshellError,
    NodeError,
    NotPresent,
    PeerError,
    Stalled,
    VerificationFailed,
    node_error,
)
from annexshell.relay.holdback import HoldBack
from annexshell.repo.nodes.blame import BlamedSink
from annexshell.repo.port import Reading, Writing
from annexshell.stream.port import Sink, SinkFailed
from annexshell.wire import httpapi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.model.key import Key
    from annexshell.net.httpclient import ClientConnection, Response
    from annexshell.repo.nodes.httprequests import HttpRequests
    from annexshell.stream.port import Buffer


class HttpReading(Reading):
    """Content that the server sends."""

    def __init__(self, requests: HttpRequests, response: Response, length: int) -> None:
        self.length = length
        self._requests = requests
        self._response = response
        self._left = length
        self._reached = response.receives()
        self._valid: bool | None = None

    def send(self, sink: Sink) -> int:
        from annexshell.relay.copy import pump

        try:
            return pump(self._response.content, sink, self.length, self._count)
        except SinkFailed as failure:
            raise failure.cause from None
        except (PeerError, OSError) as error:
            self.failure = node_error(self._requests.name, error)
            return self.length - self._left

    def _count(self, moved: int) -> None:
        self._left = self.length - moved
        self._reached(moved)

    def is_valid(self) -> bool:
        if self._valid is None:
            with self._requests.blamed():
                self._valid = self._left == 0 and self._response.is_at_end()
            self._response.finish(self._valid)
        return self._valid

    def close(self, delivered: bool) -> None:
        if not delivered or self._valid is None:
            self._response.finish(False)


class HttpWriting(Writing):
    """Content that the server stores."""

    def __init__(self, requests: HttpRequests, key: Key, file: bytes, offset: int) -> None:
        self.offset = offset
        self._requests = requests
        self._key = key
        self._file = file
        self._connection: ClientConnection | None = None  # as long as something is on its way
        self._length = 0
        self._held = HoldBack(Sink(), 0)  # its last byte waits for the sender's word on the others

    def begin(self, length: int) -> Sink:
        self._length = length
        if not length:
            return self._held
        self._connection = self._requests.begin_put(self._key, self._file, self.offset, length)
        self._held = HoldBack(self._connection.stream, length)
        return BlamedSink(self._held, self._lost)

    def _send(self, data: Buffer) -> None:
        assert self._connection is not None
        try:
            self._connection.stream.write(data)
        except AnnexshellError as error:
            raise self._lost(error) from None

    def _lost(self, error: Exception) -> NodeError:
        """Gives the upload up; returns what to tell of that, which is what the server said if it said something."""
        connection, self._connection = self._connection, None
        assert connection is not None
        response = None if isinstance(error, Stalled) else connection.refusal()
        connection.close()
        if response is not None and response.status != 200:
            return self._requests.failure(response)
        return node_error(self._requests.name, error)

    def finish(self, valid: bool | None, verified: bool | None = None) -> list[bytes]:
        if verified is False or (valid is False and not verified):
            self.abandon()
            raise VerificationFailed("the sender says that what it sent is not the content")
        if self._connection is None:
            self._connection = self._requests.begin_put(self._key, self._file, self.offset, 0)
        else:
            self._send(self._held.held)
        answer = self._requests.stored(self._connection, self.offset + self._length)
        with self._requests.blamed():
            if httpapi.flag(answer, "stored"):
                return httpapi.plus_uuids(answer)
        raise VerificationFailed("the node did not store the content")

    def finish_present(self) -> list[bytes]:
        answer = self._requests.put_present(self._key, self._file)
        with self._requests.blamed():
            if httpapi.flag(answer, "stored"):
                return httpapi.plus_uuids(answer)
        raise NotPresent("the content is not present")

    def abandon(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()
