"""One stream into several sinks: who gets what, who is dropped, and what that costs the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import gevent
import pytest
from gevent.event import Event
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annexshell.errors import AnnexshellError, DiskFull, NodeError, PeerGone
from annexshell.green.tasks import Tasks
from annexshell.relay import fanout
from annexshell.relay.fanout import FanOut, FanOutBranch
from annexshell.stream.memory import MemoryStream

BUFFER, DEPTH = 64, 4
RING = BUFFER * DEPTH
SOON, NEVER = 0.05, 60.0  # seconds


gevent.sleep(0)  # the hub has file descriptors of its own


@pytest.fixture(autouse=True)
def small_ring(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(fanout, "BUFFER", BUFFER)
    monkeypatch.setattr(fanout, "DEPTH", DEPTH)
    with gevent.Timeout(20):
        yield


class Source(MemoryStream):
    """Counts what was read of it, and may break instead of ending."""

    def __init__(self, data: bytes, piece: int = 1 << 30, breaks: bool = False, pause: float = 0.0) -> None:
        super().__init__(data, piece)
        self.given = 0
        self._breaks = breaks
        self._pause = pause

    def read_into(self, buffer: memoryview) -> int:
        gevent.sleep(self._pause)
        count = super().read_into(buffer)
        if count == 0 and self._breaks:
            raise PeerGone("the source broke")
        self.given += count
        return count


class Recorder:
    """Keeps what a sink is given. `before` is called with the number of the piece."""

    def __init__(self, name: str, skip: int = 0, pace: tuple[int, float] = (1, NEVER)) -> None:
        self.got = bytearray()
        self.pieces = 0
        self.before: Callable[[int], object] = lambda _piece: gevent.sleep(0)
        self.branch = FanOutBranch(name, self._take, skip, pace)

    def _take(self, data: bytes | bytearray | memoryview) -> None:
        self.pieces += 1
        self.before(self.pieces)
        self.got += data


def content(size: int) -> bytes:
    return bytes(number * 7 % 251 for number in range(size))


def move(fan_out: FanOut, source: Source, length: int) -> int:
    try:
        return fan_out.splice_from(source, length)
    finally:
        fan_out.close()


class Run:
    """A transfer to some recorders, and whom it dropped."""

    def __init__(self, *recorders: Recorder) -> None:
        self.dropped: list[tuple[str, AnnexshellError | None]] = []
        self._fanout = FanOut([recorder.branch for recorder in recorders], Tasks(), self._note)

    def _note(self, sink: FanOutBranch) -> None:
        self.dropped.append((sink.name, sink.failure))

    def move(self, source: Source, length: int) -> int:
        return move(self._fanout, source, length)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    size=st.integers(0, 4 * RING),
    skips=st.lists(st.integers(0, 5 * RING), max_size=4),
    piece=st.integers(1, 3 * BUFFER),
    cut=st.integers(0, RING),
    trailing=st.binary(max_size=10),
)
def test_each_gets_what_is_behind_its_offset(
    size: int, skips: list[int], piece: int, cut: int, trailing: bytes
) -> None:
    data = content(size)
    recorders = [Recorder(str(number), skip) for number, skip in enumerate(skips)]
    cut = min(cut, size)
    source = Source(data[: size - cut] + (trailing if not cut else b""), piece)
    run = Run(*recorders)
    assert run.move(source, size) == size - cut
    assert source.given == size - cut, "what follows belongs to others"
    for recorder, skip in zip(recorders, skips):
        assert bytes(recorder.got) == data[skip : size - cut]
    assert run.dropped == []


@pytest.mark.parametrize("piece", [1, 2, DEPTH, DEPTH + 1, 20])
def test_a_branch_that_fails(piece: int) -> None:
    data = content(20 * BUFFER)
    good, bad = Recorder("good"), Recorder("bad")
    failure = DiskFull("no space")

    def fail(number: int) -> None:
        gevent.sleep(0)
        if number == piece:
            raise failure

    bad.before = fail
    run = Run(good, bad)
    assert run.move(Source(data), len(data)) == len(data)
    assert good.got == data
    assert run.dropped == [("bad", failure)]
    assert bad.pieces == piece, "it is given nothing more"
    assert data.startswith(bytes(bad.got))


@pytest.mark.parametrize("piece", [1, DEPTH, 20])
def test_all_branchs_fail(piece: int) -> None:
    """The stream is read to the end all the same, so that it can be used on."""
    data = content(20 * BUFFER)
    recorders = [Recorder(str(number)) for number in range(3)]

    def fail(number: int) -> None:
        if number == piece:
            raise PeerGone("it is gone")

    for recorder in recorders:
        recorder.before = fail
    run = Run(*recorders)
    source = Source(data + b"the next line")
    assert run.move(source, len(data)) == len(data)
    assert sorted(name for name, _ in run.dropped) == ["0", "1", "2"]
    assert source.given == len(data)


def test_nobody_wants_it() -> None:
    source = Source(content(3 * RING))
    assert Run().move(source, 3 * RING) == 3 * RING
    assert source.given == 3 * RING


def test_a_slow_branch_is_waited_for_and_memory_is_bounded() -> None:
    data = content(30 * BUFFER)
    fast, slow = Recorder("fast"), Recorder("slow")
    source = Source(data)
    ahead = []

    def crawl(_piece: int) -> None:
        gevent.sleep(0.002)
        ahead.append(source.given - len(slow.got))

    slow.before = crawl
    run = Run(fast, slow)
    assert run.move(source, len(data)) == len(data)
    assert fast.got == slow.got == data
    assert max(ahead) <= RING
    assert run.dropped == []


def test_a_slow_branch_does_not_hold_up_the_others_within_the_ring() -> None:
    data = content(RING)
    fast, slow = Recorder("fast"), Recorder("slow")
    seen = []

    def wait_for_the_other(piece: int) -> None:
        while piece == 1 and len(fast.got) < len(data):
            gevent.sleep(0.001)
        seen.append(len(fast.got))

    slow.before = wait_for_the_other
    assert Run(fast, slow).move(Source(data), len(data)) == len(data)
    assert seen[0] == len(data)
    assert slow.got == data


@pytest.mark.parametrize("piece", [1, 2, DEPTH + 1, 20])
def test_a_branch_that_stalls(piece: int) -> None:
    data = content(20 * BUFFER)
    good, bad = Recorder("good"), Recorder("bad", pace=(1, SOON))
    bad.before = lambda number: Event().wait() if number == piece else None
    run = Run(good, bad)
    assert run.move(Source(data), len(data)) == len(data)
    assert good.got == data
    ((name, failure),) = run.dropped
    assert name == "bad"
    assert isinstance(failure, NodeError)


def test_all_branchs_stall_together() -> None:
    data = content(20 * BUFFER)
    recorders = [Recorder(str(number), pace=(1, SOON)) for number in range(5)]
    for recorder in recorders:
        recorder.before = lambda _number: Event().wait()
    run = Run(*recorders)
    with gevent.Timeout(4 * SOON + 1):
        assert run.move(Source(data), len(data)) == len(data)
    assert len(run.dropped) == 5


def test_a_branch_that_moves_too_little() -> None:
    data = content(40 * BUFFER)
    good, bad = Recorder("good"), Recorder("bad", pace=(20 * BUFFER, SOON))
    bad.before = lambda _number: gevent.sleep(SOON / 5)
    run = Run(good, bad)
    assert run.move(Source(data), len(data)) == len(data)
    assert [name for name, _ in run.dropped] == ["bad"]
    assert good.got == data


def test_a_branch_that_keeps_its_pace_may_take_any_time() -> None:
    data = content(20 * BUFFER)
    slow = Recorder("slow", pace=(1, 10 * SOON))
    slow.before = lambda _number: gevent.sleep(SOON)
    run = Run(Recorder("fast"), slow)
    assert run.move(Source(data), len(data)) == len(data)
    assert slow.got == data
    assert run.dropped == []


def test_a_slow_source_is_no_fault_of_the_branchs() -> None:
    data = content(6 * BUFFER)
    recorders = [Recorder(str(number), pace=(1, SOON)) for number in range(2)]
    run = Run(*recorders)
    assert run.move(Source(data, piece=BUFFER, pause=2 * SOON), len(data)) == len(data)
    assert run.dropped == []


def test_what_a_stalled_branch_still_reads_is_not_overwritten() -> None:
    """It may be a thread, which nobody can stop."""
    data = content(20 * BUFFER)
    held: list[memoryview] = []

    def take(piece: bytes | bytearray | memoryview) -> None:
        held.append(memoryview(piece))
        if len(held) == 3:
            Event().wait()

    bad = FanOutBranch("bad", take, 0, (1, SOON))
    good = Recorder("good")
    assert move(FanOut([bad, good.branch], Tasks(), lambda _branch: None), Source(data, BUFFER), len(data)) == len(data)
    assert held[2] == data[2 * BUFFER : 3 * BUFFER]
    assert good.got == data


@pytest.mark.parametrize("came", [0, 1, BUFFER, RING + 5])
def test_a_source_that_breaks(came: int) -> None:
    """What came before is passed on."""
    data = content(came)
    recorders = [Recorder("fast"), Recorder("slow"), Recorder("behind", skip=10)]
    recorders[1].before = lambda _piece: gevent.sleep(0.002)
    with pytest.raises(PeerGone, match="the source broke"):
        Run(*recorders).move(Source(data, breaks=True), came + 100)
    assert recorders[0].got == recorders[1].got == data
    assert recorders[2].got == data[10:]


def test_a_little_is_passed_on_before_there_is_more() -> None:
    """Who has nothing else to do need not wait until a buffer is full."""
    recorder = Recorder("one")
    seen = []

    class Trickle(Source):
        def read_into(self, buffer: memoryview) -> int:
            gevent.sleep(0.01)
            seen.append(len(recorder.got))
            return super().read_into(buffer)

    assert Run(recorder).move(Trickle(content(10), piece=1), 10) == 10
    assert seen[-1] >= 8


def test_no_greenlet_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = Tasks()
    started: list[gevent.Greenlet[[], object]] = []

    def spawn(function: Callable[[], object]) -> gevent.Greenlet[[], object]:
        started.append(gevent.spawn(function))
        return started[-1]

    monkeypatch.setattr(tasks, "spawn", spawn)
    bad = Recorder("bad", pace=(1, SOON))
    bad.before = lambda _number: Event().wait()
    branches = [Recorder("good").branch, bad.branch]
    move(FanOut(branches, tasks, lambda _branch: None), Source(content(RING * 2)), RING * 2)
    gevent.joinall(started, timeout=5)
    assert len(started) == 2
    assert all(greenlet.dead for greenlet in started)
