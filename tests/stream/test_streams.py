"""What every Stream does, over a pipe, over a socket and in memory; then what only one with file descriptors can do."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from fcntl import F_SETPIPE_SZ, fcntl

import pytest

from annexshell.errors import Interrupted, LineTooLong, PeerGone
from annexshell.stream.blocking import FdStream, Interrupts
from annexshell.stream.memory import MemoryStream
from annexshell.stream.port import MAX_LINE, Stream

BOUND = 20.0  # seconds

Segments = tuple[bytes, ...]


class Peer:
    """The other side of a connection: it has sent `incoming`, and what it gets can be looked at."""

    stream: Stream

    def received(self) -> bytes:
        raise NotImplementedError

    def leave(self) -> None:
        """Goes without having read anything."""
        raise NotImplementedError


class MemoryPeer(Peer):
    def __init__(self, _stack: ExitStack, segments: Segments, piece: int, ended: bool) -> None:
        self.stream = self._memory = MemoryStream(b"".join(segments), piece)

    def received(self) -> bytes:
        return bytes(self._memory.outgoing)

    def leave(self) -> None:
        self._memory._breaks_after = 0


class FdPeer(Peer):
    """Pieces stay apart because the connection keeps packets: a read returns one of them, and loses what is too much
    for its buffer."""

    def __init__(self, stack: ExitStack, segments: Segments, piece: int, ended: bool) -> None:
        pieces = [text[start : start + piece] for text in segments for start in range(0, len(text), piece)]
        self._sending, self._receiving = self._connect(stack, packets=len(pieces) > 1)
        os.set_blocking(self._sending, False)  # a test that sends too much fails instead of hanging
        for data in pieces:
            assert os.write(self._sending, data) == len(data)
        if ended:
            self._end()

    def _connect(self, stack: ExitStack, packets: bool) -> tuple[int, int]:
        raise NotImplementedError

    def _end(self) -> None:
        raise NotImplementedError


class PipePeer(FdPeer):
    def _connect(self, stack: ExitStack, packets: bool) -> tuple[int, int]:
        in_fd, sending = os.pipe2(os.O_CLOEXEC | (os.O_DIRECT if packets else 0))
        receiving, out_fd = os.pipe2(os.O_CLOEXEC)
        fcntl(sending, F_SETPIPE_SZ, 1 << 20)
        self.stream = FdStream(in_fd, out_fd)
        self._open = {sending, receiving}
        stack.callback(self.stream.close)
        stack.callback(self._close)
        return sending, receiving

    def _close(self) -> None:
        for fd in self._open:
            os.close(fd)
        self._open.clear()

    def _end(self) -> None:
        self._open.remove(self._sending)
        os.close(self._sending)

    def received(self) -> bytes:
        return os.read(self._receiving, 1 << 20)

    def leave(self) -> None:
        self._open.remove(self._receiving)
        os.close(self._receiving)


class SocketPeer(FdPeer):
    def _connect(self, stack: ExitStack, packets: bool) -> tuple[int, int]:
        kind = socket.SOCK_SEQPACKET if packets else socket.SOCK_STREAM
        self._socket, ours = socket.socketpair(socket.AF_UNIX, kind)
        fd = ours.detach()
        self.stream = FdStream(fd, fd)
        stack.callback(self.stream.close)
        stack.callback(self._socket.close)
        return self._socket.fileno(), self._socket.fileno()

    def _end(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def received(self) -> bytes:
        return self._socket.recv(1 << 20)

    def leave(self) -> None:
        self._socket.close()


Connect = Callable[..., Peer]
KINDS: dict[str, type[MemoryPeer | FdPeer]] = {"memory": MemoryPeer, "pipe": PipePeer, "socket": SocketPeer}


@pytest.fixture(params=KINDS)
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """connect(incoming, piece=..., ended=...): a peer that has sent `incoming` in pieces, and maybe has ended there.

    No piece reaches from one argument into the next.
    """
    kind = KINDS[request.param]
    with ExitStack() as stack:

        def connect(*incoming: bytes, piece: int = 1 << 20, ended: bool = True) -> Peer:
            return kind(stack, incoming, piece, ended)

        yield connect


@pytest.fixture(params=["pipe", "socket"])
def connect_fds(request: pytest.FixtureRequest) -> Iterator[Connect]:
    kind = KINDS[request.param]
    with ExitStack() as stack:

        def connect(*incoming: bytes, piece: int = 1 << 20, ended: bool = True) -> Peer:
            return kind(stack, incoming, piece, ended)

        yield connect


LINES = b"VERSION 4\nGET 0  K\r\n\n\r\na\rb\nlast \n"
SPLIT = [b"VERSION 4", b"GET 0  K", b"", b"", b"a\rb", b"last "]


@pytest.mark.parametrize("piece", range(1, len(LINES) + 1))
def test_lines_may_be_split_anywhere(connect: Connect, piece: int) -> None:
    stream = connect(LINES, piece=piece).stream
    assert [stream.read_line() for _ in SPLIT] == SPLIT
    assert stream.read_line() is None
    assert stream.read_line() is None


CONVERSATION = (b"DATA 10\n0123456789", b"VALID\nDATA 3\n\n\r\n", b"VALID\n")


@pytest.mark.parametrize("piece", range(1, 20))
def test_payload_may_follow_a_line_in_pieces(connect: Connect, piece: int) -> None:
    converse(connect(*CONVERSATION, piece=piece).stream)


def test_payload_may_follow_a_line(connect: Connect) -> None:
    converse(connect(b"".join(CONVERSATION)).stream)


def converse(stream: Stream) -> None:
    assert stream.read_line() == b"DATA 10"
    assert payload(stream, 10) == b"0123456789"
    assert stream.read_line() == b"VALID"
    assert stream.read_line() == b"DATA 3"
    assert payload(stream, 3) == b"\n\r\n"
    assert stream.read_line() == b"VALID"
    assert stream.read_line() is None


def payload(stream: Stream, length: int) -> bytes:
    data = b""
    while len(data) < length:
        buffer = bytearray(length - len(data))
        count = stream.read_into(memoryview(buffer))
        assert count > 0
        data += buffer[:count]
    return data


def test_read_ahead_comes_first_and_in_order(connect: Connect) -> None:
    stream = connect(b"line\nabcdefgh").stream
    assert stream.read_line() == b"line"
    assert stream.buffered(2) == b"ab"
    buffer = bytearray(3)
    assert stream.read_into(memoryview(buffer)) == 3
    assert buffer == b"cde"
    assert stream.buffered(100) == b"fgh"
    assert stream.buffered(100) == b""
    assert stream.read_into(memoryview(buffer)) == 0


def test_payload_that_was_not_read_ahead(connect: Connect) -> None:
    stream = connect(b"abcdefgh").stream
    assert stream.buffered(8) == b""
    buffer = bytearray(5)
    assert stream.read_into(memoryview(buffer)) == 5
    assert buffer == b"abcde"
    assert stream.read_into(memoryview(buffer)) == 3
    assert buffer[:3] == b"fgh"
    assert stream.read_into(memoryview(buffer)) == 0
    assert stream.read_line() is None


def test_what_is_buffered_is_never_waited_for(connect: Connect) -> None:
    stream = connect(b"line\n", ended=False).stream
    assert stream.buffered(10) == b""
    assert stream.read_line() == b"line"
    assert stream.buffered(10) == b""


@pytest.mark.parametrize("rest", [b"", b"incomplete", b"incomplete\r"])
def test_an_incomplete_last_line_is_the_end(connect: Connect, rest: bytes) -> None:
    stream = connect(b"line\n" + rest).stream
    assert stream.read_line() == b"line"
    assert stream.read_line() is None


@pytest.mark.parametrize("piece", [1 << 20, 65536, 32767, 1024, 500])
def test_the_longest_line(connect: Connect, piece: int) -> None:
    longest = b"a" * (MAX_LINE - 1)
    stream = connect(longest + b"\nnext\n", piece=piece).stream
    assert stream.read_line() == longest
    assert stream.read_line() == b"next"


@pytest.mark.parametrize("piece", [1 << 20, 65536, 32768, 32767, 1024, 500])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"", b"a" * 5000])
def test_a_line_that_is_too_long(connect: Connect, piece: int, end: bytes) -> None:
    stream = connect(b"ok\n" + b"a" * MAX_LINE + end, piece=piece, ended=False).stream
    assert stream.read_line() == b"ok"
    with pytest.raises(LineTooLong):
        stream.read_line()


def test_payload_has_no_longest_line(connect: Connect) -> None:
    content = b"x" * 100_000
    stream = connect(b"DATA 100000\n" + content + b"VALID\n").stream
    assert stream.read_line() == b"DATA 100000"
    assert payload(stream, len(content)) == content
    assert stream.read_line() == b"VALID"


@pytest.mark.parametrize("data", [b"", b"x", b"SUCCESS\n", b"\0" * 60_000])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_writes_all(connect: Connect, data: bytes, kind: Callable[[bytes], bytes]) -> None:
    peer = connect()
    peer.stream.write(kind(data))
    peer.stream.write(b"end")
    got = b""
    while not got.endswith(b"end"):
        got = peer.received() if isinstance(peer, MemoryPeer) else got + peer.received()
    assert got == data + b"end"


def test_finds_the_peer_gone_when_writing(connect: Connect) -> None:
    peer = connect(b"line\n")
    assert peer.stream.read_line() == b"line"
    peer.leave()
    with pytest.raises(PeerGone):
        peer.stream.write(b"SUCCESS\n")
    with pytest.raises(PeerGone):
        peer.stream.write(b"SUCCESS\n")


def test_may_be_closed_twice(connect: Connect) -> None:
    stream = connect().stream
    stream.close()
    stream.close()


def test_memory_breaks_after_some_bytes() -> None:
    stream = MemoryStream(b"", breaks_after=5)
    stream.write(b"12345")
    with pytest.raises(PeerGone):
        stream.write(b"6")


# With file descriptors


def test_a_reset_while_reading() -> None:
    """A socket whose peer left without having read everything says so instead of ending."""
    with ExitStack() as stack:
        peer = SocketPeer(stack, (), 1, ended=False)
        peer.stream.write(b"never read")
        peer.leave()
        with pytest.raises(PeerGone):
            peer.stream.read_line()


def test_other_errors_are_not_the_peers() -> None:
    fd = os.open("/dev/null", os.O_RDONLY)
    stream = FdStream(os.open("/dev/null", os.O_WRONLY), fd)
    try:
        with pytest.raises(OSError, match="Bad file descriptor"):
            stream.read_into(memoryview(bytearray(1)))
        with pytest.raises(PeerGone, match="Bad file descriptor"):
            stream.write(b"x")
    finally:
        stream.close()


def test_splicing_out_of_its_descriptor(connect_fds: Connect) -> None:
    stream = connect_fds(b"line\nabcdef").stream
    assert stream.read_line() == b"line"
    assert stream.buffered(6) == b"abcdef"
    assert stream.splice_out(lambda fd: len(os.read(fd, 10))) == 0


def test_closes_each_descriptor_once() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        fd = ours.detach()
        stream = FdStream(fd, fd)
        stream.close()
        assert (stream.in_fd, stream.out_fd) == (-1, -1)
        reused = os.dup(theirs.fileno())  # gets the number that has become free
        assert reused == fd
        stream.close()
        os.fstat(reused)
        os.close(reused)


class FakeWaiter:
    """Makes a descriptor ready instead of waiting for it, and remembers which one was asked for."""

    limit = 1.0

    def __init__(self, readable: Callable[[], None], writable: Callable[[], None]) -> None:
        self.asked: list[tuple[str, int]] = []
        self._readable = readable
        self._writable = writable

    def readable(self, fd: int) -> None:
        self.asked.append(("readable", fd))
        self._readable()

    def writable(self, fd: int) -> None:
        self.asked.append(("writable", fd))
        self._writable()

    def within(self, seconds: float) -> FakeWaiter:
        return self

    def pause(self, seconds: float) -> None:
        raise AssertionError("no time has to pass for this")

    def take_turn(self) -> None:
        pass


def no_wait() -> None:
    raise AssertionError("nobody has to wait for this")


@pytest.fixture
def pair() -> Iterator[tuple[int, socket.socket]]:
    """A non-blocking descriptor, and its peer."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours.fileno(), theirs


