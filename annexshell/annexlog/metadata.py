"""Metadata of keys: `TIME FIELD +VALUE -VALUE FIELD …` (Logs/MetaData.hs, Types/MetaData.hs)."""

from __future__ import annotations

from binascii import Error, a2b_base64, b2a_base64
from time import gmtime, strftime

from annexshell.annexlog.lines import timed_lines, whole_seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.annexlog.lines import Clock

    Entry = dict[str, dict[bytes, bool]]

_SET, _UNSET = b"+", b"-"
_LAST_CHANGED = "lastchanged"


def parse_metadata(log: bytes) -> dict[str, set[str]]:
    """The present values of each field, by its case-folded name, with upstream's automatic fields for the times of
    changes."""
    values: dict[str, dict[bytes, bool]] = {}
    changed: dict[str, Clock] = {}
    entries = _entries(log)
    for clock, entry in entries:
        for field, found in entry.items():
            values.setdefault(field, {}).update(found)
            changed[field] = clock
    current = {name: {_text(v) for v, is_set in found.items() if is_set} for name, found in values.items()}
    current = {name: found for name, found in current.items() if found}
    if entries:
        current |= {f"{name}-{_LAST_CHANGED}": {_date(changed[name])} for name in list(current)}
        current[_LAST_CHANGED] = {_date(entries[-1][0])}
    return current


def _entries(log: bytes) -> list[tuple[Clock, Entry]]:
    """The lines, oldest first. Among equal time stamps, upstream sorts by fields and values, and keeps only one line
    about the very same ones."""
    entries = {}
    for clock, words in timed_lines(log):
        entry = _parse_entry(words)
        named = tuple((field, tuple(sorted(entry[field]))) for field in sorted(entry))
        entries[clock, named] = (clock, entry)
    return [entries[key] for key in sorted(entries)]


def _parse_entry(words: bytes) -> Entry:
    """Reads the fields of a line: the values of each, and whether they are set or unset."""
    entry: Entry = {}
    field = None
    for word in words.split(b" "):
        value: bytes | None = None if field is None else _parse_value(word)
        if field is not None and value is not None:
            entry.setdefault(field, {})[value] = word[:1] == _SET
        else:
            field = _text(word).casefold()
    return entry


def _parse_value(word: bytes) -> bytes | None:
    """Reads a value behind its sign; one that begins with `!` is in base 64."""
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


def _date(clock: Clock) -> str:
    seconds = whole_seconds(clock)
    try:
        return "" if seconds is None else strftime("%Y-%m-%d@%H-%M-%S", gmtime(seconds))
    except (OverflowError, OSError, ValueError):  # the clock was off by millions of years
        return ""
