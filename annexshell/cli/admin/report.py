"""What verbs print: the same lines as git-annex's commands of their names, since scripts read them."""

from __future__ import annotations

import os
import sys

from annexshell.cli.admin.progress import LINE
from annexshell.model.show import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType


_BYTES = "".join(map(chr, range(0xDC80, 0xDD00)))  # what is no UTF-8


def safe(text: str, keep: str = "") -> str:
    """Text that came from a repository or a user, fit to be shown. Control characters are left out as git-annex does
    (Utility/SafeOutput.hs)."""
    shown = "".join(c for c in text if c in "\n\t" or not (c < " " or "\x7f" <= c <= "\x9f"))
    return visible(shown, None, "\n\t" + keep)


def say(text: str, end: str = "\n", keep: str = "") -> None:
    """Prints to standard output. What is to `keep` is not escaped."""
    LINE.clear()
    sys.stdout.flush()
    sys.stdout.buffer.write(os.fsencode(safe(text, keep) + end))
    sys.stdout.buffer.flush()


def warn(text: str) -> None:
    """Tells a person of something that does not keep the verb from going on."""
    LINE.clear()
    sys.stderr.buffer.write(os.fsencode(f"  {safe(text)}\n"))
    sys.stderr.buffer.flush()


class Action:
    """One thing being done: `VERB WHAT ok`, or `failed` and an exception. Nothing of that is printed with `quiet`."""

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
        """As the function, on a line of its own."""
        self._say("")
        warn(text)

    def _say(self, text: str, end: str = "\n") -> None:
        if not self._quiet:
            say(text, end, _BYTES)  # as git-annex repeats what it was given
