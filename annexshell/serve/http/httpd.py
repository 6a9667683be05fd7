"""The server: connections, one greenlet for each, and what has to be done every now and then."""

from __future__ import annotations

import os
import socket
import time

from annexshell.errors import AnnexshellError, PeerGone, Stalled
from annexshell.green.sockets import Pace, SocketStream, accept_forever
from annexshell.serve.http.exchange import Exchange, Source
from annexshell.serve.http.handlers import unexpected
from annexshell.serve.http.parsing import Head, Malformed
from annexshell.serve.http.trusted import TrustedProxies, plain_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from typing import Any

    from gevent import Greenlet

    from annexshell.green.tasks import Tasks
    from annexshell.serve.http.accesslog import AccessLog
    from annexshell.serve.http.counting import Counting
    from annexshell.serve.http.directory import Repositories

_TICK = 0.5  # seconds
_ON_THE_WAY = 0.25  # seconds that a request may be on its way here
_PROBE = b"GET %b/healthz HTTP/1.1\r\nConnection: close\r\n\r\n"
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
    """A way in: what answers who comes by it. `watched` is for requests that are counted and logged."""

    __slots__ = ("handle", "tls", "watched")

    def __init__(self, handle: Callable[[Exchange], None], tls: ssl.SSLContext | None, watched: bool) -> None:
        self.handle = handle
        self.tls = tls
        self.watched = watched