def test_a_waiter_is_asked_before_reading(pair: tuple[int, socket.socket]) -> None:
    fd, peer = pair
    pieces = [b"VERS", b"ION 4\nDA", b"TA"]
    waiter = FakeWaiter(lambda: peer.sendall(pieces.pop(0)), no_wait)
    stream = FdStream(fd, fd, waiter)
    assert stream.read_line() == b"VERSION 4"
    assert stream.buffered(2) == b"DA"
    assert waiter.asked == [("readable", fd)] * 2
    buffer = bytearray(10)
    assert stream.read_into(memoryview(buffer)) == 2
    assert waiter.asked == [("readable", fd)] * 3


def test_a_waiter_is_asked_before_writing(pair: tuple[int, socket.socket]) -> None:
    fd, peer = pair
    got = bytearray()
    waiter = FakeWaiter(no_wait, lambda: got.extend(peer.recv(1 << 20)))
    data = os.urandom(1 << 16) * 32
    FdStream(fd, fd, waiter).write(data)
    while len(got) < len(data):
        got += peer.recv(1 << 20)
    assert got == data
    assert len(waiter.asked) > 1
    assert set(waiter.asked) == {("writable", fd)}


def test_what_a_waiter_raises_ends_the_wait(pair: tuple[int, socket.socket]) -> None:
    fd, _ = pair

    def patience_is_over() -> None:
        raise PeerGone("no answer")

    stream = FdStream(fd, fd, FakeWaiter(patience_is_over, no_wait))
    with pytest.raises(PeerGone, match="no answer"):
        stream.read_line()


