"""What every Source and every Sink does, whatever is behind it.

Sources and Sinks that belong to a Repository, those of an upload, are tested by `RepositoryConformance`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest
from gevent.threadpool import ThreadPool

from annexshell.errors import AnnexshellError, LineTooLong, NodeError, PeerGone, StreamBusy
from annexshell.green.tasks import Tasks
from annexshell.relay.copy import discard, pump, send_file
from annexshell.relay.fanout import FanOut, FanOutBranch
from annexshell.relay.holdback import Enough, HoldBack
from annexshell.repo.nodes.blame import BlamedSink
from annexshell.stream.blocking import FdStream
from annexshell.stream.memory import MemoryStream
from annexshell.stream.port import CHUNK, MAX_LINE, Sink, SinkFailed, Source
from tests.support.connections import BOUND, KINDS, End

gevent.sleep(0)  # the hub has file descriptors of its own
ThreadPool  # noqa: B018  # and so has its pool

CONTENT = bytes(range(256)) * 1000 + b"the end"
PIECES = [1, 2, 7, 1 << 16]
BLOCKING = ("pipe", "socket")
BOTH_WAYS = [kind for kind in KINDS if "body" not in kind and "answer" not in kind]


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    with gevent.Timeout(BOUND):
        yield


@pytest.fixture(scope="module", autouse=True)
def certificate() -> None:
    """Makes what TLS needs before anybody looks how much is open."""
    for kind in ("TLS server", "TLS client"):
        KINDS[kind]().close()


@pytest.fixture
def connect() -> Iterator[Callable[[str], End]]:
    made: list[End] = []

    def make(kind: str) -> End:
        made.append(KINDS[kind]())
        return made[-1]

    yield make
    for end in made:
        end.close()


Connect = Callable[[str], End]
Feed = Callable[..., Source]


def payload(source: Source, length: int) -> bytes:
    """So much of what comes next, in whatever pieces, without a byte more."""
    data = b""
    while len(data) < length:
        buffer = bytearray(length - len(data))
        count = source.read_into(memoryview(buffer))
        assert 0 < count <= len(buffer)
        data += buffer[:count]
    return data


@pytest.mark.parametrize("kind", KINDS)
class TestSources:
    @pytest.fixture
    def feed(self, connect: Connect, kind: str) -> Feed:
        """feed(data, piece=..., ended=...) is a Source with that."""

        def make(data: bytes, piece: int = 1 << 16, ended: bool = True) -> Source:
            end = connect(kind)
            end.feed(data, piece, ended)
            return end.source

        return make

    @pytest.mark.parametrize("piece", PIECES)
    def test_lines_and_payload(self, feed: Feed, piece: int) -> None:
        source = feed(b"DATA 10\r\n0123456789VALID\n\na\rb\n\r\nrest", piece)
        assert source.read_line() == b"DATA 10"
        assert payload(source, 10) == b"0123456789"
        assert [source.read_line() for _ in range(4)] == [b"VALID", b"", b"a\rb", b""]
        assert payload(source, 4) == b"rest"

    def test_the_end_is_found_again_and_again(self, feed: Feed) -> None:
        source = feed(b"line\n")
        assert source.read_line() == b"line"
        for _ in range(2):
            assert source.read_line() is None
            assert source.read(10) == b""
            assert source.read_into(memoryview(bytearray(10))) == 0
            assert source.buffered(10) == b""

    def test_a_last_line_without_an_end_is_payload(self, feed: Feed) -> None:
        source = feed(b"line\nincomplete")
        assert source.read_line() == b"line"
        assert source.read_line() is None
        assert source.read_line() is None
        assert source.buffered(2) == b"in"
        assert payload(source, 8) == b"complete"
        assert source.read(1) == b""

    def test_no_call_takes_more_than_it_is_asked_for(self, feed: Feed) -> None:
        source = feed(b"line\nabcdefghijkl")
        assert source.read_line() == b"line"
        assert source.buffered(2) in (b"", b"a", b"ab")
        while (data := source.read(1)) != b"d":
            assert len(data) == 1
        assert source.read(3) in (b"e", b"ef", b"efg")
        buffer = bytearray(5)
        count = source.read_into(memoryview(buffer)[1:3])
        assert count in (1, 2)
        assert buffer[0] == buffer[3] == buffer[4] == 0

    def test_what_is_buffered_is_never_waited_for(self, feed: Feed) -> None:
        source = feed(b"line\n", ended=False)
        assert source.buffered(10) == b""
        assert source.read_line() == b"line"
        assert source.buffered(10) == b""

    @pytest.mark.parametrize("piece", [1 << 16, 5000])
    def test_the_longest_line(self, feed: Feed, piece: int) -> None:
        source = feed(b"a" * (MAX_LINE - 1) + b"\nnext\n" + b"b" * MAX_LINE + b"\n", piece)
        assert source.read_line() == b"a" * (MAX_LINE - 1)
        assert source.read_line() == b"next"
        with pytest.raises(LineTooLong):
            source.read_line()

    @pytest.mark.parametrize("sink", BOTH_WAYS)
    def test_into_every_sink(self, feed: Feed, connect: Connect, sink: str) -> None:
        source, far = feed(b"DATA\n" + CONTENT + b"NEXT\nrest", 30_000), connect(sink)
        far.drain()
        assert source.read_line() == b"DATA"
        assert pump(source, far.stream, len(CONTENT)) == len(CONTENT)
        assert far.all() == CONTENT
        assert source.read_line() == b"NEXT"
        assert pump(source, MemoryStream(), 10) == 4, "it has ended"

    def test_without_waiting(self, feed: Feed) -> None:
        source = feed(b"abc", ended=False)
        if not source.shares:
            pytest.skip("nobody shares it")
        buffer = memoryview(bytearray(10))
        while (count := source.read_ready(buffer)) is None:
            source.wait_readable()
        while count < 3:
            source.wait_readable()
            count += source.read_ready(buffer[count:]) or 0
        assert bytes(buffer[:3]) == b"abc"
        assert source.read_ready(buffer) is None

    def test_two_at_once_are_noticed(self, connect: Connect, kind: str) -> None:
        """The first one gets what it waits for."""
        if kind == "memory":
            pytest.skip("nobody ever waits for it")
        end = connect(kind)
        end.feed(b"", ended=False)
        got: list[bytes | None] = []
        first = beside(kind, lambda: got.append(end.source.read_line()), end.source._reader)
        for second in READERS:
            with pytest.raises(StreamBusy):
                second(end.source)
        end.send(b"for the first\nfor the second\n")
        first()
        assert got == [b"for the first"]
        assert end.source.read_line() == b"for the second"


READERS: list[Callable[[Source], object]] = [
    lambda source: source.read_line(),
    lambda source: source.read(1),
    lambda source: source.read_into(memoryview(bytearray(1))),
    lambda source: source.wait_readable() if source.shares else source.read(1),
    lambda source: source.splice_out(lambda _fd: 0) if source.in_fd >= 0 else source.read(1),
]


def beside(kind: str, function: Callable[[], object], detector: object) -> Callable[[], object]:
    """Has another greenlet, or thread, wait for the connection; returns how to wait until it is done."""
    if kind in BLOCKING:
        thread = threading.Thread(target=function)
        thread.start()
        while not detector._is_used:  # type: ignore[attr-defined]
            os.sched_yield()
        return lambda: thread.join(BOUND)
    greenlet = gevent.spawn(function)
    while not detector._is_used:  # type: ignore[attr-defined]
        gevent.sleep(0)
    return lambda: greenlet.get(timeout=BOUND)


def test_a_body_that_breaks_off_is_no_end(connect: Connect) -> None:
    for kind in ("body", "chunked body", "chunked answer"):
        end = connect(kind)
        end.feed(b"abc", ended=False)
        assert payload(end.source, 3) == b"abc"
        end.leave()
        with pytest.raises(PeerGone):
            end.source.read(1)


# Sinks


class Outlet:
    """A Sink of some kind, and what comes out at its end, which `all` waits for."""

    def __init__(self, sink: Sink, end: End, finish: Callable[[], object] = lambda: None) -> None:
        self.sink = sink
        self.leave = end.leave
        self._end = end
        self._finish = finish

    def all(self) -> bytes:
        self._finish()
        return self._end.all()


Wrap = Callable[[End], Outlet]


def _held_back(end: End) -> Outlet:
    held = HoldBack(end.stream, 10 * len(CONTENT))
    return Outlet(held, end)


def _blamed(end: End) -> Outlet:
    return Outlet(BlamedSink(end.stream, lambda error: NodeError("node", str(error))), end)


def _fanned_out(end: End) -> Outlet:
    other = MemoryStream()
    failed: list[FanOutBranch] = []
    branches = [FanOutBranch("one", end.stream.write), FanOutBranch("two", other.write)]
    fan_out = FanOut(branches, Tasks(), failed.append)

    def finish() -> None:
        fan_out.close()
        assert not failed
        if isinstance(end.stream, MemoryStream):
            assert end.stream.outgoing == other.outgoing

    return Outlet(fan_out, end, finish)


WRAPS: dict[str, Wrap] = {
    "": lambda end: Outlet(end.stream, end),
    "held back, ": _held_back,
    "blamed, ": _blamed,
    "fanned out, ": _fanned_out,
}
SINKS = {
    f"{wrap}{kind}": (wrap, kind)
    for wrap in WRAPS
    for kind in (BOTH_WAYS if not wrap else ("memory", "pipe", "socket"))
}
SINKS["fanned out, green socket"] = ("fanned out, ", "green socket")
del SINKS["fanned out, pipe"], SINKS["fanned out, socket"]  # those would keep all others waiting
BREAKING = [name for name in SINKS if not name.startswith("fanned out")]


@pytest.fixture
def open_sink(connect: Connect) -> Callable[[str], Outlet]:
    def make(name: str) -> Outlet:
        wrap, kind = SINKS[name]
        return WRAPS[wrap](connect(kind))

    return make


OpenSink = Callable[[str], Outlet]


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    """A file with the content, its position somewhere."""
    (tmp_path / "file").write_bytes(CONTENT)
    fd = os.open(tmp_path / "file", os.O_RDONLY)
    os.lseek(fd, 17, os.SEEK_SET)
    yield fd
    os.close(fd)


@pytest.mark.parametrize("name", SINKS)
class TestSinks:
    @pytest.fixture
    def outlet(self, open_sink: OpenSink, name: str) -> Outlet:
        outlet = open_sink(name)
        outlet._end.drain()
        return outlet

    @pytest.mark.parametrize("data", [b"", b"x", CONTENT], ids=len)
    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_all_that_is_written(self, outlet: Outlet, data: bytes, kind: Callable[[bytes], bytes]) -> None:
        outlet.sink.write(kind(data))
        outlet.sink.write(b"end")
        assert outlet.all() == data + b"end"

    def test_what_was_written_may_be_changed(self, outlet: Outlet) -> None:
        buffer = bytearray(b"first")
        outlet.sink.write(buffer)
        buffer[:] = b"other"
        outlet.sink.write(buffer)
        assert outlet.all() == b"firstother"

    def test_a_part_of_a_file(self, outlet: Outlet, file: int) -> None:
        count = outlet.sink.send_file(file, 100, 50)
        assert 0 < count <= 50
        assert send_file(file, 100 + count, 5000, outlet.sink) == 5000
        assert outlet.all() == CONTENT[100 : 5100 + count]
        assert os.lseek(file, 0, os.SEEK_CUR) == 17

    def test_a_file_that_is_shorter(self, outlet: Outlet, file: int) -> None:
        rest = len(CONTENT) - 1000
        assert send_file(file, 1000, 10 * len(CONTENT), outlet.sink) == rest
        assert outlet.sink.send_file(file, len(CONTENT), 10) == 0
        assert outlet.sink.send_file(file, 10 * len(CONTENT), 10) == 0
        assert outlet.all() == CONTENT[1000:]

    @pytest.mark.parametrize("kind", ["memory", "pipe", "socket"])
    def test_from_a_source(self, outlet: Outlet, connect: Connect, kind: str) -> None:
        end = connect(kind)
        end.feed(b"DATA\nabcdef")
        source = end.source
        assert source.read_line() == b"DATA"
        count = outlet.sink.splice_from(source, 4)
        assert 0 < count <= 4
        assert pump(source, outlet.sink, 100) == 6 - count
        assert outlet.sink.splice_from(source, 4) == 0
        assert outlet.all() == b"abcdef"

    def test_everything_in_order(self, outlet: Outlet, file: int, connect: Connect) -> None:
        end = connect("pipe")
        end.feed(CONTENT)
        outlet.sink.write(b"a")
        send_file(file, 0, len(CONTENT), outlet.sink)
        outlet.sink.write(b"b")
        pump(end.source, outlet.sink, len(CONTENT))
        outlet.sink.write(b"c")
        assert outlet.all() == b"a" + CONTENT + b"b" + CONTENT + b"c"

    def test_a_source_that_breaks_is_to_blame(self, outlet: Outlet, connect: Connect) -> None:
        end = connect("socket")
        end.stream.write(b"unread, so that its end is a reset")
        end.leave()
        with pytest.raises(PeerGone):
            pump(end.source, outlet.sink, CHUNK)
        outlet.sink.write(b"end")
        assert outlet.all() == b"end"


@pytest.mark.parametrize("name", BREAKING)
@pytest.mark.parametrize("kind", ["memory", "pipe", "socket", "green socket", "body"])
def test_a_sink_that_breaks_tells_how_much_it_has_taken(
    open_sink: OpenSink, connect: Connect, name: str, kind: str
) -> None:
    outlet, end = open_sink(name), connect(kind)
    content = CONTENT * 20  # more than any connection holds
    end.feed(b"DATA\n" + content + b"NEXT\n")
    source = end.source
    assert source.read_line() == b"DATA"
    outlet.leave()
    with pytest.raises(SinkFailed) as failed:
        pump(source, outlet.sink, len(content))
    assert isinstance(failed.value.cause, NodeError if "blamed" in name else PeerGone)
    rest = len(content) - failed.value.taken
    assert discard(source, rest) == rest
    assert source.read_line() == b"NEXT"


@pytest.mark.parametrize("name", BREAKING)
def test_a_sink_that_breaks_in_other_calls(open_sink: OpenSink, file: int, name: str) -> None:
    outlet = open_sink(name)
    outlet.leave()
    for fill in (lambda: outlet.sink.write(CONTENT), lambda: outlet.sink.send_file(file, 0, len(CONTENT))):
        with pytest.raises(AnnexshellError):
            _many_times(fill)


def _many_times(function: Callable[[], object]) -> None:
    for _ in range(20):
        function()


@pytest.mark.parametrize("kind", [kind for kind in BOTH_WAYS if kind != "memory"])
def test_two_at_once_are_noticed(connect: Connect, kind: str, file: int) -> None:
    """Nothing of the second one gets between what the first one writes."""
    end = connect(kind)
    content = CONTENT * 20  # more than any connection holds
    detector = end.stream._writer  # type: ignore[attr-defined]
    first = beside(kind, lambda: end.stream.write(content), detector)
    writers: list[Callable[[], object]] = [
        lambda: end.stream.write(b"another"),
        lambda: end.stream.send_file(file, 0, 10),
    ]
    for second in writers:
        with pytest.raises(StreamBusy):
            second()
    with pytest.raises(SinkFailed) as failed:
        end.stream.splice_from(MemoryStream(b"another"), 7)
    assert isinstance(failed.value.cause, StreamBusy)
    end.drain()
    first()
    end.stream.write(b"the second")
    assert end.all() == content + b"the second"


def test_what_is_held_back() -> None:
    inner = MemoryStream()
    held = HoldBack(inner, 5)
    held.write(b"abc")
    assert (held.passed, held.held, bytes(inner.outgoing)) == (3, b"", b"abc")
    assert pump(MemoryStream(b"de"), held, 2) == 2
    assert (held.passed, held.held, bytes(inner.outgoing)) == (5, b"e", b"abcd")
    with pytest.raises(Enough):
        held.write(b"f")
    with pytest.raises(SinkFailed) as failed:
        pump(MemoryStream(b"f"), held, 1)
    assert isinstance(failed.value.cause, Enough)


@pytest.mark.parametrize("length", [0, 1, 2])
def test_little_is_held_back(length: int, file: int) -> None:
    for bring in (
        lambda held: held.write(CONTENT[:length]),
        lambda held: pump(MemoryStream(CONTENT), held, length),
        lambda held: send_file(file, 0, length, held),
    ):
        inner = MemoryStream()
        held = HoldBack(inner, length)
        bring(held)
        assert inner.outgoing == CONTENT[: max(0, length - 1)]
        assert held.held == CONTENT[max(0, length - 1) : length]
        assert held.passed == length


def test_into_a_file(tmp_path: Path, file: int) -> None:
    """Where somebody redirects the output of a session to."""
    stream = FdStream(-1, os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT))
    stream.write(b"a")
    assert send_file(file, 0, len(CONTENT), stream) == len(CONTENT)
    assert pump(MemoryStream(b"bc"), stream, 2) == 2
    stream.close()
    assert (tmp_path / "out").read_bytes() == b"a" + CONTENT + b"bc"
