"""Sizes and durations as verbs show them to people."""

from __future__ import annotations

_MOST_SHOWN = 10**45  # bytes: keys and logs may say any size, which need not even be a float


def in_bytes(number: int) -> str:
    """A size for a person."""
    size, unit = float(min(number, _MOST_SHOWN)), 0
    while size >= 999.5 and unit < 5:
        size, unit = size / 1000, unit + 1
    return f"{size:.3g} {('B', 'kB', 'MB', 'GB', 'TB', 'PB')[unit]}"


def in_time(seconds: float) -> str:
    """A duration for a person."""
    for name, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {name}"
    return f"{seconds:.0f} seconds"
