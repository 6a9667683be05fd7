"""Greenlets and threads for one gateway."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import gevent
import gevent.event
import pytest

from annexshell.errors import Interrupted, NodeError, Stalled
from annexshell.green.tasks import Tasks, on_signal
from annexshell.green.waiter import GeventWaiter
from annexshell.stream.blocking import FdStream, Interrupts

gevent.sleep(0)
Tasks().offload(lambda: None)  # the hub and its threads have file descriptors of their own


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    with gevent.Timeout(20):
        yield


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    for fd in (reading, writing):
        os.set_blocking(fd, False)
    yield reading, writing
    for fd in (reading, writing):
        os.close(fd)


# Several things at once


@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_results_come_in_order(count: int) -> None:
    def slower_first(number: int) -> int:
        gevent.sleep(0.001 * (count - number))
        return 2 * number

    assert Tasks().each(slower_first, range(count)) == [2 * number for number in range(count)]


@pytest.mark.parametrize(("jobs", "most"), [(None, 10), (1, 1), (3, 3)])
def test_no_more_at_once_than_allowed(jobs: int | None, most: int) -> None:
    running, peak = 0, 0

    def one(_number: int) -> None:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        gevent.sleep(0.001)
        running -= 1

    Tasks(jobs).each(one, range(10))
    assert peak == most


def test_one_that_raises_does_not_keep_the_others_from_ending(capsys: pytest.CaptureFixture[str]) -> None:
    ended = []

    def one(number: int) -> None:
        if number == 1:
            raise NodeError("n1", "it is gone")
        gevent.sleep(0.005)
        ended.append(number)

    with pytest.raises(NodeError, match="n1: it is gone"):
        Tasks().each(one, range(4))
    assert sorted(ended) == [0, 2, 3]


def test_a_thread_does_not_hold_up_greenlets() -> None:
    ticked = threading.Event()
    gevent.spawn_later(0.001, ticked.set)

    def slow() -> int:
        assert ticked.wait(10), "nobody else ran meanwhile"
        return threading.get_ident()

    assert Tasks().offload(slow) != threading.get_ident()


def test_what_a_thread_raises_is_for_the_caller(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise OSError(28, "no space")

    with pytest.raises(OSError, match="no space"):
        Tasks().offload(fail)
    assert capsys.readouterr() == ("", "")


def test_a_thread_that_takes_too_long() -> None:
    release = threading.Event()
    with pytest.raises(TimeoutError):
        Tasks().offload(release.wait, 0.01)
    release.set()
    assert Tasks().offload(lambda: "goes on", 10) == "goes on"


def test_news_reach_all_who_wait() -> None:
    news = Tasks().news()
    assert news.wait(0.001) is False
    heard = []
    waiting = [gevent.spawn(lambda: heard.append(news.wait(10))) for _ in range(3)]
    gevent.sleep(0)
    news.tell()
    gevent.joinall(waiting)
    assert heard == [True] * 3
    assert news.wait(0.001) is False, "what was told before is no news"


# Waiting for file descriptors


def test_a_wait_ends_when_there_is_something(pipe: tuple[int, int]) -> None:
    gevent.spawn_later(0.002, os.write, pipe[1], b"x")
    GeventWaiter(10).readable(pipe[0])
    assert os.read(pipe[0], 10) == b"x"
    GeventWaiter(10).writable(pipe[1])


def test_a_wait_ends_when_the_other_side_is_gone() -> None:
    reading, writing = os.pipe()
    gevent.spawn_later(0.002, os.close, writing)
    GeventWaiter(10).readable(reading)
    assert os.read(reading, 1) == b""
    os.close(reading)


@pytest.mark.parametrize("waits", ["readable", "writable"])
def test_a_wait_has_a_limit(waits: str, pipe: tuple[int, int]) -> None:
    with suppress(BlockingIOError):
        while True:
            os.write(pipe[1], bytes(65536))
    reading, writing = os.pipe()
    with pytest.raises(Stalled):
        getattr(GeventWaiter(0.01), waits)(reading if waits == "readable" else pipe[1])
    os.close(reading)
    os.close(writing)


def test_a_killed_wait_leaves_nothing(pipe: tuple[int, int]) -> None:
    interrupts = Interrupts()
    waiting = gevent.spawn(GeventWaiter(10, interrupts).readable, pipe[0])
    gevent.sleep(0)
    assert interrupts.wake is not None
    waiting.kill()
    assert interrupts.wake is None


@pytest.mark.parametrize("before", [True, False])
def test_an_interrupt_ends_a_wait(before: bool, pipe: tuple[int, int]) -> None:
    interrupts = Interrupts()
    stream = FdStream(*pipe, GeventWaiter(interrupts=interrupts), interrupts)
    if before:
        interrupts.note()
    else:
        gevent.spawn_later(0.002, interrupts.note)
    with pytest.raises(Interrupted):
        stream.read_line()
    with pytest.raises(Interrupted):
        stream.read_line()


def test_a_signal_is_heard_while_everybody_waits() -> None:
    """Whenever it comes: a handler of Python's would be run only after the next event."""
    heard = gevent.event.Event()
    on_signal(signal.SIGUSR2, heard.set)
    timer = threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGUSR2))
    timer.start()
    assert heard.wait(10)
    timer.join()


