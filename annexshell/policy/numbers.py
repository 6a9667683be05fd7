"""Numbers and sizes as git-annex reads them out of expressions and logs. Pure (Utility/DataUnits.hs)."""

from __future__ import annotations

import re

# What Haskell takes for a number. Unlike Python it knows no sign `+`, no bare point and no underscores.
_INTEGER = re.compile(r"\s*-?\s*(?:0[xX][0-9a-fA-F]+|0[oO][0-7]+|[0-9]+(?![0-9]|\.[0-9]|[eE][-+]?[0-9]))")
_DECIMAL = re.compile(r"\s*-?\s*(?:0[xX][0-9a-fA-F]+|0[oO][0-7]+|[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)")
_PREFIXES = {"0x": 16, "0o": 8}
_MAX_LENGTH = 300  # characters of a number

_DECIMAL_NAMES = "kilo mega giga tera peta exa zetta yotta ronna quetta".split()
_BINARY_NAMES = "kibi mebi gibi tebi pebi exbi zebi yobi".split()


def _units() -> dict[str, int]:
    """Bytes by the name of a unit, in lower case."""
    units = {"": 1, "b": 1, "bb": 1, "byte": 1, "bytes": 1}
    for power, name in enumerate(_DECIMAL_NAMES, 1):
        for text in (f"{name[0]}b", f"{name[0]}bb", f"{name}byte", f"{name}bytes"):
            units[text] = 1000**power
    for power, name in enumerate(_BINARY_NAMES, 1):
        for text in (f"{name[0]}ib", f"{name[0]}ibb", f"{name}byte", f"{name}bytes"):
            units[text] = 1024**power
    for power, name in enumerate(_DECIMAL_NAMES[:8], 1):
        for text in (f"{name[0]}bit", f"{name[0]}bitb", f"{name}bit", f"{name}bits"):
            units[text] = 1000**power // 8
    return units


_UNITS = _units()


def shown_size(size: int, places: int | None = None) -> str:
    """A size in the largest unit that it fills, for people; rounded to some decimal `places` if they are given."""
    power, unit = next(
        (
            (power, unit)
            for power, unit in reversed(list(enumerate("BkMGTPEZYRQ")))
            if abs(size) >= 1000**power or not power
        )
    )
    number = size / 1000**power
    return f"{number if places is None else round(number, places or None)} {unit if not power else unit + 'B'}"


def leading_integer(text: str) -> int | None:
    """The whole number that a text begins with, whatever follows; None if there is none."""
    found = _INTEGER.match(text[:_MAX_LENGTH])
    return None if found is None else int(_value(found.group()))


def parse_number(text: str) -> float | None:
    """The number that a text is, or None."""
    found = _DECIMAL.fullmatch(text.rstrip()) if len(text) <= _MAX_LENGTH else None
    return None if found is None else float(_value(found.group()))


def parse_size(text: str) -> int | None:
    """A size such as `10`, `1.5GB` or `3 mebibytes` in bytes, or None. Case doesn't matter."""
    found = _DECIMAL.match(text[:_MAX_LENGTH])
    if found is None:
        return None
    rest = text[found.end() :].lstrip()
    length = next((i for i, character in enumerate(rest) if not character.isalpha()), len(rest))
    unit = _UNITS.get(rest[:length].lower())
    try:  # upstream, too, computes with the precision of a float
        return None if unit is None else round(float(_value(found.group())) * unit)
    except OverflowError:
        return None


def _value(text: str) -> float:
    """The number in a text of one of the forms above; whole ones are exact."""
    digits = text.replace("-", " ", 1).strip() if text.lstrip().startswith("-") else text.strip()
    sign = -1 if text.lstrip().startswith("-") else 1
    base = _PREFIXES.get(digits[:2].lower())
    if base is not None:
        return sign * int(digits[2:], base)
    return sign * (int(digits) if digits.isdigit() else float(digits))
