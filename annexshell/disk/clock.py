"""Deadlines that outlive processes, and that setting a clock can't shorten.

The wall clock may be set at any time; CLOCK_BOOTTIME, which nobody can set and which counts suspends, starts again with
each boot. So a deadline has a time on both, and the boot that the second belongs to.
"""

from __future__ import annotations

import os
import time

BILLION = 1_000_000_000  # nanoseconds in a second

_BOOT_ID = b"/proc/sys/kernel/random/boot_id"
_LONGEST_ID = 64  # bytes
_UNKNOWN = b"-"  # equals the id of no boot


class Deadline:
    """A time: `wall` in nanoseconds since the epoch, and `boot` in nanoseconds of CLOCK_BOOTTIME since the boot whose
    id is `boot_id`."""

    __slots__ = ("boot", "boot_id", "wall")

    def __init__(self, wall: int, boot: int = 0, boot_id: bytes = _UNKNOWN) -> None:
        self.wall = wall
        self.boot = boot
        self.boot_id = boot_id


class Clock:
    """The clocks of this machine."""

    def __init__(self) -> None:
        self.boot_id = _read_boot_id()

    def wall(self) -> int:
        """Nanoseconds since the epoch."""
        return time.time_ns()

    def boot(self) -> int:
        """Nanoseconds since the machine was started."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def after(self, length: int) -> Deadline:
        """The deadline in `length` nanoseconds."""
        return Deadline(self.wall() + length, self.boot() + length, self.boot_id)

    def remaining(self, deadline: Deadline, longest: int) -> int:
        """Nanoseconds until a deadline, which was `longest` of them away when it was set; 0 once it is over.

        For a deadline from another boot, the wall clock counts. Since that may have been set meanwhile, the deadline is
        never further away than `longest`, nor is it over before this machine has been up for that long.
        """
        if deadline.boot_id == self.boot_id != _UNKNOWN:
            left = deadline.boot - self.boot()
        else:
            left = max(deadline.wall - self.wall(), longest - self.boot())
        return max(0, min(left, longest))

    def renewed(self, deadline: Deadline, longest: int) -> Deadline:
        """The same deadline on the present clocks: once it has been seen in this boot, its end is certain. The time of
        the wall clock stays, unless the clock was set meanwhile."""
        boot, left = self.boot(), self.remaining(deadline, longest)
        wall = self.wall() + left
        if abs(wall - deadline.wall) < BILLION:
            wall = deadline.wall
        if deadline.boot_id == self.boot_id != _UNKNOWN and deadline.boot - boot <= longest:
            boot, left = deadline.boot, 0
        return Deadline(wall, boot + left, self.boot_id)


def _read_boot_id() -> bytes:
    try:
        fd = os.open(_BOOT_ID, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return _UNKNOWN
    try:
        text = os.read(fd, _LONGEST_ID).strip()
    finally:
        os.close(fd)
    return text if text and b" " not in text and b"\n" not in text else _UNKNOWN
