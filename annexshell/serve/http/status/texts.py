"""Text as the page shows it. What others chose (names, descriptions, keys) comes out harmless."""

from __future__ import annotations

from html import escape

from annexshell.model.amounts import shown_size
from annexshell.model.show import visible

_LONGEST = 200  # characters


def safe(text: str, longest: int = _LONGEST) -> str:
    """A text that somebody else chose: it begins no element, moves nothing around and is no longer than that."""
    return escape(visible(text, longest))


def size(count: float | None) -> str:
    return "" if count is None else shown_size(int(count), 1 if 1000 <= count < 10_000_000_000_000 else 0)


def rate(per_second: float) -> str:
    return f"{size(per_second)}/s"


def duration(seconds: float) -> str:
    """Roughly, in the unit that fits."""
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{max(seconds, 0):.0f} s"


def count(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"
