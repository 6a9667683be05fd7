"""Doing several things at once for one gateway."""

from __future__ import annotations

from collections import deque
from contextlib import nullcontext
from functools import partial

from gevent import config, get_hub, getcurrent, spawn
from gevent.event import Event
from gevent.lock import Semaphore
from gevent.pool import Pool
from gevent.threadpool import ThreadPool
from gevent.timeout import Timeout
from greenlet import greenlet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import NoReturn, TypeVar

    from gevent import Greenlet

    Item = TypeVar("Item")
    Result = TypeVar("Result")

_THREADS = 128  # started as needed; any of them may be stuck on a disk that is gone

_SPARE = 64  # greenlets without work that are kept


class Tasks:
    """Greenlets, and threads for what would keep all greenlets waiting.

    `jobs` limits how many items `each` works on at once; None means all. With `threads` it has that many threads of its
    own, so that work stuck in them does not hinder others. `most` limits how many threads work at once; further work
    waits its turn, and this wait does not count towards its time limit.
    """

    def __init__(self, jobs: int | None = None, threads: int | None = None, most: int | None = None) -> None:
        self._jobs = jobs
        self._turns = nullcontext() if most is None else Semaphore(most)
        self._pool = get_hub().threadpool if threads is None else _own_threads(threads)
        if threads is None:
            self._pool.maxsize = _THREADS

    def each(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """The results of a function for each item, in order. What it raises is raised when all others are done."""
        work = list(items)
        if len(work) < 2:
            return [function(item) for item in work]
        pool = Pool(self._jobs)
        greenlets = [pool.spawn(function, item) for item in work]
        pool.join()
        return [greenlet.get() for greenlet in greenlets]

    def offload(self, function: Callable[[], Result], limit: float | None = None) -> Result:
        """The result of a function that runs in a thread meanwhile. Raises TimeoutError after `limit` seconds; the
        function goes on then, and its result is lost."""

        def outcome() -> Callable[[], Result]:
            try:
                result = function()
            except BaseException as error:
                return partial(_throw, error)  # else the hub would print it, though it is for the caller
            return lambda: result

        with self._turns, Timeout(limit, TimeoutError("it takes too long")):
            end: Callable[[], Result] = self._pool.apply(outcome)
        return end()

    def some(self, most: int) -> Tasks:
        """Tasks on the threads that all share, at most `most` of them at once."""
        return Tasks(most=most)

    def spawn(self, function: Callable[[], None]) -> Greenlet[[], None]:
        """Runs a function beside the caller. It must not raise."""
        return spawn(function)

    def news(self) -> News:
        return News()

    def crew(self) -> Crew:
        return Crew()


def _own_threads(most: int) -> ThreadPool:
    """Threads that end when they have had nothing to do for a while, as those of the hub do."""
    try:
        return ThreadPool(most, idle_task_timeout=config.threadpool_idle_task_timeout)  # type: ignore[arg-type]
    except (AttributeError, TypeError):  # before gevent 22.12, where none ever ends
        return ThreadPool(most)


def _throw(error: BaseException) -> NoReturn:
    raise error


class Crew:
    """Greenlets for many short pieces of work that mostly need not wait for anything. One greenlet does one piece after
    the other, and the next one takes over when it has to wait. Greenlets are reused: a fresh one costs two system
    calls, and memory that is not in any cache yet."""

    def __init__(self) -> None:
        self._work: deque[Callable[[], object]] = deque()
        self._spare: list[greenlet] = []
        self._is_called = False  # whether a greenlet is about to look for work

    def spawn(self, function: Callable[[], object]) -> None:
        """Runs a function soon, beside the caller; it must not raise."""
        self._work.append(function)
        self._call()

    def _call(self) -> None:
        if not self._is_called:
            self._is_called = True
            hub = get_hub()
            member = self._spare.pop() if self._spare else greenlet(self._run, hub)
            hub.loop.run_callback(member.switch)

    def _run(self) -> None:
        while True:
            self._is_called = False
            while self._work:
                function = self._work.popleft()
                if self._work:
                    self._call()
                function()
            if len(self._spare) >= _SPARE:
                return
            self._spare.append(getcurrent())
            get_hub().switch()


class News:
    """Wakes everybody who waits for something to change."""

    def __init__(self) -> None:
        self._event = Event()

    def tell(self) -> None:
        event, self._event = self._event, Event()
        event.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Waits for the next `tell`; False if it did not come in time."""
        return bool(self._event.wait(seconds))


def on_signal(number: int, function: Callable[[], object]) -> None:
    """Calls a function when a signal comes, between the steps of greenlets: a handler of Python's may not run before
    something else happens."""
    get_hub().loop.signal(number).start(function)