def test_without_a_waiter_a_descriptor_that_would_block_is_polled(pair: tuple[int, socket.socket]) -> None:
    fd, peer = pair
    thread = threading.Timer(0.05, peer.sendall, [b"late\n"])
    thread.start()
    before = time.process_time()
    assert FdStream(fd, fd).read_line() == b"late"
    assert time.process_time() - before < 0.03  # nobody spins
    thread.join()


# Signals


@pytest.fixture
def interrupts() -> Iterator[Interrupts]:
    """Interrupts that SIGUSR1 is connected to."""
    interrupts = Interrupts()
    before = signal.signal(signal.SIGUSR1, interrupts.handle)
    yield interrupts
    signal.signal(signal.SIGUSR1, before)


@pytest.fixture
def stream(interrupts: Interrupts) -> Iterator[FdStream]:
    """A stream on a connection that stays silent, with room for 100 kB at most."""
    in_fd, sending = os.pipe()
    receiving, out_fd = os.pipe()
    stream = FdStream(in_fd, out_fd, interrupts=interrupts)
    yield stream
    stream.close()
    os.close(sending)
    os.close(receiving)


def _send_for_ever(stream: FdStream) -> None:
    with tempfile.TemporaryFile() as file:
        file.truncate(1 << 20)
        while True:
            stream.send_file(file.fileno(), 0, 1 << 20)