class Server:
    """Serves `handle` on sockets that listen. `report` is told of mistakes in this program."""

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
    ) -> None:
        self._main = Entrance(handle, tls, watched=True)
        self._side = Entrance(handle, None, watched=False)
        self._repositories = repositories
        self._tasks = tasks
        self._limits = limits
        self._report = report
        self._log = log
        self._proxies = proxies or TrustedProxies()
        self._counting = counting
        self._accepting: list[Greenlet[..., None]] = []
        self._connections: dict[SocketStream, Exchange | None] = {}  # with what is being answered
        self._stopping = False
        self._news = tasks.news()

    def run(self, listener: socket.socket, parent: int) -> None:
        """Serves until `stop`, or until the process that started us is gone."""
        self._accept(listener, self._main)
        while not self._stopping and os.getppid() == parent:
            self._tend()
            self._news.wait(_TICK)
        self._stopping = True
        for accepting in self._accepting:
            accepting.kill()
        self._drain()
        self._repositories.close()

    def serve_aside(self, listener: socket.socket, handle: Callable[[Exchange], None]) -> None:
        """Serves something else on another socket, without TLS, and without telling of it."""
        self._accept(listener, Entrance(handle, None, watched=False))

    def _accept(self, listener: socket.socket, entrance: Entrance) -> None:
        def accepted(connected: socket.socket, address: Any) -> None:
            self._accepted(connected, address, entrance)

        self._accepting.append(self._tasks.spawn(lambda: accept_forever(listener, accepted)))

    def _tend(self) -> None:
        self._repositories.tend()
        if self._counting is not None:
            self._counting.tick()

    @property
    def is_stopping(self) -> bool:
        return self._stopping

    def probe(self, base: bytes) -> bool:
        """Whether a request is answered, asked of ourselves. It comes by the way that all others come, but for the
        socket that listens."""
        near, far = socket.socketpair()
        self._accepted(far, "", self._side)
        stream = SocketStream(near, _PROBE_LIMIT, self._tasks.offload)
        stream.deadline = time.monotonic() + _PROBE_LIMIT
        try:
            stream.write(_PROBE % base)
            return stream.receive(4096).startswith(b"HTTP/1.1 ")
        except PeerGone:
            return False
        finally:
            stream.close()

    def stop(self) -> None:
        """Takes no more requests, and lets `run` return when those that are going on are answered."""
        self._stopping = True
        self._news.tell()

    def _drain(self) -> None:
        deadline = time.monotonic() + self._limits.grace
        # Requests that are on their way are answered still, and told that nothing follows.
        on_the_way = time.monotonic() + min(_ON_THE_WAY, self._limits.grace)
        while self._connections and time.monotonic() < on_the_way:
            self._news.wait(_ON_THE_WAY)
        while self._hang_up(idle_only=True) and time.monotonic() < deadline:
            self._tend()
            self._news.wait(_TICK)
        self._hang_up(idle_only=False)
        while self._connections and time.monotonic() < deadline + 5.0:
            self._news.wait(_TICK)

    def _hang_up(self, idle_only: bool) -> int:
        """Ends connections; the number of those that go on."""
        left = 0
        for stream, exchange in list(self._connections.items()):
            if idle_only and exchange is not None and not exchange.interruptible:
                left += 1
            else:
                stream.interrupt()
        return left

    def _accepted(self, connected: socket.socket, address: Any, entrance: Entrance) -> None:
        if len(self._connections) >= self._limits.connections:
            connected.close()
            return
        stream = SocketStream(connected, self._limits.head, self._tasks.offload)
        self._connections[stream] = None
        peer = plain_address(address[0]) if isinstance(address, tuple) else ""
        self._tasks.spawn(lambda: self._serve(stream, peer, entrance))

    def _serve(self, stream: SocketStream, peer: str, entrance: Entrance) -> None:
        counting = self._counting if entrance.watched else None
        try:
            if counting is not None:
                counting.opened()
            if entrance.tls is not None:
                stream.deadline = time.monotonic() + self._limits.head
                stream.start_tls(entrance.tls)
                stream.deadline = None
            self._converse(stream, peer, entrance)
        except PeerGone:
            pass
        except Exception as error:
            self._report(str(unexpected(error)))
        finally:
            del self._connections[stream]
            stream.close()
            if counting is not None:
                counting.closed()
            if self._stopping:
                self._news.tell()

    def _converse(self, stream: SocketStream, peer: str, entrance: Entrance) -> None:
        source = Source(stream)
        while True:
            try:
                head = self._next_head(source)
                if head is None:
                    return
                client, secure = self._proxies.origin(peer, entrance.tls is not None, head)
                exchange = Exchange(source, head, client, secure)
                self._connections[stream] = exchange
                if not self._answer(exchange, entrance):
                    break
                self._connections[stream] = None
            except Malformed as error:
                if self._counting is not None and entrance.watched and self._connections[stream] is None:
                    self._counting.refused(error.status)
                _refuse(stream, error)
                break
        stream.linger()

    def _next_head(self, source: Source) -> Head | None:
        """The next request; None if there is none."""
        stream = source.stream
        stream.limit = self._limits.idle
        stream.pace = None
        try:
            if not source.parser.events and not source.parser.has_begun:
                source.parser.feed(stream.receive(65536))
            stream.deadline = time.monotonic() + self._limits.head
            event = source.next()
        except Stalled:
            if source.parser.has_begun:
                raise Malformed(408, "the request took too long") from None
            return None
        except PeerGone:
            return None
        stream.deadline = None
        stream.limit = self._limits.stall
        stream.pace = Pace(self._limits.rate, self._limits.stall) if self._limits.rate else None
        return event if isinstance(event, Head) else None

    def _answer(self, exchange: Exchange, entrance: Entrance) -> bool:
        """Whether another request may follow."""
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
            self._report(str(unexpected(error)))
            if not exchange.answered:
                exchange.keep_alive = False
                exchange.error(500, str(unexpected(error)))
        finally:
            if entrance.watched:
                self._end_watching(exchange)
        return exchange.finish()

    def _begin_watching(self, exchange: Exchange) -> None:
        if self._counting is not None:
            self._counting.began(exchange)

    def _end_watching(self, exchange: Exchange) -> None:
        if self._counting is not None:
            self._counting.ended(exchange)
        if self._log is not None:
            self._log.note(exchange)


def _refuse(stream: SocketStream, error: Malformed) -> None:
    text = str(error).encode("ascii", "replace") + b"\n"
    stream.limit = 10.0
    stream.deadline = None
    stream.write(
        b"HTTP/1.1 %d Refused\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
        % (error.status, len(text), text)
    )
