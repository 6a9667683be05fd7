"""The server: connections, and periodic work. A connection has a greenlet while something comes or goes on it; between
two requests it is only an entry in a table.
"""

from __future__ import annotations

import math
import os
import socket
import time
from itertools import takewhile

from annexshell.errors import AnnexshellError, PeerGone, Stalled, internal_error
from annexshell.green.sockets import SocketStream, accept_forever, linger
from annexshell.model.show import for_client, visible
from annexshell.serve.http.access.trusted import TrustedProxies, plain_address
from annexshell.serve.http.http1.body import EventReader
from annexshell.serve.http.http1.exchange import Exchange
from annexshell.serve.http.http1.headroom import HeadRoom
from annexshell.serve.http.http1.heads import Head, Malformed
from annexshell.stream.pace import Pace

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from typing import Any

    from gevent import Greenlet

    from annexshell.green.tasks import Tasks
    from annexshell.serve.http.reporting.accesslog import AccessLog
    from annexshell.serve.http.reporting.counting import Counting
    from annexshell.serve.http.repositories.directory import Repositories

_TICK = 0.5  # seconds
_ON_THE_WAY = 0.25  # seconds that a request may be on its way here
_LINGERING = 256  # connections that are hung up on with patience at once
_PROBE = b"GET %b/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_PROBE_LIMIT = 30.0  # seconds


class Limits:
    """How long a client may take, in seconds, and how many may be connected."""

    def __init__(
        self,
        connections: int = 10000,
        idle: float = 300.0,
        head: float = 30.0,
        stall: float = 300.0,
        grace: float = 30.0,
        rate: int = 100,
    ) -> None:
        self.connections = connections
        self.idle = idle  # between two requests
        self.head = head  # for a request up to its body, and for a handshake of TLS
        self.stall = stall  # while nothing moves in a body, and
        self.rate = rate  # bytes per second that have to move in the long run; 0 for any
        self.grace = grace  # for what is going on when the server is to stop


class Entrance:
    """A socket's way in: `handle` answers its requests, which are counted and logged if `watched`."""

    __slots__ = ("handle", "tls", "watched")

    def __init__(self, handle: Callable[[Exchange], None], tls: ssl.SSLContext | None, watched: bool) -> None:
        self.handle = handle
        self.tls = tls
        self.watched = watched


class Connection:
    """A client. `exchange` is what is being answered."""

    __slots__ = ("entrance", "exchange", "peer", "stream")

    def __init__(self, stream: SocketStream, peer: str, entrance: Entrance) -> None:
        self.stream = stream
        self.peer = peer
        self.entrance = entrance
        self.exchange: Exchange | None = None


