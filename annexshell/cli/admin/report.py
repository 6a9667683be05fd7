"""What verbs print. Those that git-annex has too print the same lines, since scripts read them."""

from __future__ import annotations

import os
import sys

from annexshell.cli.admin.progress import LINE
from annexshell.model.show import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType


_BYTES = "".join(map(chr, range(0xDC80, 0xDD00)))  # os.fsdecode makes these of bytes that are not UTF-8


def safe(text: str, keep: str = "") -> str:
    """Makes text from a repository or a user safe for a terminal. Control characters are left out, as git-annex does
    (Utility/SafeOutput.hs)."""
    shown = "".join(c for c in text if c in "\n\t" or not (c < " " or "\x7f" <= c <= "\x9f"))
    return visible(shown, None, "\n\t" + keep)


def say(text: str, end: str = "\n", keep: str = "") -> None:
    """Prints to standard output. The characters in `keep` are not escaped."""
    LINE.clear()
    sys.stdout.flush()
    sys.stdout.buffer.write(os.fsencode(safe(text, keep) + end))
    sys.stdout.buffer.flush()


def warn(text: str) -> None:
    """Prints a warning; the verb goes on."""
    LINE.clear()
    sys.stderr.buffer.write(os.fsencode(f"  {safe(text)}\n"))
    sys.stderr.buffer.flush()


class Action:
    """Prints `VERB WHAT ok` when something is done, or `failed` when it raises. With `quiet`, nothing is printed."""

    def __init__(self, verb: str, what: str, quiet: bool = False) -> None:
        self._start = f"{verb} {what} "
        self._quiet = quiet

    def __enter__(self) -> Action:
        self._say(self._start, end="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._say("ok" if error is None else "\nfailed")

    def warn(self, text: str) -> None:
        """Prints a warning on a line of its own."""
        self._say("")
        warn(text)

    def _say(self, text: str, end: str = "\n") -> None:
        if not self._quiet:
            say(text, end, _BYTES)  # git-annex prints a name as it was given, even if it is not UTF-8
