"""Waiting for file descriptors while other greenlets go on."""

from __future__ import annotations

from functools import partial
from math import inf
from socket import EAI_AGAIN, gaierror
from time import monotonic

from gevent import get_hub, getcurrent, sleep
from gevent.timeout import Timeout

from annexshell.green.turns import give_way
from annexshell.stream.polling import stalled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from greenlet import greenlet

    from annexshell.stream.blocking import Interrupts

_READ, _WRITE = 1, 2  # events of libev
_LOOKUP_LIMIT = 30.0  # seconds


class GeventWaiter:
    """Suspends the greenlet until a file descriptor is ready, not longer than `limit` seconds, and not beyond `end` on
    the monotonic clock.

    With `interrupts`, a signal that asks the session to end ends the wait.
    """

    def __init__(self, limit: float = inf, interrupts: Interrupts | None = None, end: float = inf) -> None:
        self.limit = limit
        self._interrupts = interrupts
        self._end = end

    def within(self, seconds: float) -> GeventWaiter:
        """One that waits like this one, but from now on for so many seconds in all."""
        return GeventWaiter(self.limit, self._interrupts, monotonic() + seconds)

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
        seconds = self.limit if self._end == inf else min(self.limit, max(0.0, self._end - monotonic()))
        timeout = Timeout.start_new(None if seconds == inf else seconds)
        interrupts = self._interrupts
        try:
            if interrupts is not None:
                interrupts.wake = partial(hub.loop.run_callback, _end_wait, interrupts, getcurrent())
                if interrupts.pending:
                    raise interrupts.error()
            hub.wait(watcher)
        except Timeout as expired:
            if expired is not timeout:
                raise
            raise stalled(seconds) from None
        finally:
            timeout.close()
            watcher.close()
            if interrupts is not None:
                interrupts.wake = None


def _end_wait(interrupts: Interrupts, waiting: greenlet) -> None:
    if interrupts.wake is not None:  # else it has gone on meanwhile, and sees the signal at its next wait
        waiting.throw(interrupts.error())


def resolve(host: str, port: int, *options: int) -> list[Any]:
    """Like socket.getaddrinfo, in a thread, and not waited for longer than for a connection."""
    with Timeout(_LOOKUP_LIMIT, gaierror(EAI_AGAIN, "its name servers do not answer")):
        found: list[Any] = get_hub().resolver.getaddrinfo(host, port, *options)
    return found
