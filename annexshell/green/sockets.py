"""Connections of a network server: sockets as Streams, plain or with TLS, and the loop that accepts them."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import tempfile
import time
from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit
from select import poll

from gevent import get_hub, sleep

from annexshell.errors import AnnexshellError, PeerGone
from annexshell.green.patience import READ, WRITE, Patience
from annexshell.green.turns import give_way
from annexshell.stream.port import CHUNK, ConflictDetector, SinkFailed, Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    from annexshell.stream.port import Buffer, Source

    Result = TypeVar("Result")

_TLS_RECORD = 16384  # bytes
# What a peer may go on sending before it has to see why we hang up: seconds, and bytes.
_LINGER, _LINGER_BYTES = 2.0, 64 << 20
_GONE = (
    errno.EPIPE,
    errno.ECONNRESET,
    errno.ECONNABORTED,
    errno.ENOTCONN,
    errno.ETIMEDOUT,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.EBADF,
)
_OUT_OF_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_SPARE_FILES = 256  # descriptors at most that no connection may take
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 20), (socket.TCP_KEEPCNT, 6))  # seconds, and tries


class SocketStream(Stream):
    """A connected socket. `patience` is how long it is waited for, at first up to `limit` seconds at a time; what is
    left to `work` is done by `offload`."""

    shares = True

    def __init__(self, connected: socket.socket, limit: float | None, offload: Callable[[Callable[[], Any]], Any]):
        super().__init__()
        connected.setblocking(False)
        if connected.family != socket.AF_UNIX:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _KEEPALIVE:
                connected.setsockopt(socket.IPPROTO_TCP, option, value)
        self.patience = Patience(connected.fileno(), limit)
        self._socket = connected
        self._is_plain = True  # with TLS, the kernel can't move payload
        self._offload = offload
        self._writer = ConflictDetector("writing to")

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Shakes hands as a server. Raises PeerGone."""
        self._socket = context.wrap_socket(self._socket, server_side=True, do_handshake_on_connect=False)
        self._is_plain = False
        self._call(READ, self._socket.do_handshake)

    @property
    def local_address(self) -> str:
        """At which the peer has reached us; empty for a Unix socket, or a connection that is gone."""
        try:
            place = self._socket.getsockname()
        except OSError:
            return ""
        return str(place[0]) if isinstance(place, tuple) else ""

    @property
    def local_port(self) -> int:
        """The port of that; 0 for a Unix socket."""
        try:
            place = self._socket.getsockname()
        except OSError:
            return 0
        return int(place[1]) if isinstance(place, tuple) else 0

    @property
    def has_more(self) -> bool:
        """Whether bytes that have come are held back here, where the kernel does not see them."""
        if self._lines:
            return True
        return not self._is_plain and self._socket.pending() > 0  # type: ignore[attr-defined]

    def when_readable(self, function: Callable[..., object], *args: object) -> None:
        """Has the hub call a function once, as soon as something has come or the stream has ended. No greenlet waits
        for that; only `interrupt` and `close` may be called meanwhile, and whoever closes has it never called."""
        self.patience.call_when_readable(function, args)

    def _read(self, limit: int) -> bytes:
        data = self._call(READ, self._socket.recv, limit)
        self.patience.moved(len(data))
        return data

    def _read_into(self, buffer: memoryview) -> int:
        count = self._call(READ, self._socket.recv_into, buffer)
        self.patience.moved(count)
        return count

    def read_ready(self, buffer: memoryview) -> int | None:
        if self._lines:
            return self._lines.fill(buffer)
        try:
            with self._reader:
                count = self._socket.recv_into(buffer)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except OSError as error:
            raise PeerGone(f"the peer closed the connection ({error.strerror})") from None
        self.patience.moved(count)
        return count

    def _wait_readable(self) -> None:
        if not self.has_more:
            self.patience.wait(READ)

    def write(self, data: Buffer) -> None:
        rest = memoryview(data)
        with self._writer:
            while rest:
                # Only so much at once, as writing it again with TLS has to be the very same piece.
                piece = rest if self._is_plain else rest[:_TLS_RECORD]
                rest = rest[self._put(self._socket.send, piece) :]

    def send_file(self, fd: int, offset: int, count: int) -> int:
        if not self._is_plain:
            return super().send_file(fd, offset, count)
        with self._writer:
            return self._put(os.sendfile, self._socket.fileno(), fd, offset, min(count, CHUNK))

    def _can_splice(self, source: Source) -> bool:
        return self._is_plain and source.is_pipe()

    def _splice(self, fd: int, count: int) -> int:
        flags = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK
        try:
            with self._writer:
                return self._put(os.splice, fd, self._socket.fileno(), count, None, None, flags)
        except AnnexshellError as error:
            raise SinkFailed(error, 0) from error

    def _put(self, function: Callable[..., int], *args: Any) -> int:
        count = self._call(WRITE, function, *args)
        self.patience.moved(count)
        return count

    def _call(self, event: int, function: Callable[..., Result], *args: Any) -> Result:
        """The result of a call that waits for an event, made again until it does not have to."""
        self.patience.take_turn()
        while True:
            try:
                return function(*args)
            except BlockingIOError:
                self.patience.wait(event)
            except ssl.SSLWantReadError:
                self.patience.wait(READ)
            except ssl.SSLWantWriteError:
                self.patience.wait(WRITE)
            except ssl.SSLError as error:
                raise PeerGone(f"the connection broke ({error.reason})") from None
            except OSError as error:
                if error.errno not in _GONE:
                    raise  # the file that is being sent
                raise PeerGone(f"the peer closed the connection ({error.strerror})") from None

    def pause(self, seconds: float) -> None:
        broken = poll()
        broken.register(self._socket.fileno(), 0)
        if broken.poll(0):
            raise PeerGone("the client closed the connection in the middle of an operation")
        sleep(seconds)

    def work(self, function: Callable[[], Result]) -> Result:
        result: Result = self._offload(function)
        return result

    def interrupt(self) -> None:
        """Has everybody who waits for the connection find it closed. May be called by another greenlet."""
        try:
            # Not as SSLSocket has it: whoever reads just then would get what is encrypted.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        except OSError:
            pass

    def close(self) -> None:
        self.patience.close()
        self._socket.close()


