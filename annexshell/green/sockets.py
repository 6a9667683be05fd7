"""Connections of a network server: sockets as Streams, plain or with TLS, and the loop that accepts them."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import sys
import tempfile
import time
from fcntl import ioctl
from select import poll
from termios import TIOCOUTQ

from gevent import get_hub, sleep
from gevent.timeout import Timeout

from annexshell.errors import PeerGone, Stalled
from annexshell.green.turns import give_way
from annexshell.stream.port import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    from annexshell.stream.pace import Pace
    from annexshell.stream.port import Buffer

    Result = TypeVar("Result")

_READ, _WRITE = 1, 2  # events of libev
_TLS_RECORD = 16384  # bytes
_SHORTEST = 0.5  # seconds between two looks at a peer that is slow
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
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 20), (socket.TCP_KEEPCNT, 6))  # seconds, and tries


class SocketStream(Stream):
    """A connected socket. `limit` is how many seconds it may stand still while we wait for it, None for ever, and
    `pace` how slow it may be.

    With TLS there is no file descriptor for the kernel to move payload to, and `out_fd` is -1.
    """

    shares = True

    def __init__(self, connected: socket.socket, limit: float | None, offload: Callable[[Callable[[], Any]], Any]):
        connected.setblocking(False)
        if connected.family != socket.AF_UNIX:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _KEEPALIVE:
                connected.setsockopt(socket.IPPROTO_TCP, option, value)
        self._socket = connected
        self.limit = limit
        self.deadline: float | None = None  # monotonic seconds after which nothing is waited for any more
        self.pace: Pace | None = None
        self._offload = offload
        self.in_fd = -1
        self.out_fd = connected.fileno()
        self._hub = get_hub()
        self._reading: Any = self._hub.loop.io(connected.fileno(), _READ)
        self._writing: Any = None  # made when it is needed first: most connections never have to wait for it

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Shakes hands as a server. Raises PeerGone."""
        self._socket = context.wrap_socket(self._socket, server_side=True, do_handshake_on_connect=False)
        self.out_fd = -1
        self._call(self._socket.do_handshake)

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
        return self.out_fd < 0 and self._socket.pending() > 0  # type: ignore[attr-defined]

    def when_readable(self, function: Callable[..., object], *args: object) -> None:
        """Has the hub call a function once, as soon as something has come or the stream has ended. No greenlet waits
        for that; only `interrupt` and `close` may be called meanwhile, and whoever closes has it never called."""
        self._reading.start(self._readable, function, args)

    def _readable(self, function: Callable[..., object], args: tuple[object, ...]) -> None:
        self._reading.stop()
        function(*args)

    def receive(self, size: int) -> bytes:
        """What has come, up to `size` bytes; empty at the end of the stream."""
        data: bytes = self._call(self._socket.recv, size)
        self._moved(len(data))
        return data

    def receive_ready(self, size: int) -> bytes | None:
        """The same without waiting: None if nothing has come."""
        data = self._at_once(self._socket.recv, size)
        self._moved(len(data or b""))
        return data

    def read_ready(self, buffer: memoryview) -> int | None:
        count = self._at_once(self._socket.recv_into, buffer)
        self._moved(count or 0)
        return count

    def _at_once(self, function: Callable[[Any], Result], argument: object) -> Result | None:
        """What a call gives that would otherwise wait: then None."""
        try:
            return function(argument)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except OSError as error:
            raise PeerGone(f"the peer closed the connection ({error.strerror})") from None

    def read_into(self, buffer: memoryview) -> int:
        count: int = self._call(self._socket.recv_into, buffer)
        self._moved(count)
        return count

    def buffered(self, limit: int) -> bytes:  # noqa: ARG002
        return b""

    def write(self, data: Buffer) -> None:
        rest = memoryview(data)
        while rest:
            # Only so much at once, as writing it again with TLS has to be the very same piece.
            piece = rest if self.out_fd >= 0 else rest[:_TLS_RECORD]
            count = self._call(self._socket.send, piece)
            self._moved(count)
            rest = rest[count:]

    def writing(self, syscall: Callable[..., Any], *args: Any) -> Any:
        count: int = self._call(syscall, *args)
        self._moved(count)
        return count

    def _moved(self, count: int) -> None:
        if self.pace is not None:
            self.pace.moved(count)

    def take_turn(self) -> None:
        """To be called before each step of work for this peer: lets others run if it is time. Raises Stalled when the
        deadline has passed, which a peer who always sends something would never meet otherwise."""
        give_way()
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise Stalled("the connection takes too long")

    def _call(self, function: Callable[..., Result], *args: Any) -> Result:
        self.take_turn()
        while True:
            try:
                return function(*args)
            except BlockingIOError:
                self._wait(_READ if function in (self._socket.recv, self._socket.recv_into) else _WRITE)
            except ssl.SSLWantReadError:
                self._wait(_READ)
            except ssl.SSLWantWriteError:
                self._wait(_WRITE)
            except ssl.SSLError as error:
                raise PeerGone(f"the connection broke ({error.reason})") from None
            except OSError as error:
                if error.errno not in _GONE:
                    raise  # the file that is being sent
                raise PeerGone(f"the peer closed the connection ({error.strerror})") from None

    def wait_readable(self) -> None:
        if not self.has_more:
            self._wait(_READ)

    def wait_writable(self) -> None:
        self._wait(_WRITE)

    def _wait(self, event: int) -> None:
        while True:
            if self._socket.fileno() < 0:
                raise PeerGone("the connection was closed")
            queued = self._queued() if event == _WRITE else 0
            began = time.monotonic()
            ready = self._becomes_ready(event, self._patience(began))
            now = time.monotonic()
            if self.pace is not None:
                self.pace.left -= now - began
            # The kernel says that there is room again when a good part of all that waits is gone, which from a slow
            # reader takes its time.
            taken = queued - self._queued() if event == _WRITE else 0
            self._moved(taken)
            if self.pace is not None and self.pace.left <= 0:
                raise Stalled("the connection is too slow")
            if ready:
                return
            if taken <= 0 or (self.deadline is not None and now >= self.deadline):
                raise Stalled("the connection stands still")

    def _patience(self, now: float) -> float | None:
        """Seconds to wait at most."""
        limits = [] if self.limit is None else [self.limit]
        if self.deadline is not None:
            limits.append(max(0.0, self.deadline - now))
        if self.pace is not None:
            limits.append(max(_SHORTEST, self.pace.left))
        return min(limits, default=None)

    def _becomes_ready(self, event: int, limit: float | None) -> bool:
        if limit is None:
            self._hub.wait(self._watcher(event))
            return True
        timeout = Timeout.start_new(limit)
        try:
            self._hub.wait(self._watcher(event))
        except Timeout as expired:
            if expired is not timeout:
                raise
            return False
        finally:
            timeout.close()
        return True

    def _queued(self) -> int:
        """Bytes that were written and that the peer has not got yet."""
        try:
            return int.from_bytes(ioctl(self._socket, TIOCOUTQ, bytes(4)), sys.byteorder)
        except OSError:
            return 0

    def _watcher(self, event: int) -> Any:
        if event == _READ:
            return self._reading
        if self._writing is None:
            self._writing = self._hub.loop.io(self._socket.fileno(), _WRITE)
        return self._writing

    def pause(self, seconds: float) -> None:
        broken = poll()
        broken.register(self._socket.fileno(), 0)
        if broken.poll(0):
            raise PeerGone("the client closed the connection in the middle of an operation")
        sleep(seconds)

    def work(self, function: Callable[[], Result]) -> Result:
        result: Result = self._offload(function)
        return result

    def linger(self) -> None:
        """Says that nothing more comes, and reads what the peer is still sending for a moment: it would not see our
        last words otherwise."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
            self.limit = _LINGER
            self.deadline = time.monotonic() + _LINGER
            left = _LINGER_BYTES
            while left > 0 and (data := self._call(self._socket.recv, 65536)):
                left -= len(data)
        except (PeerGone, OSError):
            pass

    def interrupt(self) -> None:
        """Has everybody who waits for the connection find it closed. May be called by another greenlet."""
        try:
            # Not as SSLSocket has it: whoever reads just then would get what is encrypted.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        except OSError:
            pass

    def close(self) -> None:
        for watcher in (self._reading, self._writing):
            if watcher is not None:
                watcher.close()
        self._reading = self._writing = None
        self._socket.close()
        self.in_fd = self.out_fd = -1


def accept_forever(listener: socket.socket, accepted: Callable[[socket.socket, Any], None]) -> None:
    """Hands on connections as they come, until the greenlet is killed. Whatever the system lacks is waited for."""
    listener.setblocking(False)
    watcher = get_hub().loop.io(listener.fileno(), _READ)
    reserve = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while True:
            get_hub().wait(watcher)
            try:
                while True:
                    accepted(*listener.accept())
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
