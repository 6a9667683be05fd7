"""Retention: content that was locked for a client stays locked for a while, even if the connection or this process
dies.

Upstream: Annex/Content.hs, Annex/Content/LowLevel.hs. The time until when is in `OBJ.rtm`, and `OBJ.rtl` is locked
while it is written. It is a time of the wall clock, so that it outlives a reboot.
"""

from __future__ import annotations

import os
import time

from annexshell.disk.files import read_file
from annexshell.errors import ContentLocked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.disk.durable import Durability
    from annexshell.disk.filelock import FileLocks
    from annexshell.disk.scratch import Scratch
    from annexshell.store.protection import Protection

SECONDS = 600  # Types/NumCopies.hs
_PATIENCE = 30.0  # seconds for a lock that is held only for a moment
_BILLION = 1_000_000_000
_DIGITS = 20  # more are not worth computing with


def parse_deadline(text: bytes) -> int | None:
    """The time in a `.rtm` file, in nanoseconds since the epoch, or None for a text that protects nothing.

    As strict as upstream (Utility/TimeStamp.hs): digits, perhaps a plus before them, a fraction and an `s` behind them;
    a newline makes it void. Of a number that nobody will live to see only the first digits count.
    """
    whole, point, fraction = text.removesuffix(b"s").removeprefix(b"+").partition(b".")
    if not whole.isdigit() or (point and not fraction.isdigit()):
        return None
    seconds = int(whole.lstrip(b"0")[:_DIGITS] or b"0")
    return seconds * _BILLION + int(fraction[:9].ljust(9, b"0"))


def format_deadline(deadline: int) -> bytes:
    """The text for a time in nanoseconds: without a newline, which would make it void."""
    whole, fraction = divmod(deadline, _BILLION)
    return b"%d.%09ds" % (whole, fraction) if fraction else b"%ds" % whole


class Retention:
    """Begins, honours and ends the retention of objects."""

    def __init__(self, locks: FileLocks, protection: Protection, scratch: Scratch, durability: Durability) -> None:
        self._locks = locks
        self._protection = protection
        self._scratch = scratch
        self._durability = durability

    def begin(self, path: bytes) -> int:
        """Has the object at `path` retained from now on, unless it already is for longer; returns the time asked for.

        On return it is on disk, because a client relies on it even if the power fails.
        """
        deadline = time.time_ns() + SECONDS * _BILLION
        directory = os.path.dirname(path)
        with self._protection.thawed(directory, lambda: self._locks.exclusive(path + b".rtl", _PATIENCE)):
            existing = self._read(path)
            if existing is None or existing < deadline:
                text = format_deadline(deadline)
                self._protection.thawed(directory, lambda: self._scratch.replace(path + b".rtm", text))
                self._durability.directories((directory,))
        return deadline

    def refuse(self, path: bytes) -> bool:
        """Raises ContentLocked while the object is retained; returns whether it ever was."""
        text = read_file(path + b".rtm")
        deadline = None if text is None else parse_deadline(text)
        if deadline is not None and time.time_ns() <= deadline:
            raise ContentLocked("content is locked: a client that lost its connection may still rely on it")
        return text is not None

    def end(self, path: bytes, deadline: int) -> None:
        """Ends the retention that `begin` answered with `deadline`, but none that somebody has begun since. The caller
        holds the content lock exclusively."""
        if self._read(path) == deadline:
            self.forget(path)

    def forget(self, path: bytes) -> None:
        """Deletes what retention left. The caller holds the content lock exclusively, and it is over."""
        self._protection.unlink(path + b".rtm")
        self._protection.unlink(path + b".rtl")

    def _read(self, path: bytes) -> int | None:
        text = read_file(path + b".rtm")
        return None if text is None else parse_deadline(text)
