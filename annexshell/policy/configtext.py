"""Settings as a text to be edited, in the form of `git annex vicfg`: lines `SETTING FIELD = VALUE`. Pure.

Upstream: Command/Vicfg.hs. To delete a line, or to make it a comment, resets what it sets, if that has a default.

What comes from logs may be hostile, so it is shown as one line without anything that a terminal would obey. Such a
value does not survive the trip through the text; but it does not count as changed by the user either, because the
edited text is compared with the text that was shown, and not with the logs.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Check = Callable[[str, str], str]  # (field, value) to the value to be recorded; raises Mistake
    Values = dict[tuple[str, str], str]  # by setting and field

_HEADER = (
    "# ** There was a problem parsing your input!",
    '# ** Search for "Parse error" to find the bad lines.',
    "# ** Either fix the bad lines, or delete them (to discard your changes).",
)
_ERROR = "# ** Parse error in next line: "


class Mistake(ValueError):
    """A mistake in a line."""


class Mistakes(ValueError):
    """Mistakes in a text. `text` is the same text with comments that explain them; `summary` has a line for each."""

    def __init__(self, text: str, summary: list[str]) -> None:
        super().__init__("\n".join(summary))
        self.text = text
        self.summary = summary


class Entry:
    """One setting of one field. Without a `value`, its line is a comment with the default. `about` explains the field
    to people, if need be."""

    __slots__ = ("about", "default", "field", "setting", "value")

    def __init__(self, setting: str, field: str, value: str | None, default: str = "", about: str = "") -> None:
        self.setting = setting
        self.field = field
        self.value = value
        self.default = default
        self.about = about

    def lines(self) -> list[str]:
        about = [f"# (for {shown(self.about)})"] if self.about else []
        value = self.default if self.value is None else self.value
        line = f"{'#' if self.value is None else ''}{self.setting} {self.field} = {shown(value)}"
        return [*about, line]


def can_be_shown(field: str) -> bool:
    """Whether a field can be written in a line."""
    return field.isprintable() and field == shown(field) != "" and not set(field) & set("=# \t")


def shown(text: str) -> str:
    """A text made safe as a part of one line."""
    return "".join(c if c.isprintable() or "\udc80" <= c <= "\udcff" else " " for c in text)


def text_of(sections: Iterable[tuple[Iterable[str], Iterable[Entry]]]) -> str:
    """Writes sections, each as comments and then settings: first those with a value, sorted by it."""
    blocks = []
    for heading, entries in sections:
        lines = [f"# {line}".rstrip() for line in heading]
        for entry in sorted(entries, key=lambda e: (e.value is None, e.value or "", e.field)):
            lines += entry.lines()
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def parse(text: str, checks: Mapping[str, Check], before: Values) -> Values:
    """Reads the settings in a text. Values that are the same as `before` are not checked: anybody may have pushed them,
    and the user is not to blame. Raises Mistakes."""
    values: Values = {}
    lines: list[str] = []
    summary = []
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        if line.startswith((_ERROR, *_HEADER)):
            continue
        try:
            found = _line(line)
            if found is not None:
                place, value = found
                if place in values:
                    raise Mistake(f"{place[0]} of {place[1]} is set twice")
                values[place] = value if before.get(place) == value else _checked(checks, *place, value)
        except Mistake as mistake:
            lines.append(_ERROR + shown(str(mistake)))
            summary.append(f"line {number}: {shown(str(mistake))}: {shown(line)}")
        lines.append(line)
    if summary:
        raise Mistakes("\n".join([*_HEADER, *lines, ""]), summary)
    return values


def values_of(text: str) -> Values:
    """Reads the settings in a text that we wrote."""
    lines = map(_line, text.split("\n"))
    return dict(found for found in lines if found is not None)


def _checked(checks: Mapping[str, Check], setting: str, field: str, value: str) -> str:
    if setting not in checks:
        raise Mistake(f'unknown setting "{setting}"')
    return checks[setting](field, value)


def _line(line: str) -> tuple[tuple[str, str], str] | None:
    line = line.strip()
    if not line or line.startswith("#"):
        return None
    setting, *rest = line.split(None, 1)
    field, equals, value = "".join(rest).partition("=")
    if not field.strip() or not equals:
        raise Mistake("missing field")
    return (setting, field.strip()), value.strip()


def changes(before: Values, after: Values, defaults: Mapping[str, str]) -> Values:
    """The settings that differ. A line that is gone means the default of its setting, or no change without one."""
    changed = {place: value for place, value in after.items() if before.get(place) != value}
    for place in before.keys() - after.keys():
        default = defaults.get(place[0])
        if default is not None and before[place] != default:
            changed[place] = default
    return changed