WAITS: dict[str, Callable[[FdStream], object]] = {
    "read_line": lambda stream: stream.read_line(),
    "read_into": lambda stream: stream.read_into(memoryview(bytearray(10))),
    "splice_out": lambda stream: stream.splice_out(lambda fd: len(os.read(fd, 10))),
    "write": lambda stream: stream.write(bytes(1 << 20)),
    "send_file": _send_for_ever,
}


@pytest.mark.parametrize("wait", WAITS)
def test_a_signal_while_waiting_ends_the_wait(stream: FdStream, interrupts: Interrupts, wait: str) -> None:
    main = threading.get_native_id()
    unseen: list[str] = []

    def interrupt() -> None:
        deadline = time.monotonic() + BOUND
        while not (interrupts.waiting and is_asleep(main)):
            if time.monotonic() > deadline:
                unseen.append("nobody waited")
                break
        os.kill(os.getpid(), signal.SIGUSR1)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(Interrupted):
            WAITS[wait](stream)
    finally:
        thread.join(BOUND)
    assert not unseen
    assert not interrupts.waiting


def is_asleep(thread: int) -> bool:
    """Whether a thread of ours waits inside a system call."""
    with open(f"/proc/self/task/{thread}/stat", "rb") as file:
        return file.read().rpartition(b") ")[2].startswith(b"S")


@pytest.mark.parametrize("wait", WAITS)
def test_a_signal_at_work_ends_the_next_wait(stream: FdStream, interrupts: Interrupts, wait: str) -> None:
    os.kill(os.getpid(), signal.SIGUSR1)
    assert interrupts.pending  # and nothing was raised here
    for _ in range(2):
        with pytest.raises(Interrupted):
            WAITS[wait](stream)
    assert not interrupts.waiting


def test_a_signal_does_not_take_what_is_there(interrupts: Interrupts) -> None:
    """Bytes that were read ahead are no wait: a message that came whole is still understood."""
    with ExitStack() as stack:
        peer = PipePeer(stack, (b"one\ntwo\npayload",), 1 << 20, ended=True)
        stream = FdStream(peer.stream.in_fd, -1, interrupts=interrupts)
        assert stream.read_line() == b"one"
        os.kill(os.getpid(), signal.SIGUSR1)
        assert stream.read_line() == b"two"
        assert stream.buffered(3) == b"pay"
        assert stream.read_into(memoryview(bytearray(10))) == 4
        with pytest.raises(Interrupted):
            stream.read_line()
