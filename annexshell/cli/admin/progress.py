"""A progress line for people who wait at a terminal: on standard error, and erased when the work is done."""

from __future__ import annotations

import os
import sys
import time

from annexshell.cli.admin.amounts import in_time
from annexshell.model.show import visible

_WIDTH = 30  # characters of the bar
_USUAL = 80  # columns, if the terminal does not say
_PAUSE = 0.1  # seconds between two drawings
_ESTIMATE = 3.0  # seconds before which a guess at the remaining time would be worth nothing


class Progress:
    """The progress line. There is one terminal, so there is one instance: `LINE`."""

    def __init__(self) -> None:
        self.is_on = False
        self._what = ""
        self._began = self._drawn = 0.0  # monotonic seconds
        self._length = 0  # characters that are on the screen

    def turn_on(self) -> None:
        """Draws from now on, if standard error is a terminal."""
        self.is_on = sys.stderr.isatty()

    def show(self, what: str, done: int, total: int | None = None) -> None:
        """Shows how much is done; to be called often. `total` is None if unknown. The line is erased when `done`
        reaches it."""
        if not self.is_on:
            return
        now = time.monotonic()
        if total is not None and done >= total:
            if what == self._what:
                self.clear()
        elif what != self._what or now - self._drawn >= _PAUSE:
            if what != self._what:
                self._what, self._began = what, now
            self._drawn = now
            self._draw(_text(what, done, total, now - self._began))

    def clear(self) -> None:
        """Erases the line; to be called before anything else is written."""
        if self._length:
            blank = " " * min(self._length + len("^C"), _columns() - 1)
            self._write(f"\r{blank}\r")
        self._what, self._length = "", 0

    def _draw(self, text: str) -> None:
        text = visible(text)[: _columns() - 1]
        padding = " " * (self._length - len(text))
        self._length = max(self._length, len(text))  # before writing, since ^C may interrupt that
        self._write(f"\r{text}{padding}")
        self._length = len(text)

    def _write(self, text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:  # the terminal is gone; the work goes on
            self.is_on = False


LINE = Progress()


def _columns() -> int:
    try:
        return os.get_terminal_size(2).columns or _USUAL
    except OSError:
        return _USUAL


def _text(what: str, done: int, total: int | None, seconds: float) -> str:
    if total is None:
        return f"{what}: {done:,}" if done else what
    filled = _WIDTH * done // total
    text = f"{what} [{'#' * filled}{' ' * (_WIDTH - filled)}] {100 * done // total:3}%"
    if done and seconds >= _ESTIMATE:
        text += f", {in_time(seconds * (total - done) / done)} left"
    return text
