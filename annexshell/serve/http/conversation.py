"""One request after the other of a connection, for as long as they follow at once."""

from __future__ import annotations

import time

from annexshell.errors import AnnexshellError, PeerGone, Stalled, internal_error
from annexshell.green.sockets import linger
from annexshell.model.show import for_client, visible
from annexshell.serve.http.http1.body import EventReader
from annexshell.serve.http.http1.exchange import Exchange
from annexshell.serve.http.http1.headroom import HeadRoom
from annexshell.serve.http.http1.heads import Head, Malformed
from annexshell.stream.pace import Pace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.green.sockets import SocketStream
    from annexshell.serve.http.access.trusted import TrustedProxies
    from annexshell.serve.http.entrance import Connection, Limits
    from annexshell.serve.http.reporting.witness import Witness
    from annexshell.serve.http.shutdown import Shutdown

_LINGERING = 256  # connections that are hung up on with patience at once


class Conversations:
    """Answers what comes on connections. `report` is told of mistakes in this program."""

    def __init__(
        self,
        limits: Limits,
        proxies: TrustedProxies,
        witness: Witness,
        shutdown: Shutdown,
        report: Callable[[str], None],
    ) -> None:
        self._limits = limits
        self._proxies = proxies
        self._witness = witness
        self._shutdown = shutdown
        self._report = report
        self._room = HeadRoom()
        self._lingering = 0  # connections

    def greet(self, connection: Connection) -> bool:
        """Shakes hands for TLS, and goes on if something has come with that; whether the connection stays open. Raises
        PeerGone."""
        stream, tls = connection.stream, connection.entrance.tls
        assert tls is not None
        stream.patience.deadline = time.monotonic() + self._limits.head
        stream.start_tls(tls)
        stream.patience.deadline = None
        return self.converse(connection) if stream.has_more else True

    def converse(self, connection: Connection) -> bool:
        """Answers the requests that have come; whether the connection stays open for others. Raises PeerGone."""
        peer = connection.peer
        share = self._room.share("" if self._proxies.trusts(peer) else peer)
        source = EventReader(connection.stream, share)
        try:
            while True:
                head = self._next_head(source)
                if head is None:
                    return False
                if not self._answer(connection, source, head):
                    break
                if source.is_empty:
                    return True
                connection.stream.patience.take_turn()
        except Malformed as error:
            if connection.entrance.watched and connection.exchange is None:
                self._witness.refused(error.status)
            source.parser.forget()
            _refuse(connection.stream, error)
        finally:
            share.leave()
        self._linger(connection.stream)
        return False

    def _linger(self, stream: SocketStream) -> None:
        """Gives a client time to read our last words, unless very many need that at once."""
        if self._lingering < _LINGERING:
            self._lingering += 1
            try:
                linger(stream)
            finally:
                self._lingering -= 1

    def _next_head(self, source: EventReader) -> Head | None:
        """The next request, part of which is here; None if there is none."""
        stream = source.stream
        stream.patience.deadline = time.monotonic() + self._limits.head
        try:
            event = source.next()
        except Stalled:
            if source.parser.has_begun:
                raise Malformed(408, "the request took too long") from None
            return None
        except PeerGone:
            return None
        stream.patience.deadline = None
        stream.patience.limit = self._limits.stall
        stream.patience.pace = Pace(self._limits.rate, self._limits.stall) if self._limits.rate else None
        return event if isinstance(event, Head) else None

    def _answer(self, connection: Connection, source: EventReader, head: Head) -> bool:
        """Whether another request may follow."""
        entrance = connection.entrance
        sender = self._proxies.sender(connection.peer, entrance.tls is not None, head)
        exchange = connection.exchange = Exchange(source, head, sender)
        if self._shutdown.has_begun:
            exchange.keep_alive = False
        if entrance.watched:
            self._witness.began(exchange)
        try:
            entrance.handle(exchange)
        except (PeerGone, Malformed):
            raise
        except AnnexshellError as error:
            self._report(str(error))
            return False
        except Exception as error:
            self._report(str(internal_error(error)))
            if not exchange.answered:
                exchange.keep_alive = False
                exchange.error(500, for_client(str(internal_error(error))))
        finally:
            if entrance.watched:
                self._witness.ended(exchange)
        goes_on = exchange.finish()
        if goes_on:
            connection.exchange = connection.stream.patience.pace = None
        return goes_on


def _refuse(stream: SocketStream, error: Malformed) -> None:
    text = visible(str(error)).encode("ascii", "replace") + b"\n"
    stream.patience.limit = 10.0
    stream.patience.deadline = None
    stream.write(
        b"HTTP/1.1 %d Refused\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
        % (error.status, len(text), text)
    )
