"""Doing several things at once for one gateway."""

from __future__ import annotations

from functools import partial

from gevent import get_hub, spawn
from gevent.event import Event
from gevent.pool import Pool
from gevent.threadpool import ThreadPool
from gevent.timeout import Timeout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import NoReturn, TypeVar

    from gevent import Greenlet

    Item = TypeVar("Item")
    Result = TypeVar("Result")

_THREADS = 128  # started as needed; any of them may be stuck on a disk that is gone


class Tasks:
    """Greenlets, and threads for what would keep all greenlets waiting.

    `jobs` limits how many items `each` works on at once; None for all. With `threads` it has so many of its own, so
    that what is stuck in them does not hinder others.
    """

    def __init__(self, jobs: int | None = None, threads: int | None = None) -> None:
        self._jobs = jobs
        self._pool = get_hub().threadpool if threads is None else ThreadPool(threads)
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

        with Timeout(limit, TimeoutError("it takes too long")):
            end: Callable[[], Result] = self._pool.apply(outcome)
        return end()

    def spawn(self, function: Callable[[], None]) -> Greenlet[[], None]:
        """Runs a function beside the caller; it must not raise."""
        return spawn(function)

    def news(self) -> News:
        return News()


def _throw(error: BaseException) -> NoReturn:
    raise error


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
