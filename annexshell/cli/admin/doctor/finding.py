"""What a check finds, in one line for a person."""

from __future__ import annotations

OK, WARNING, ERROR = "ok", "warning", "error"
EXIT_CODES = {OK: 0, WARNING: 1, ERROR: 2}


class Finding:
    """The result of a check. The text says what is so and, unless that is well, what to do."""

    __slots__ = ("check", "status", "text")

    def __init__(self, check: str, status: str, text: str) -> None:
        self.check = check
        self.status = status
        self.text = text

    def __repr__(self) -> str:
        return f"{self.status} {self.check}: {self.text}"


def in_bytes(number: int) -> str:
    """A size for a person."""
    size, unit = float(number), 0
    while size >= 999.5 and unit < 5:
        size, unit = size / 1000, unit + 1
    return f"{size:.3g} {('B', 'kB', 'MB', 'GB', 'TB', 'PB')[unit]}"


def in_time(seconds: float) -> str:
    """A duration for a person."""
    for name, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {name}"
    return f"{seconds:.0f} seconds"
