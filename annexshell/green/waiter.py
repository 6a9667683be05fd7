"""Waiting for file descriptors while other greenlets go on."""

from __future__ import annotations

from functools import partial

from gevent import get_hub, getcurrent, sleep
from gevent.timeout import Timeout

from annexshell.errors import Interrupted, Stalled
from annexshell.green.turns import give_way

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from greenlet import greenlet

    from annexshell.stream.blocking import Interrupts

_READ, _WRITE = 1, 2  # events of libev


class GeventWaiter:
    """Suspends the greenlet until a file descriptor is ready, not longer than `limit` seconds if there is one.

    With `interrupts`, a signal that asks the session to end ends the wait.
    """

    def __init__(self, limit: float | None = None, interrupts: Interrupts | None = None) -> None:
        self._limit = limit
        self._interrupts = interrupts

    def readable(self, fd: int) -> None:
        self._wait(fd, _READ)

    def writable(self, fd: int) -> None:
        self._wait(fd, _WRITE)

    def pause(self, seconds: float) -> None:
        """Lets others run for a time."""
        sleep(seconds)

    def take_turn(self) -> None:
        give_way()

    def _wait(self, fd: int, event: int) -> None:
        hub = get_hub()
        watcher = hub.loop.io(fd, event)
        timeout = Timeout.start_new(self._limit)
        interrupts = self._interrupts
        try:
            if interrupts is not None:
                interrupts.wake = partial(hub.loop.run_callback, _end_wait, interrupts, getcurrent())
                if interrupts.pending:
                    raise _interrupted()
            hub.wait(watcher)
        except Timeout as expired:
            if expired is not timeout:
                raise
            raise Stalled(f"nothing has moved for {self._limit:.0f} seconds") from None
        finally:
            timeout.close()
            watcher.close()
            if interrupts is not None:
                interrupts.wake = None


def _end_wait(interrupts: Interrupts, waiting: greenlet) -> None:
    if interrupts.wake is not None:  # else it has gone on meanwhile, and sees the signal at its next wait
        waiting.throw(_interrupted())


def _interrupted() -> Interrupted:
    return Interrupted("ended by a signal")


def resolve(host: str, port: int, *options: int) -> list[Any]:
    """Like socket.getaddrinfo, in a thread."""
    found: list[Any] = get_hub().resolver.getaddrinfo(host, port, *options)
    return found
