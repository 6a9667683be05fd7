"""Sockets to listen at, one for each worker process."""

from __future__ import annotations

import errno
import os
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def listen_tcp(address: str | None, port: int, count: int) -> list[socket.socket]:
    """Sockets on one port of an address, or of all addresses of both families; the kernel shares connections out among
    them. Port 0 is a free one. Raises OSError."""
    family, place = _place(address, port)
    with _bound(family, place, shared=False) as probe:  # a port that is shared may be somebody else's, too
        place = probe.getsockname()
    return _several(lambda: _bound(family, place, shared=True), count)


def _place(address: str | None, port: int) -> tuple[int, tuple[object, ...]]:
    if address is None:
        return (socket.AF_INET6, ("::", port)) if socket.has_dualstack_ipv6() else (socket.AF_INET, ("", port))
    family, _, _, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    return family, place


def _bound(family: int, place: tuple[object, ...], shared: bool) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(place)
        if shared:
            listener.listen(socket.SOMAXCONN)
    except BaseException:
        listener.close()
        raise
    return listener


def listen_unix(path: str, count: int, mode: int = 0o700) -> list[socket.socket]:
    """A Unix socket, in place of one that nobody listens on any more, which all workers share. Raises OSError."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            pass
        else:
            raise OSError(errno.EADDRINUSE, "somebody listens on that socket")
    if os.path.exists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o777 & ~mode)
    try:
        listener.bind(path)
        listener.listen(socket.SOMAXCONN)
    except BaseException:
        listener.close()
        raise
    finally:
        os.umask(before)
    return shared(listener, count)


def shared(listener: socket.socket, count: int) -> list[socket.socket]:
    """The same socket for each worker."""
    return [listener, *_several(listener.dup, count - 1)]


def _several(make: Callable[[], socket.socket], count: int) -> list[socket.socket]:
    made: list[socket.socket] = []
    try:
        for _ in range(count):
            made.append(make())
    except BaseException:
        for listener in made:
            listener.close()
        raise
    return made
