"""The server: connections, one greenlet for each, and what has to be done every now and then."""

from __future__ import annotations

import os
import time

from annexshell.errors import AnnexshellError, PeerGone, Stalled
from annexshell.green.sockets import Pace, SocketStream, accept_forever
from annexshell.serve.http.exchange import Exchange, Source
from annexshell.serve.http.handlers import unexpected
from annexshell.serve.http.parsing import Head, Malformed
from annexshell.serve.http.trusted import TrustedProxies, plain_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable
    from typing import Any

    from annexshell.green.tasks import Tasks
    from annexshell.serve.http.accesslog import AccessLog
    from annexshell.serve.http.directory import Repositories

_TICK = 0.5  # seconds
_ON_THE_WAY = 0.25  # seconds that a request may be on its way here


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
    ) -> None:
        self._handle = handle
        self._repositories = repositories
        self._tasks = tasks
        self._limits = limits
        self._report = report
        self._tls = tls
        self._log = log
        self._proxies = proxies or TrustedProxies()
        self._connections: dict[SocketStream, Exchange | None] = {}  # with what is being answered
        self._stopping = False
        self._news = tasks.news()

    def run(self, listener: socket.socket, parent: int) -> None:
        """Serves until `stop`, or until the process that started us is gone."""
        accepting = self._tasks.spawn(lambda: accept_forever(listener, self._accepted))
        while not self._stopping and os.getppid() == parent:
            self._repositories.tend()
            self._news.wait(_TICK)
        self._stopping = True
        accepting.kill()
        self._drain()
        self._repositories.close()

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
            self._repositories.tend()
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

    def _accepted(self, connected: socket.socket, address: Any) -> None:
        if len(self._connections) >= self._limits.connections:
            connected.close()
            return
        stream = SocketStream(connected, self._limits.head, self._tasks.offload)
        self._connections[stream] = None
        peer = plain_address(address[0]) if isinstance(address, tuple) else ""
        self._tasks.spawn(lambda: self._serve(stream, peer))

    def _serve(self, stream: SocketStream, peer: str) -> None:
        try:
            if self._tls is not None:
                stream.deadline = time.monotonic() + self._limits.head
                stream.start_tls(self._tls)
                stream.deadline = None
            self._converse(stream, peer)
        except PeerGone:
            pass
        except Exception as error:
            self._report(str(unexpected(error)))
        finally:
            del self._connections[stream]
            stream.close()
            if self._stopping:
                self._news.tell()

    def _converse(self, stream: SocketStream, peer: str) -> None:
        source = Source(stream)
        while True:
            try:
                head = self._next_head(source)
                if head is None:
                    return
                client, secure = self._proxies.origin(peer, self._tls is not None, head)
                exchange = Exchange(source, head, client, secure)
                self._connections[stream] = exchange
                if not self._answer(exchange):
                    break
                self._connections[stream] = None
            except Malformed as error:
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

    def _answer(self, exchange: Exchange) -> bool:
        """Whether another request may follow."""
        if self._stopping:
            exchange.keep_alive = False
        try:
            self._handle(exchange)
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
            if self._log is not None:
                self._log.note(exchange)
        return exchange.finish()


def _refuse(stream: SocketStream, error: Malformed) -> None:
    text = str(error).encode("ascii", "replace") + b"\n"
    stream.limit = 10.0
    stream.deadline = None
    stream.write(
        b"HTTP/1.1 %d Refused\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
        % (error.status, len(text), text)
    )
