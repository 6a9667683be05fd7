"""A terminal that is redrawn again and again, and left as it was found."""

from __future__ import annotations

import os
import select
import signal
import termios
import tty
import unicodedata

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, TracebackType

_BEGIN = "\x1b[?1049h\x1b[?25l"  # the alternate screen, and no cursor
_END = "\x1b[?25h\x1b[?1049l"
_HOME, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
_QUIT = frozenset(b"qQ\x03\x04")
_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Screen:
    """The terminal of standard input and output, taken over within a `with`. Signals that would kill the program raise
    SystemExit there, so that the terminal is restored."""

    def __enter__(self) -> Screen:
        self._modes = termios.tcgetattr(0)
        self._wakeup = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._before = {number: signal.signal(number, _end) for number in _ENDING}
        self._before[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, lambda _number, _frame: None)
        self._fd_before = signal.set_wakeup_fd(self._wakeup[1], warn_on_full_buffer=False)
        try:
            tty.setcbreak(0)
            _write(_BEGIN)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            termios.tcsetattr(0, termios.TCSADRAIN, self._modes)
            _write(_END)
        except (OSError, termios.error):
            pass  # the terminal is gone
        signal.set_wakeup_fd(self._fd_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        for fd in self._wakeup:
            os.close(fd)

    def show(self, lines: list[str]) -> None:
        """Draws the lines, as many and as much of each as fit."""
        width, height = os.get_terminal_size(1)
        shown = lines[:height]
        if len(lines) > height > 1:
            shown[-1] = f"... and {len(lines) - height + 1} more lines"
        text = "\n".join(_cut(line, width) + _CLEAR_LINE for line in shown)
        _write(_HOME + text + _CLEAR_BELOW)

    def wait(self, seconds: float) -> bool:
        """Waits, or until the window changes its size. Returns False if the user wants to end."""
        ready, _, _ = select.select([0, self._wakeup[0]], [], [], seconds)
        if self._wakeup[0] in ready:
            os.read(self._wakeup[0], 1000)
        if 0 in ready:
            keys = os.read(0, 1000)
            return bool(keys) and not _QUIT.intersection(keys)
        return True


def _end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0 if number == signal.SIGINT else 128 + number)


def _cut(line: str, width: int) -> str:
    """The part of a line that fits into so many columns."""
    used = 0
    for place, character in enumerate(line):
        used += _columns(character)
        if used > width:
            return line[:place]
    return line


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Cf", "Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _write(text: str) -> None:
    data = os.fsencode(text)
    while data:
        data = data[os.write(1, data) :]
