"""Claims as versions before this one noted them, in `OBJ.rtl`: slots of 22 bytes, which are the deadline in nanoseconds
since the epoch, and whether somebody still relies on it. They are moved to store.claims where they are found."""

from __future__ import annotations

import os

from annexshell.disk.clock import Deadline
from annexshell.disk.files import read_file
from annexshell.store.claims import LONGEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.disk.clock import Clock
    from annexshell.store.claims import Claims

_DIGITS = 20
_SIZE = _DIGITS + 2


def has_old_claims(path: bytes) -> bool:
    """Whether there are any on the object at `path`: git-annex leaves the file empty."""
    try:
        return os.stat(path + b".rtl").st_size > 0
    except FileNotFoundError:
        return False


def add_old_claims(path: bytes, claims: Claims, stamp: int | None, clock: Clock) -> None:
    """Adds those that are in force to the claims on the object. Notes too if its time stamp was written for one."""
    now, boot = clock.wall(), clock.boot()
    for deadline, is_held in _read(path):
        if deadline == stamp:
            claims.stamp = stamp
        if is_held and deadline >= now:
            as_noted = Deadline(deadline, boot + deadline - now, clock.boot_id)
            claims.held[deadline] = clock.renewed(as_noted, LONGEST)


def forget_old_claims(path: bytes) -> None:
    """They are noted elsewhere. Where another user owns the file, they stay."""
    try:
        os.truncate(path + b".rtl", 0)
    except (PermissionError, FileNotFoundError):
        pass


def _read(path: bytes) -> list[tuple[int, bool]]:
    data = read_file(path + b".rtl") or b""
    found = []
    for start in range(0, len(data), _SIZE):
        slot = data[start : start + _SIZE]
        digits, state = slot[:_DIGITS], slot[_DIGITS:]
        if digits.isdigit() and state in (b"+\n", b"-\n"):
            found.append((int(digits), state == b"+\n"))
    return found
