"""Deletes what transfers have left behind, once in a while and by one process at a time."""

from __future__ import annotations

import os
import time

from annexshell.disk.perms import make_directories
from annexshell.repo.wanted import WantedNotes
from annexshell.store.partials import expire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.repo.parts import Parts

_LONGEST_INTERVAL = 3600.0  # seconds
_STEP = 100  # files


def interval(age: float) -> float:
    """Seconds between two looks for what is older than `age` seconds."""
    return min(_LONGEST_INTERVAL, age / 2)


def expire_partials(parts: Parts, age: float) -> bool:
    """Deletes some of the partial files that nobody has touched for `age` seconds, unless that was done just now;
    whether there may be more. Raises OSError."""
    directory = parts.paths.annex_dir + b"/annexshell"
    make_directories(directory, parts.paths.annex_dir, parts.perms)
    lock = parts.locks.try_exclusive(directory + b"/expiry")
    if lock is None:
        return False
    with lock:
        now = time.time()
        last = os.pread(lock.fd, 20, 0)
        if last.isdigit() and 0 <= now - int(last) < interval(age):
            return False
        more = expire(parts.layout, parts.transfers, parts.locks, parts.uuid, now - age, _STEP)
        if not more:
            WantedNotes(parts).expire()
            os.ftruncate(lock.fd, 0)
            os.pwrite(lock.fd, b"%d" % now, 0)
        return more
