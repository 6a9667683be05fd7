"""Clocks that are set by hand."""

from __future__ import annotations

from annexshell.disk.clock import BILLION, Clock

HOUR = 3600 * BILLION
YEARS = 20 * 365 * 24 * HOUR


class FakeClock(Clock):
    """A machine that was started long ago, whose clocks are set by hand."""

    def __init__(self, boot_id: bytes = b"first", now: int = HOUR) -> None:
        self.boot_id = boot_id
        self.time, self.now = YEARS, now

    def wall(self) -> int:
        return self.time

    def boot(self) -> int:
        return self.now

    def passes(self, length: int) -> None:
        self.time += length
        self.now += length

    def restarts(self, downtime: int) -> None:
        self.boot_id += b"+"
        self.time += downtime
        self.now = 0
