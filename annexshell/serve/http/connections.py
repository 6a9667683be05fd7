"""The connections of a worker. One has a greenlet while something comes or goes on it; between two requests it is only
an entry in a table: thousands of clients may only wait.
"""

from __future__ import annotations

import time
from itertools import takewhile

from annexshell.errors import PeerGone, internal_error
from annexshell.green.sockets import SocketStream
from annexshell.serve.http.access.trusted import plain_address
from annexshell.serve.http.entrance import Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import Any

    from annexshell.green.tasks import Tasks
    from annexshell.serve.http.conversation import Conversations
    from annexshell.serve.http.entrance import Entrance, Limits
    from annexshell.serve.http.reporting.witness import Witness
    from annexshell.serve.http.shutdown import Shutdown


class Connections:
    """All clients of this worker. `disk_tasks` are for what requests have to do on disks, and `report` is told of
    mistakes in this program."""

    def __init__(
        self,
        conversations: Conversations,
        limits: Limits,
        witness: Witness,
        shutdown: Shutdown,
        tasks: Tasks,
        disk_tasks: Tasks,
        report: Callable[[str], None],
    ) -> None:
        self._conversations = conversations
        self._limits = limits
        self._witness = witness
        self._shutdown = shutdown
        self._work = disk_tasks.offload
        self._report = report
        self._crew = tasks.crew()
        self._open: set[Connection] = set()
        self._idle: dict[Connection, float] = {}  # since when (monotonic seconds) nothing comes, the longest first

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connected: socket.socket, address: Any, entrance: Entrance) -> None:
        """Takes a client that has connected."""
        # However many clients there are, it can be asked how the server is.
        if entrance.watched and len(self._open) >= self._limits.connections:
            connected.close()
            return
        peer = plain_address(address[0]) if isinstance(address, tuple) else ""
        connection = Connection(SocketStream(connected, self._limits.head, self._work), peer, entrance)
        self._open.add(connection)
        if entrance.watched:
            self._witness.opened()
        if entrance.tls is None:
            self._rest(connection)
        else:
            self._crew.spawn(lambda: self._serve(connection, self._conversations.greet))

    def _rest(self, connection: Connection) -> None:
        """Waits for the next request without a greenlet or parser."""
        self._idle[connection] = time.monotonic()
        connection.stream.when_readable(self._wake, connection)

    def _wake(self, connection: Connection) -> None:
        del self._idle[connection]
        self._crew.spawn(lambda: self._serve(connection, self._conversations.converse))

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

    def _close(self, connection: Connection) -> None:
        self._open.remove(connection)
        connection.stream.close()
        if connection.entrance.watched:
            self._witness.closed()
        if self._shutdown.has_begun:
            self._shutdown.news.tell()

    def close_idle(self) -> None:
        """Closes connections that have been silent for long."""
        latest = time.monotonic() - self._limits.idle
        for connection, _ in list(takewhile(lambda item: item[1] < latest, self._idle.items())):
            del self._idle[connection]
            self._close(connection)

    def take_leave(self) -> None:
        """Has clients told that nothing is answered after the present request. They have to know before they send an
        upload behind it."""
        for connection in self._open:
            if connection.exchange is not None:
                connection.exchange.keep_alive = False

    def hang_up(self, idle_only: bool) -> int:
        """Ends connections; the number of those that go on."""
        left = 0
        for connection in list(self._open):
            exchange = connection.exchange
            if idle_only and exchange is not None and not exchange.interruptible:
                left += 1
            else:
                connection.stream.interrupt()
        return left
