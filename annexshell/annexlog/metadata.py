"""Metadata of keys: `TIME FIELD +VALUE -VALUE FIELD …` (Logs/MetaData.hs, Types/MetaData.hs)."""

from __future__ import annotations

from binascii import Error, a2b_base64, b2a_base64
from time import gmtime, strftime

from annexshell.annexlog.lines import timed_lines

_SET, _UNSET = b"+", b"-"
_LAST_CHANGED = "lastchanged"


def parse_metadata(log: bytes) -> dict[str, set[str]]:
    """What each field is set to now, by its case-folded name; with upstream's automatic fields that tell when."""
    values: dict[str, dict[bytes, bool]] = {}
    changed: dict[str, int] = {}
    entries = sorted(timed_lines(log))
    for clock, words in entries:
        field = None
        for word in words.split(b" "):
            value: bytes | None = None if field is None else _parse_value(word)
            if field is not None and value is not None:
                values.setdefault(field, {})[value] = word[:1] == _SET
                changed[field] = clock[0]
            else:
                field = _text(word).casefold()
    current = {name: {_text(v) for v, is_set in found.items() if is_set} for name, found in values.items()}
    current = {name: found for name, found in current.items() if found}
    if entries:
        current |= {f"{name}-{_LAST_CHANGED}": {_date(changed[name])} for name in list(current)}
        current[_LAST_CHANGED] = {_date(entries[-1][0][0])}
    return current


def _parse_value(word: bytes) -> bytes | None:
    """A value with its sign; one that begins with `!` is in base 64."""
    if word[:1] not in (_SET, _UNSET):
        return None
    if word[1:2] != b"!":
        return word[1:]
    try:
        value = a2b_base64(word[2:])
    except Error:
        return None
    return value if b2a_base64(value, newline=False) == word[2:] else None


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _date(seconds: int) -> str:
    try:
        return strftime("%Y-%m-%d@%H-%M-%S", gmtime(seconds))
    except (OverflowError, OSError, ValueError):  # a clock that is off by millions of years
        return ""
