"""Sockets to listen at, one for each worker process."""

from __future__ import annotations

import errno
import os
import socket
import stat

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
    """A Unix socket that all workers share, replacing one that nobody listens on any more. Raises OSError."""
    if _is_stale(path):
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


def _is_stale(path: str) -> bool:
    """Whether a server that is gone has left its socket there. Raises OSError if a server still listens."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return False  # some other file, which is not ours to remove: bind will say so
    except FileNotFoundError:
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return True
        except FileNotFoundError:
            return False
    raise OSError(errno.EADDRINUSE, "somebody listens on that socket")


class SocketFile:
    """The file of a Unix socket that we listen on, to be removed in the end: but not one that somebody else has put
    in its place. Without a path there is nothing to remove."""

    def __init__(self, path: str | None = None) -> None:
        self._path = path
        self._identity = _identity(path) if path else None

    def remove(self) -> None:
        if self._path and self._identity is not None and _identity(self._path) == self._identity:
            os.unlink(self._path)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        info = os.stat(path)
    except OSError:
        return None
    return info.st_dev, info.st_ino


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
