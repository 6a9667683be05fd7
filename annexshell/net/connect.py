"""Connections over TCP and Unix sockets, with TLS if asked for. All waiting is done by a Waiter."""

from __future__ import annotations

import os
import socket
from _thread import start_new_thread
from errno import EAGAIN, ECONNREFUSED, EHOSTUNREACH, EINPROGRESS, ETIMEDOUT
from functools import partial

from annexshell.errors import Cause, PeerGone, Stalled
from annexshell.stream.blocking import FdStream
from annexshell.stream.port import ConflictDetector, Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from typing import Any

    from annexshell.stream.port import Buffer, Waiter, Waiting

_CAUSES = {ECONNREFUSED: Cause.CONNECTION_REFUSED, ETIMEDOUT: Cause.UNREACHABLE, EHOSTUNREACH: Cause.UNREACHABLE}


def open_tcp(host: str, port: int, waiting: Waiting) -> socket.socket:
    """A connection to the first address of a host that answers; the socket does not block. Raises PeerGone."""
    waiter = waiting.connect.within(waiting.connect.limit)  # one limit for all addresses together
    resolve = waiting.resolve or partial(_looked_up, waiter)
    try:
        addresses = resolve(host, port, 0, socket.SOCK_STREAM)
    except OSError as error:
        text = f"the host {host} was not found ({error.strerror})"
        raise PeerGone(text, "its host was not found", Cause.NO_HOST) from None
    reason = PeerGone(f"the host {host} has no address", "its host has no address", Cause.NO_HOST)
    for family, kind, protocol, _, address in addresses:
        try:
            connected = _connected(socket.socket(family, kind, protocol), address, waiter)
        except PeerGone as error:
            reason = error
            continue
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return connected
    raise type(reason)(f"{host} port {port}: {reason}", reason.public, reason.cause)


def _looked_up(waiter: Waiter, host: str, port: int, *options: int) -> list[Any]:
    """Like socket.getaddrinfo, which may take minutes when name servers don't answer: a thread calls it, and is left
    alone when the waiter has waited for long enough. Raises OSError."""
    reading, writing = os.pipe()
    outcome: list[Any] = []

    def look_up() -> None:
        try:
            outcome.append(socket.getaddrinfo(host, port, *options))
        except Exception as error:
            outcome.append(error)
        finally:
            os.close(writing)

    try:
        start_new_thread(look_up, ())
    except RuntimeError:
        os.close(reading)
        os.close(writing)
        raise socket.gaierror(socket.EAI_AGAIN, "there are too many threads to look it up") from None
    try:
        waiter.readable(reading)
    except Stalled:
        raise socket.gaierror(socket.EAI_AGAIN, "its name servers do not answer") from None
    finally:
        os.close(reading)
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return list(outcome[0])


def open_unix(path: bytes, waiter: Waiter) -> FdStream:
    """A connection to a unix socket. Raises PeerGone."""
    return plain_stream(_connected(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), path, waiter), waiter)


def _connected(connecting: socket.socket, address: Any, waiter: Waiter) -> socket.socket:
    """The socket, connected. Raises PeerGone, and closes it then."""
    try:
        connecting.setblocking(False)
        code = connecting.connect_ex(address)
        if code == EINPROGRESS:
            waiter.writable(connecting.fileno())
            code = connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    except OSError as error:
        connecting.close()
        raise PeerGone(str(error)) from None
    except BaseException:
        connecting.close()
        raise
    if code:
        connecting.close()
        text = "it is too busy to connect to" if code == EAGAIN else os.strerror(code).lower()
        raise PeerGone(text, cause=_CAUSES.get(code, Cause.UNKNOWN))
    return connecting


def plain_stream(connected: socket.socket, waiter: Waiter) -> FdStream:
    """A stream over a socket, which belongs to the stream from now on."""
    fd = connected.detach()
    return FdStream(fd, fd, waiter)


class TlsStream(Stream):
    """A Stream over TLS. The kernel can't move payload here, so that there is no file descriptor for that."""

    def __init__(self, connected: socket.socket, host: str, context: ssl.SSLContext, waiting: Waiting) -> None:
        """Shakes hands, which is a part of connecting; the socket belongs to the stream from now on. Raises
        PeerGone."""
        super().__init__()
        self._waiter = waiting.connect.within(waiting.connect.limit)
        self._writer = ConflictDetector("writing to")
        self.fd = connected.fileno()
        try:
            self._tls = context.wrap_socket(connected, server_hostname=host, do_handshake_on_connect=False)
        except (OSError, ValueError) as error:
            connected.close()
            raise PeerGone(f"TLS failed ({error})", "TLS failed") from None
        try:
            self._waiting(self._tls.do_handshake)
        except BaseException as error:
            self._tls.close()
            if isinstance(error, PeerGone):
                what = "the TLS handshake failed"
                raise type(error)(f"{what}: {error}", f"{what}: {error.public}", error.cause) from None
            raise
        self._waiter = waiting.answer

    def _waiting(self, action: Callable[..., Any], *args: Any) -> Any:
        """The result of a call on the socket, made again until it does not have to wait. Raises PeerGone."""
        import ssl

        self._waiter.take_turn()
        while True:
            try:
                return action(*args)
            except ssl.SSLWantReadError:
                self._waiter.readable(self.fd)
            except ssl.SSLWantWriteError:
                self._waiter.writable(self.fd)
            except ssl.SSLCertVerificationError as error:
                what = "its TLS certificate is not trusted"
                raise PeerGone(f"{what} ({error.verify_message})", what) from None
            except OSError as error:
                raise PeerGone(f"the connection broke ({error.strerror})") from None

    def use(self, waiter: Waiter) -> None:
        """From now on, a waiter does the waiting."""
        self._waiter = waiter

    def read_line(self) -> bytes | None:
        self._waiter.take_turn()  # lines may be here already
        return super().read_line()

    def _read(self, limit: int) -> bytes:
        data: bytes = self._waiting(self._tls.recv, limit)
        return data

    def _read_into(self, buffer: memoryview) -> int:
        count: int = self._waiting(self._tls.recv_into, buffer)
        return count

    def write(self, data: Buffer) -> None:
        rest = memoryview(data)
        with self._writer:
            while rest:
                rest = rest[self._waiting(self._tls.send, rest) :]

    def close(self) -> None:
        self._tls.close()
