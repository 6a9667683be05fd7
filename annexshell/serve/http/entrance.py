"""A client's connection, and what limits it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from annexshell.green.sockets import SocketStream
    from annexshell.serve.http.http1.exchange import Exchange


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