# Short pieces of work


def test_crew_does_one_piece_after_the_other_in_one_greenlet() -> None:
    crew = Tasks().crew()
    done: list[tuple[int, object]] = []

    def note(number: int) -> None:
        done.append((number, gevent.getcurrent()))

    for number in range(5):
        crew.spawn(partial(note, number))
    assert not done, "it happens beside the caller"
    gevent.sleep(0)
    assert [number for number, _ in done] == [0, 1, 2, 3, 4]
    assert len({greenlet for _, greenlet in done}) == 1


def test_crew_goes_on_while_some_of_it_waits() -> None:
    crew = Tasks().crew()
    done: list[int] = []
    gate = gevent.event.Event()

    def wait(number: int) -> None:
        gate.wait()
        done.append(number)

    for number in range(3):
        crew.spawn(partial(wait, number))
        crew.spawn(partial(done.append, 10 + number))
    gevent.sleep(0.01)
    assert done == [10, 11, 12]
    gate.set()
    gevent.sleep(0.01)
    assert done == [10, 11, 12, 0, 1, 2]


def test_crew_makes_no_more_greenlets_than_it_needs() -> None:
    crew = Tasks().crew()
    seen: set[object] = set()
    for _ in range(100):
        crew.spawn(lambda: seen.add(gevent.getcurrent()))
        gevent.sleep(0)
    gevent.sleep(0.01)
    assert len(seen) <= 2


def test_only_so_many_threads_work_at_once() -> None:
    tasks = Tasks(most=2)
    at_work: list[int] = []
    most = 0
    enough, go_on = threading.Event(), threading.Event()

    def work() -> None:
        nonlocal most
        at_work.append(1)
        most = max(most, len(at_work))
        if len(at_work) == 2:
            enough.set()
        go_on.wait(10)
        at_work.pop()

    greenlets = [gevent.spawn(tasks.offload, work, 10.0) for _ in range(6)]
    Tasks().offload(lambda: enough.wait(10))
    go_on.set()
    gevent.joinall(greenlets, raise_error=True)
    assert most == 2


def test_to_wait_for_ones_turn_does_not_count_as_work() -> None:
    tasks = Tasks(most=1)
    go_on = threading.Event()
    first = gevent.spawn(tasks.offload, lambda: go_on.wait(10))
    gevent.sleep(0)
    second = gevent.spawn(tasks.offload, lambda: "done", 0.05)
    gevent.sleep(0.2)
    assert not second.ready()
    go_on.set()
    assert second.get() == "done"
    first.get()
