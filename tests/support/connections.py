"""Connections of every kind, of which a test holds the other end."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from annexshell.green.sockets import SocketStream, tls_context
from annexshell.green.waiter import GeventWaiter
from annexshell.net.connect import TlsStream
from annexshell.net.httpclient import ChunkedContent
from annexshell.serve.http.http1.body import BodySource, EventReader
from annexshell.serve.http.http1.heads import Head
from annexshell.stream.blocking import FdStream
from annexshell.stream.memory import MemoryStream
from annexshell.stream.port import Source, Stream, Waiting
from tests.support.certificates import make_certificate

BOUND = 20.0  # seconds


class End:
    """The far end of a connection: `feed` sends from a thread of its own, and `drain` reads what comes.

    `stream` is the near end; `source` is what reads there what is fed.
    """

    def __init__(self, stream: Stream, far_in: int, far_out: int) -> None:
        self.stream = stream
        self.source: Source = stream
        self._fds = {far_in, far_out} - {-1}
        self._far_in, self._far_out = far_in, far_out
        self._threads: list[threading.Thread] = []
        self.received = bytearray()

    def feed(self, data: bytes, piece: int = 1 << 16, ended: bool = True) -> None:
        """Sends data and closes, if it is to end; what is not wanted any more is dropped."""

        def work() -> None:
            try:
                for start in range(0, len(data), piece):
                    self._send(data[start : start + piece])
                if ended:
                    self._end_writing()
            except OSError:
                pass

        self._start(work)

    def send(self, data: bytes) -> None:
        """Sends a little more, after what did not end."""
        self._send(data)

    def _send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._far_out, rest) :]

    def drain(self) -> None:
        def work() -> None:
            while data := self._receive():
                self.received += data

        self._start(work)

    def _receive(self) -> bytes:
        return os.read(self._far_in, 1 << 16)

    def _start(self, work: Callable[[], None]) -> None:
        self._threads.append(threading.Thread(target=work))
        self._threads[-1].start()

    def _end_writing(self) -> None:
        if self._far_in == self._far_out:
            with socket.socket(fileno=os.dup(self._far_out)) as far:
                far.shutdown(socket.SHUT_WR)
        else:
            self._close(self._far_out)

    def leave(self) -> None:
        """Closes without having read everything. Not while it sends."""
        for fd in list(self._fds):
            self._close(fd)

    def _close(self, fd: int) -> None:
        if fd in self._fds:
            self._fds.remove(fd)
            os.close(fd)

    def all(self) -> bytes:
        """Everything that we sent to it, which has come to an end."""
        self.stream.close()
        for thread in self._threads:
            thread.join(BOUND)
            assert not thread.is_alive()
        return bytes(self.received)

    def close(self) -> None:
        self.all()
        self.leave()


class MemoryEnd(End):
    """Without a file descriptor."""

    def __init__(self) -> None:
        self._memory = MemoryStream()
        super().__init__(self._memory, -1, -1)

    def feed(self, data: bytes, piece: int = 1 << 16, ended: bool = True) -> None:
        self.stream = self.source = self._memory = MemoryStream(data, piece)

    def drain(self) -> None:
        pass

    def leave(self) -> None:
        self._memory._breaks_after = 0

    def all(self) -> bytes:
        return bytes(self._memory.outgoing)


class TlsEnd(End):
    """One that speaks TLS over a socket. `wrap` makes it, and shakes hands, while `connect` does so near by."""

    def __init__(
        self, connect: Callable[[socket.socket], Stream], wrap: Callable[[socket.socket], ssl.SSLSocket]
    ) -> None:
        near, far = socket.socketpair()
        wrapped: list[ssl.SSLSocket] = []
        shaking = threading.Thread(target=lambda: wrapped.append(wrap(far)))
        shaking.start()
        stream = connect(near)
        shaking.join(BOUND)
        (self._far,) = wrapped
        super().__init__(stream, -1, -1)

    def _send(self, data: bytes) -> None:
        self._far.sendall(data)

    def _receive(self) -> bytes:
        try:
            return self._far.recv(1 << 16)
        except (ssl.SSLEOFError, ConnectionResetError):
            return b""

    def _end_writing(self) -> None:
        socket.socket.shutdown(self._far, socket.SHUT_WR)  # SSLSocket's own makes it plain in both directions

    def leave(self) -> None:
        self._far.close()


class BodyEnd(End):
    """A client of HTTP that sends what it is fed as the body of a request, in chunks or with its length before it."""

    def __init__(self, in_chunks: bool) -> None:
        near, far = socket.socketpair()
        self._far = far
        self._in_chunks = in_chunks
        self._stream = _green(near)
        super().__init__(self._stream, far.fileno(), far.fileno())
        self._fds = set()

    def feed(self, data: bytes, piece: int = 1 << 16, ended: bool = True) -> None:
        length = len(data) if ended else 1 << 30
        how = b"Transfer-Encoding: chunked" if self._in_chunks else b"Content-Length: %d" % length
        self._far.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\n%b\r\n\r\n" % how)
        reader = EventReader(self._stream)
        head = reader.next()
        assert isinstance(head, Head)
        super().feed(data, piece, ended)
        self.source = BodySource(reader, not head.has_body, expects=False)

    def _send(self, data: bytes) -> None:
        self._far.sendall(b"%x\r\n%b\r\n" % (len(data), data) if self._in_chunks else data)

    def _end_writing(self) -> None:
        if self._in_chunks:
            self._far.sendall(b"0\r\n\r\n")

    def leave(self) -> None:
        self._far.close()


class ChunkedEnd(End):
    """A server whose answer comes in chunks."""

    def __init__(self) -> None:
        near, far = socket.socketpair()
        self._far = far
        near.setblocking(False)
        fd = near.detach()
        super().__init__(FdStream(fd, fd, GeventWaiter(BOUND)), far.fileno(), far.fileno())
        self.source = ChunkedContent(self.stream)
        self._fds = set()

    def _send(self, data: bytes) -> None:
        self._far.sendall(b"%x\r\n%b\r\n" % (len(data), data))

    def _end_writing(self) -> None:
        self._far.sendall(b"0\r\n\r\n")

    def leave(self) -> None:
        self._far.close()


def _pipes() -> End:
    in_fd, far_out = os.pipe()
    far_in, out_fd = os.pipe()
    return End(FdStream(in_fd, out_fd), far_in, far_out)


def _green_pipes() -> End:
    end = _pipes()
    assert isinstance(end.stream, FdStream)
    end.stream.use(GeventWaiter(BOUND))
    return end


def _socket() -> End:
    near, far = socket.socketpair()
    fd, far_fd = near.detach(), far.detach()
    return End(FdStream(fd, fd), far_fd, far_fd)


def _green(near: socket.socket) -> SocketStream:
    return SocketStream(near, BOUND, lambda function: function())


def _green_socket() -> End:
    near, far = socket.socketpair()
    far_fd = far.detach()
    return End(_green(near), far_fd, far_fd)


@cache
def _certificate() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server and a client need for TLS."""
    with TemporaryDirectory() as directory:
        certificate, key = make_certificate(Path(directory))
        return tls_context(str(certificate), str(key), []), ssl.create_default_context(cafile=str(certificate))


def _tls_server() -> End:
    server, client = _certificate()

    def connect(near: socket.socket) -> Stream:
        stream = _green(near)
        stream.start_tls(server)
        return stream

    return TlsEnd(connect, lambda far: client.wrap_socket(far, server_hostname="localhost"))


def _tls_client() -> End:
    server, client = _certificate()

    def connect(near: socket.socket) -> Stream:
        near.setblocking(False)
        waiter = GeventWaiter(BOUND)
        return TlsStream(near, "localhost", client, Waiting(waiter, waiter))

    return TlsEnd(connect, lambda far: server.wrap_socket(far, server_side=True))


KINDS: dict[str, Callable[[], End]] = {
    "pipe": _pipes,
    "socket": _socket,
    "memory": MemoryEnd,
    "green pipe": _green_pipes,
    "green socket": _green_socket,
    "TLS server": _tls_server,
    "TLS client": _tls_client,
    "body": lambda: BodyEnd(in_chunks=False),
    "chunked body": lambda: BodyEnd(in_chunks=True),
    "chunked answer": ChunkedEnd,
}
