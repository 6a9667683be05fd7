"""How far something is, for a person who waits at a terminal."""

from __future__ import annotations

import sys
import time

_WIDTH = 30  # characters
_PAUSE = 0.1  # seconds between two pictures


class Progress:
    """Draws a bar on standard error, if that is a terminal; it is gone when all is done."""

    def __init__(self, total: int, quiet: bool = False) -> None:
        self._total = total
        self._drawn = 0.0  # monotonic seconds
        self._is_shown = not quiet and total > 0 and sys.stderr.isatty()

    def show(self, done: int) -> None:
        """To be called often, and at last with the total."""
        now = time.monotonic()
        if not self._is_shown or (done < self._total and now - self._drawn < _PAUSE):
            return
        self._drawn = now
        filled = _WIDTH * done // self._total
        bar = f"[{'#' * filled}{' ' * (_WIDTH - filled)}] {100 * done // self._total:3}%  {done:,} of {self._total:,}"
        sys.stderr.write(f"\r{bar}" if done < self._total else f"\r{' ' * len(bar)}\r")
        sys.stderr.flush()
