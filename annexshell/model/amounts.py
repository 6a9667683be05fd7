"""Sizes, durations and numbers: the one parser of each, as git-annex reads them. Pure.

Upstream: Utility/DataUnits.hs, Utility/HumanTime.hs, and what Haskell takes for a number: unlike Python it knows no
sign `+`, no bare point and no underscores. git's own settings, such as core.bigFileThreshold, have git's units and
belong to git. No regular expressions, since sessions would pay for their import.
"""

from __future__ import annotations

_DIGITS = "0123456789"
_PREFIXES = {"0x": (16, _DIGITS + "abcdefABCDEF"), "0o": (8, "01234567")}
_MOST_DIGITS = 300  # of a whole number; int() takes time that is quadratic in them
_LARGEST = 10**_MOST_DIGITS
_MOST_SHOWN = 10**45  # bytes: keys and logs may say any size, which need not even be a float
_INFINITE = 1 << 1024  # bytes; what upstream makes of a number that no float can hold

_NAMES = "kilo mega giga tera peta exa zetta yotta ronna quetta".split()
_LESS_USUAL = 8  # of them have a binary counterpart, such as kibi, and are used for bits
_DURATIONS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "y": 31536000}  # seconds


def _units() -> dict[str, int]:
    """Bytes by the name of a unit, in lower case. Only long names have a plural."""
    short, long = {"": 1, "b": 1}, {"byte": 1}
    for power, name in enumerate(_NAMES, 1):
        letter, binary = name[0], name[:2] + "bi"
        short |= {letter: 1000**power, letter + "b": 1000**power}
        long[name + "byte"] = 1000**power
        if power <= _LESS_USUAL:
            short |= {letter + "i": 1024**power, letter + "ib": 1024**power, letter + "bit": 1000**power // 8}
            long |= {binary + "byte": 1024**power, name + "bit": 1000**power // 8}
    return short | long | {name + "s": size for name, size in long.items()}


_UNITS = _units()


class _Number:
    """A number at the beginning of a text: its digits in a base, with point and exponent if it has any, and where it
    ends."""

    __slots__ = ("base", "digits", "end", "negative")

    def __init__(self, text: str) -> None:
        start = _skip_blanks(text, 0)
        self.negative = text[start : start + 1] == "-"
        if self.negative:
            start = _skip_blanks(text, start + 1)
        self.base, characters = _PREFIXES.get(text[start : start + 2].lower(), (10, ""))
        self.end = _skip(text, start + 2, characters) if characters else 0
        if self.end > start + 2:
            start += 2
        else:
            self.base, self.end = 10, _end_of_decimal(text, start)
        self.digits = text[start : self.end]

    def is_whole(self) -> bool:
        return self.base != 10 or (self.digits.isdigit() and self.digits != "")

    def integer(self) -> int:
        """Saturates."""
        digits = self.digits.lstrip("0") or "0"
        value = int(digits, self.base) if len(digits) <= _MOST_DIGITS else _LARGEST
        return -value if self.negative else value

    def real(self) -> float:
        value = float(self.digits if self.base == 10 else min(abs(self.integer()), _LARGEST))
        return -value if self.negative else value


def _skip(text: str, start: int, characters: str) -> int:
    """Where the characters end that begin there."""
    return len(text) - len(text[start:].lstrip(characters))


def _skip_blanks(text: str, start: int) -> int:
    return len(text) - len(text[start:].lstrip())


def _end_of_decimal(text: str, start: int) -> int:
    """Where the decimal number ends that begins there; `start` if there is none."""
    end = _skip(text, start, _DIGITS)
    if end == start:
        return start
    if text[end : end + 1] == ".":
        fraction = _skip(text, end + 1, _DIGITS)
        end = fraction if fraction > end + 1 else end
    if text[end : end + 1] in ("e", "E"):
        begin = end + 1 + (text[end + 1 : end + 2] in ("+", "-"))
        exponent = _skip(text, begin, _DIGITS)
        end = exponent if exponent > begin else end
    return end


def leading_integer(text: str) -> int | None:
    """The whole number that a text begins with, whatever follows; None if there is none. Over 300 digits are too many
    to be told from each other."""
    number = _Number(text)
    return number.integer() if number.is_whole() else None


def parse_number(text: str) -> float | None:
    """The number that a text is, or None."""
    number = _Number(text)
    return number.real() if number.digits and not text[number.end :].strip() else None


def parse_size(text: str) -> int | None:
    """A size such as `10`, `1.5GB`, `10k` or `3 mebibytes` in bytes, or None. Case doesn't matter, and neither does
    what follows the unit if it is no letter."""
    number = _Number(text)
    if not number.digits:
        return None
    rest = text[number.end :].lstrip()
    length = next((i for i, character in enumerate(rest) if not character.isalpha()), len(rest))
    unit = _UNITS.get(rest[:length].lower())
    if unit is None:
        return None
    try:  # upstream, too, computes with the precision of a float
        return round(number.real() * unit)
    except OverflowError:
        return -_INFINITE if number.negative else _INFINITE


def parse_duration(text: str) -> float | None:
    """Seconds, of a text such as `90`, `5m`, `1h30m` or `1.5d`, or None; fractions are our own addition."""
    seconds, rest = 0.0, text
    while rest:
        end = _end_of_decimal(rest, 0)
        unit = _DURATIONS.get(rest[end : end + 1].lower() or "s")
        if not end or unit is None:
            return None
        seconds += float(rest[:end]) * unit
        rest = rest[end + 1 :]
    return seconds if text and seconds < float(_LARGEST) else None


def shown_size(size: int, places: int | None = None) -> str:
    """A size in the largest unit that it fills, for people; rounded to some decimal `places` if they are given."""
    size = max(-_MOST_SHOWN, min(size, _MOST_SHOWN))
    power, unit = next(
        (
            (power, unit)
            for power, unit in reversed(list(enumerate("BkMGTPEZYRQ")))
            if abs(size) >= 1000**power or not power
        )
    )
    number = size / 1000**power
    return f"{number if places is None else round(number, places or None)} {unit if not power else unit + 'B'}"
