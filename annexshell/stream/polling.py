"""Waiting with a limit, for connections to others that may fall silent."""

from __future__ import annotations

import select
import time

from annexshell.errors import Stalled


class PollWaiter:
    """Blocks until a file descriptor is ready, but not longer than `limit` seconds."""

    def __init__(self, limit: float) -> None:
        self._limit = limit

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
        if not poll.poll(self._limit * 1000):
            raise Stalled(f"nothing has moved for {self._limit:g} seconds")