def linger(stream: SocketStream) -> None:
    """Says that nothing more comes, and reads what the peer is still sending for a moment: it would not see our last
    words otherwise."""
    try:
        stream._socket.shutdown(socket.SHUT_WR)
        stream.patience.limit = _LINGER
        stream.patience.deadline = time.monotonic() + _LINGER
        left = _LINGER_BYTES
        while left > 0 and (data := stream.read(65536)):
            left -= len(data)
    except (PeerGone, OSError):
        pass


def accept_forever(listener: socket.socket, accepted: Callable[[socket.socket, Any], None]) -> None:
    """Hands on connections as they come, until the greenlet is killed. Whatever the system lacks is waited for."""
    listener.setblocking(False)
    watcher = get_hub().loop.io(listener.fileno(), READ)
    reserve = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while True:
            get_hub().wait(watcher)
            try:
                while True:
                    connected, address = listener.accept()
                    if _has_files_left(connected.fileno()):
                        accepted(connected, address)
                    else:
                        connected.close()
                    give_way()
            except BlockingIOError:
                continue
            except OSError as error:
                if error.errno in _OUT_OF_FILES:
                    reserve = _turn_away(listener, reserve)
                    sleep(0.05)
    finally:
        if reserve >= 0:
            os.close(reserve)
        watcher.close()


def _has_files_left(fd: int) -> bool:
    """Whether a connection may be kept: those that are open need other files to be answered."""
    most, _ = getrlimit(RLIMIT_NOFILE)
    return most == RLIM_INFINITY or fd < most - min(_SPARE_FILES, most // 4)


def _turn_away(listener: socket.socket, reserve: int) -> int:
    """With no file descriptor left, the one kept for that accepts a connection to close it; a fresh one, if any."""
    if reserve >= 0:
        os.close(reserve)
    try:
        listener.accept()[0].close()
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1


def tls_context(certificate: str, key: str, chain: Sequence[str]) -> ssl.SSLContext:
    """What a server needs for TLS 1.2 and 1.3. `chain` are files with certificates that are sent besides its own.
    Raises OSError, ValueError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if not chain:
        context.load_cert_chain(certificate, key)
        return context
    with tempfile.NamedTemporaryFile(suffix=".pem") as whole:
        for path in (certificate, *chain):
            with open(path, "rb") as part:
                whole.write(part.read() + b"\n")
        whole.flush()
        context.load_cert_chain(whole.name, key)
    return context