class Server:
    """Serves `handle` on sockets that listen. `report` is told of mistakes in this program, and `work` is for what
    requests have to do on disks, if that is limited."""

    def __init__(
        self,
        handle: Callable[[Exchange], None],
        repositories: Repositories,
        tasks: Tasks,
        limits: Limits,
        report: Callable[[str], None],
        tls: ssl.SSLContext | None = None,
        log: AccessLog | None = None,
        proxies: TrustedProxies | None = None,
        counting: Counting | None = None,
        work: Tasks | None = None,
    ) -> None:
        self._main = Entrance(handle, tls, watched=True)
        self._side = Entrance(handle, None, watched=False)
        self._repositories = repositories
        self._tasks = tasks
        self._work = (work or tasks).offload
        self._limits = limits
        self._report = report
        self._log = log
        self._proxies = proxies or TrustedProxies()
        self._counting = counting
        self._room = HeadRoom()
        self._lingering = 0  # connections
        self._accepting: list[Greenlet[..., None]] = []
        self._crew = tasks.crew()
        self._connections: set[Connection] = set()
        self._idle: dict[Connection, float] = {}  # since when (monotonic seconds) nothing comes, the longest first
        self._stopping = False
        self._deadline = math.inf  # for what is going on, in monotonic seconds
        self._news = tasks.news()

    def run(self, listener: socket.socket, parent: int, ready: Callable[[], None] = lambda: None) -> None:
        """Serves until `stop`, or until the process that started us is gone. `ready` is called when it begins to."""
        self._accept(listener, self._main)
        ready()
        while not self._stopping and os.getppid() == parent:
            self._tend()
            self._news.wait(_TICK)
        if not self._stopping:
            self.stop()
        for accepting in self._accepting:
            accepting.kill()
        self._drain(parent)
        self._repositories.close()

    def serve_aside(self, listener: socket.socket, handle: Callable[[Exchange], None]) -> None:
        """Serves something else on another socket, without TLS, and without counting or logging it."""
        self._accept(listener, Entrance(handle, None, watched=False))

    def _accept(self, listener: socket.socket, entrance: Entrance) -> None:
        def accepted(connected: socket.socket, address: Any) -> None:
            self._accepted(connected, address, entrance)

        self._accepting.append(self._tasks.spawn(lambda: accept_forever(listener, accepted)))

    def _tend(self) -> None:
        self._repositories.tend()
        self._close_idle()
        if self._counting is not None:
            self._counting.tick()

    @property
    def is_stopping(self) -> bool:
        """Whether nobody takes its place."""
        return self._stopping and self._deadline < math.inf

    def probe(self, base: bytes) -> bool:
        """Whether the server answers a request that it sends to itself. Only the listening socket is left out of that
        way.
        """
        near, far = socket.socketpair()
        self._accepted(far, "", self._side)
        stream = SocketStream(near, _PROBE_LIMIT, self._tasks.offload)
        stream.patience.deadline = time.monotonic() + _PROBE_LIMIT
        try:
            stream.write(_PROBE % base)
            return stream.read(4096).startswith(b"HTTP/1.1 ")
        except PeerGone:
            return False
        finally:
            stream.close()

    def stop(self) -> None:
        """Accepts no more requests, and lets `run` return when the present ones are answered, or have taken too
        long."""
        self._deadline = min(self._deadline, time.monotonic() + self._limits.grace)
        self.retire()

    def retire(self) -> None:
        """Like `stop`, but without a time limit: another worker serves new requests."""
        self._stopping = True
        for connection in self._connections:
            if connection.exchange is not None:
                connection.exchange.keep_alive = False  # the client has to know before it sends an upload behind it
        self._news.tell()

    def _drain(self, parent: int) -> None:
        # Requests that are on their way are answered still, and told that nothing follows.
        on_the_way = time.monotonic() + min(_ON_THE_WAY, self._limits.grace)
        while self._connections and time.monotonic() < on_the_way:
            self._news.wait(_ON_THE_WAY)
        while self._hang_up(idle_only=True) and time.monotonic() < self._deadline:
            if os.getppid() != parent:
                self.stop()
            self._tend()
            self._news.wait(_TICK)
        self._hang_up(idle_only=False)
        last = time.monotonic() + 5.0
        while self._connections and time.monotonic() < last:
            self._news.wait(_TICK)

    def _hang_up(self, idle_only: bool) -> int:
        """Ends connections; the number of those that go on."""
        left = 0
        for connection in list(self._connections):
            exchange = connection.exchange
            if idle_only and exchange is not None and not exchange.interruptible:
                left += 1
            else:
                connection.stream.interrupt()
        return left

    def _accepted(self, connected: socket.socket, address: Any, entrance: Entrance) -> None:
        # However many clients there are, it can be asked how the server is.
        if entrance.watched and len(self._connections) >= self._limits.connections:
            connected.close()
            return
        peer = plain_address(address[0]) if isinstance(address, tuple) else ""
        connection = Connection(SocketStream(connected, self._limits.head, self._work), peer, entrance)
        self._connections.add(connection)
        if self._counting is not None and entrance.watched:
            self._counting.opened()
        if entrance.tls is None:
            self._rest(connection)
        else:
            self._crew.spawn(lambda: self._serve(connection, self._greet))

    def _rest(self, connection: Connection) -> None:
        """Waits for the next request without a greenlet or parser: thousands of clients may only wait."""
        self._idle[connection] = time.monotonic()
        connection.stream.when_readable(self._wake, connection)

    def _wake(self, connection: Connection) -> None:
        del self._idle[connection]
        self._crew.spawn(lambda: self._serve(connection, self._converse))

    def _close_idle(self) -> None:
        """Closes connections that have been silent for long."""
        latest = time.monotonic() - self._limits.idle
        for connection, _ in list(takewhile(lambda item: item[1] < latest, self._idle.items())):
            del self._idle[connection]
            self._close(connection)

    def _close(self, connection: Connection) -> None:
        self._connections.remove(connection)
        connection.stream.close()
        if self._counting is not None and connection.entrance.watched:
            self._counting.closed()
        if self._stopping:
            self._news.tell()

    def _serve(self, connection: Connection, how: Callable[[Connection], bool]) -> None:
        """Does something on a connection, and closes it unless it is to wait for the next request."""
        goes_on = False
        try:
            goes_on = how(connection)
        except PeerGone:
            pass
        except Exception as error:
            self._report(str(internal_error(error)))
        finally:
            if goes_on:
                self._rest(connection)
            else:
                self._close(connection)

    def _greet(self, connection: Connection) -> bool:
        """Shakes hands for TLS, and goes on if something has come with that."""
        stream, tls = connection.stream, connection.entrance.tls
        assert tls is not None
        stream.patience.deadline = time.monotonic() + self._limits.head
        stream.start_tls(tls)
        stream.patience.deadline = None
        return self._converse(connection) if stream.has_more else True

    def _converse(self, connection: Connection) -> bool:
        """Answers the requests that have come; whether the connection stays open for others."""
        peer = connection.peer
        place = self._room.place("" if self._proxies.trusts(peer) else peer)
        source = EventReader(connection.stream, place)
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
            if self._counting is not None and connection.entrance.watched and connection.exchange is None:
                self._counting.refused(error.status)
            source.parser.forget()
            _refuse(connection.stream, error)
        finally:
            place.leave()
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
        client, secure = self._proxies.origin(connection.peer, entrance.tls is not None, head)
        exchange = connection.exchange = Exchange(source, head, client, secure)
        exchange.is_proxied = self._proxies.trusts(connection.peer)
        if self._stopping:
            exchange.keep_alive = False
        if entrance.watched:
            self._begin_watching(exchange)
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
                self._end_watching(exchange)
        goes_on = exchange.finish()
        if goes_on:
            connection.exchange = connection.stream.patience.pace = None
        return goes_on

    def _begin_watching(self, exchange: Exchange) -> None:
        if self._counting is not None:
            self._counting.began(exchange)

    def _end_watching(self, exchange: Exchange) -> None:
        if self._counting is not None:
            self._counting.ended(exchange)
        if self._log is not None:
            self._log.note(exchange)


def _refuse(stream: SocketStream, error: Malformed) -> None:
    text = visible(str(error)).encode("ascii", "replace") + b"\n"
    stream.patience.limit = 10.0
    stream.patience.deadline = None
    stream.write(
        b"HTTP/1.1 %d Refused\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
        % (error.status, len(text), text)
    )
