"""How slow another host may be. A limit for each wait alone would be met by one that sends a byte now and then."""

from __future__ import annotations

import time

from annexshell.errors import Stalled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.stream.port import Waiter


class Pace:
    """How long a peer may keep us waiting in all: `patience` seconds, to which each byte adds what it may take at
    `rate` bytes per second, but never to more than `patience` seconds.

    So nobody who keeps to the rate is cut off however uneven it comes, nor anybody for what takes time here.
    """

    __slots__ = ("_patience", "_rate", "left")

    def __init__(self, rate: float, patience: float) -> None:
        self._rate = rate
        self._patience = patience
        self.left = patience  # seconds

    def moved(self, count: int) -> None:
        """So many bytes came, or went."""
        self.left = min(self._patience, self.left + count / self._rate)


class PacedWaiter:
    """Waits like another waiter for a peer that sends something long, and who is told by `reached` how much of it has
    come. Raises Stalled also when that is too slow."""

    def __init__(self, waiter: Waiter, rate: float) -> None:
        self.limit = waiter.limit
        self._waiter = waiter
        self._pace = Pace(rate, waiter.limit)
        self._reached = 0

    def reached(self, count: int) -> None:
        """So many bytes have come since the beginning."""
        self._pace.moved(count - self._reached)
        self._reached = count

    def within(self, seconds: float) -> Waiter:
        return self._waiter.within(seconds)

    def readable(self, fd: int) -> None:
        began = time.monotonic()
        try:
            self._waiter.within(max(0.0, self._pace.left)).readable(fd)
        except Stalled:
            if self._pace.left < self.limit:
                raise Stalled("it sends too slowly") from None
            raise
        self._pace.left -= time.monotonic() - began

    def writable(self, fd: int) -> None:
        self._waiter.writable(fd)

    def pause(self, seconds: float) -> None:
        self._waiter.pause(seconds)

    def take_turn(self) -> None:
        self._waiter.take_turn()
