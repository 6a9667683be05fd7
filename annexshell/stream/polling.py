"""Waiting with a limit, for connections to others that may fall silent."""

from __future__ import annotations

import select
import time

from annexshell.errors import Stalled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.stream.blocking import Interrupts

_MOMENT = 0.05  # seconds


class PollWaiter:
    """Blocks until a file descriptor is ready, but not longer than `limit` seconds, and not beyond `end` on the
    monotonic clock if there is one. With `interrupts`, a signal that asks the session to end ends the wait."""

    def __init__(self, limit: float, interrupts: Interrupts | None = None, end: float | None = None) -> None:
        self.limit = limit
        self._interrupts = interrupts
        self._end = end

    def within(self, seconds: float) -> PollWaiter:
        """One that waits like this one, but from now on for so many seconds in all."""
        return PollWaiter(self.limit, self._interrupts, time.monotonic() + seconds)

    def readable(self, fd: int) -> None:
        self._wait(fd, select.POLLIN)

    def writable(self, fd: int) -> None:
        self._wait(fd, select.POLLOUT)

    def pause(self, seconds: float) -> None:
        """Waits for a time."""
        time.sleep(seconds)

    def take_turn(self) -> None:
        """Nobody else would run."""

    def _wait(self, fd: int, event: int) -> None:
        poll = select.poll()
        poll.register(fd, event)
        seconds = self.limit if self._end is None else min(self.limit, max(0.0, self._end - time.monotonic()))
        if not self._poll(poll, seconds):
            raise stalled(seconds)

    def _poll(self, poll: select.poll, seconds: float) -> bool:
        interrupts = self._interrupts
        if interrupts is None:
            return bool(poll.poll(seconds * 1000))
        interrupts.waiting = True
        try:
            if interrupts.pending:
                raise interrupts.error()
            return bool(poll.poll(seconds * 1000))
        finally:
            interrupts.waiting = False


def stalled(seconds: float) -> Stalled:
    """What to raise when nothing more came for so long, with which a limit has passed."""
    if seconds < _MOMENT:
        return Stalled("it has not answered in time")
    return Stalled(f"nothing has moved for {round(seconds, 1):g} seconds")
