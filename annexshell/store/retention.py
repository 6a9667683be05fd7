"""Retention: content that was locked for a client stays locked for a while, even if the connection or this process
dies.

Upstream: Annex/Content.hs, Annex/Content/LowLevel.hs. The time until when is in `OBJ.rtm`, and `OBJ.rtl` is locked
while it is written. It is a time of the wall clock, so that it outlives a reboot.

Unlike upstream, who unlocks doesn't end the retention of a client that locked before him and lost its connection: see
store.claims.
"""

from __future__ import annotations

import os
import time

from annexshell.disk.files import read_file
from annexshell.errors import ContentLocked
from annexshell.store.claims import Claims

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
        """Has the object at `path` retained from now on, and returns until when, which is also the name of this claim.
        The caller holds the content lock.

        On return it is on disk, because a client relies on it even if the power fails.
        """
        directory = os.path.dirname(path)
        with self._protection.thawed(directory, lambda: self._locks.exclusive(path + b".rtl", _PATIENCE)):
            existing = self._read(path)
            if not os.path.exists(path + b".rtl"):  # with annex.pidlock, locking a file doesn't create it
                self._protection.thawed(directory, lambda: self._scratch.replace(path + b".rtl", b""))
            deadline = self._claim(path, existing)
            if existing is None or existing < deadline:
                self._write(path, deadline)
        return deadline

    def _claim(self, path: bytes, existing: int | None) -> int:
        """Notes a new claim, and the one that the time stamp is from if it is another program's."""
        now = time.time_ns()
        deadline = now + SECONDS * _BILLION
        with Claims(path + b".rtl") as claims:
            while deadline in claims or deadline == existing:
                deadline += 1
            if existing is not None and now <= existing < deadline and existing not in claims:
                claims.add(existing, now, existing)
            claims.add(deadline, now, existing)
        return deadline

    def _write(self, path: bytes, deadline: int) -> None:
        directory = os.path.dirname(path)
        text = format_deadline(deadline)
        self._protection.thawed(directory, lambda: self._scratch.replace(path + b".rtm", text))
        self._durability.directories((directory,))

    def refuse(self, path: bytes) -> bool:
        """Raises ContentLocked while the object is retained; returns whether it ever was."""
        text = read_file(path + b".rtm")
        deadline = None if text is None else parse_deadline(text)
        if deadline is not None and time.time_ns() <= deadline:
            raise ContentLocked("content is locked: a client that lost its connection may still rely on it")
        return text is not None

    def release(self, path: bytes, deadline: int) -> None:
        """Nobody relies on the claim that `begin` returned any more. The caller holds the content lock, and settles
        afterwards."""
        with self._locks.exclusive(path + b".rtl", _PATIENCE), Claims(path + b".rtl") as claims:
            claims.release(deadline)

    def settle(self, path: bytes) -> None:
        """Ends the retention, or shortens it to the latest claim that is not released. That of another program stays.
        The caller holds the content lock exclusively."""
        existing = self._read(path)
        now = time.time_ns()
        try:
            with Claims(path + b".rtl") as claims:
                if existing is not None and existing >= now and not claims.is_released(existing):
                    return
                latest = claims.latest_held()
        except FileNotFoundError:
            return
        if latest < now:
            self.forget(path)
        elif latest != existing:
            self._write(path, latest)

    def forget(self, path: bytes) -> None:
        """Deletes what retention left. The caller holds the content lock exclusively, and it is over."""
        self._protection.unlink(path + b".rtm")
        self._protection.unlink(path + b".rtl")

    def _read(self, path: bytes) -> int | None:
        text = read_file(path + b".rtm")
        return None if text is None else parse_deadline(text)
