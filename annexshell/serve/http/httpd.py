"""The server in a worker process: sockets to listen at, periodic work, and the end."""

from __future__ import annotations

import os
import socket
import time

from annexshell.errors import PeerGone
from annexshell.green.sockets import SocketStream, accept_forever
from annexshell.serve.http.entrance import Entrance

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from gevent import Greenlet

    from annexshell.green.tasks import Tasks
    from annexshell.serve.http.connections import Connections
    from annexshell.serve.http.reporting.witness import Witness
    from annexshell.serve.http.repositories.directory import Repositories
    from annexshell.serve.http.shutdown import Shutdown

    Side = tuple[socket.socket, Entrance]

_TICK = 0.5  # seconds
_ON_THE_WAY = 0.25  # seconds that a request may be on its way here
_LAST_WORDS = 5.0  # seconds in which connections that were hung up on have to end
_PROBE = b"GET %b/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_PROBE_LIMIT = 30.0  # seconds


class Server:
    """Serves clients that come by `entrance`. `sides` are sockets where something else is served."""

    def __init__(
        self,
        entrance: Entrance,
        connections: Connections,
        repositories: Repositories,
        witness: Witness,
        shutdown: Shutdown,
        tasks: Tasks,
        sides: Sequence[Side] = (),
    ) -> None:
        self._entrance = entrance
        self._probed = Entrance(entrance.handle, None, watched=False)
        self._connections = connections
        self._repositories = repositories
        self._witness = witness
        self._shutdown = shutdown
        self._tasks = tasks
        self._sides = sides

    def run(self, listener: socket.socket, parent: int, ready: Callable[[], None] = lambda: None) -> None:
        """Serves until `stop`, or until the process that started us is gone. `ready` is called when it begins to."""
        accepting = [self._accept(*side) for side in (*self._sides, (listener, self._entrance))]
        ready()
        while not self._shutdown.has_begun and os.getppid() == parent:
            self._tend()
            self._shutdown.news.wait(_TICK)
        if not self._shutdown.has_begun:
            self.stop()
        for greenlet in accepting:
            greenlet.kill()
        self._drain(parent)
        self._repositories.close()

    def _accept(self, listener: socket.socket, entrance: Entrance) -> Greenlet[[], None]:
        def accepted(connected: socket.socket, address: Any) -> None:
            self._connections.add(connected, address, entrance)

        return self._tasks.spawn(lambda: accept_forever(listener, accepted))

    def _tend(self) -> None:
        self._repositories.tend()
        self._connections.close_idle()
        self._witness.tick()

    def probe(self, base: bytes) -> bool:
        """Whether the server answers a request that it sends to itself. Only the listening socket is left out of that
        way."""
        near, far = socket.socketpair()
        self._connections.add(far, "", self._probed)
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
        self._connections.take_leave()
        self._shutdown.stop()

    def retire(self) -> None:
        """Like `stop`, but without a time limit: another worker serves new requests."""
        self._connections.take_leave()
        self._shutdown.retire()

    def _drain(self, parent: int) -> None:
        # Requests that are on their way are answered still, and told that nothing follows.
        on_the_way = time.monotonic() + _ON_THE_WAY
        while self._connections and time.monotonic() < on_the_way and not self._shutdown.is_overdue:
            self._shutdown.news.wait(_ON_THE_WAY)
        while self._connections.hang_up(idle_only=True) and not self._shutdown.is_overdue:
            if os.getppid() != parent:
                self.stop()
            self._tend()
            self._shutdown.news.wait(_TICK)
        self._connections.hang_up(idle_only=False)
        last = time.monotonic() + _LAST_WORDS
        while self._connections and time.monotonic() < last:
            self._shutdown.news.wait(_TICK)
