"""Reads from usage texts, as docopt does, which options and arguments a verb takes. Pure."""

from __future__ import annotations

import re

_VERB = re.compile(r"^  ([a-z][a-z0-9-]*) {2,}(\S.*)$", re.MULTILINE)
_OPTION = re.compile(r"^  (?:(-\w)(?:,? |$))?(?:(--[a-z][a-z0-9-]*)(?:=(\S+))?)?(?: {2,}(.*))?$")
_ARGUMENT = re.compile(r"(?<![=\w-])<([a-z-]+)>(\]?\.\.\.)?")
_DEFAULT = re.compile(r" *\[default: .*\]\.?")
_CONTINUED = " " * 10  # the least indentation of a line that continues the option above it

# What to offer for a name in a usage text: files, directories, something that git knows, or some words.
FILES, DIRECTORIES, REMOTES, REPOSITORIES, CLUSTERS = "files", "directories", "remotes", "repositories", "clusters"
_KINDS = {
    "FILE": FILES,
    "PATH": FILES,
    "file": FILES,
    "chart": FILES,
    "key": FILES,
    "DIR": DIRECTORIES,
    "directory": DIRECTORIES,
    "remote": REMOTES,
    "gateway": REMOTES,
    "node": REMOTES,
    "repository": REPOSITORIES,
    "cluster": CLUSTERS,
    "old": CLUSTERS,
}
_GROUPS = "archive backup client incrementalbackup manual public smallarchive source transfer unwanted"
_WORDS = {"FORM": "combined json", "shell": "bash zsh fish", "group": _GROUPS}


class Value:
    """A value to be given: its name; its kind, empty if unknown; and the words that it can be, empty if it can be
    others too."""

    __slots__ = ("kind", "name", "words")

    def __init__(self, name: str) -> None:
        self.name = name
        self.kind = _KINDS.get(name, "")
        self.words = _WORDS.get(name, "").split()


class Option:
    """An option. `short` or `long` is empty if it has no such form; `value` is None if it takes no value."""

    __slots__ = ("long", "short", "text", "value")

    def __init__(self, short: str, long: str, value: Value | None, text: str) -> None:
        self.short = short
        self.long = long
        self.value = value
        self.text = text

    @property
    def names(self) -> list[str]:
        return [name for name in (self.short, self.long) if name]


class Verb:
    """A verb. With `repeats`, its last argument may be repeated."""

    __slots__ = ("arguments", "name", "options", "repeats", "text")

    def __init__(self, name: str, text: str, options: list[Option], arguments: list[Value], repeats: bool) -> None:
        self.name = name
        self.text = text
        self.options = options
        self.arguments = arguments
        self.repeats = repeats


def verbs_in(usage: str) -> list[tuple[str, str]]:
    """The verbs in the overview of annexshell, each with its description there."""
    return [(match[1], match[2]) for match in _VERB.finditer(usage) if match[1] != "annexshell"]


def parse_verb(name: str, text: str, usage: str) -> Verb:
    """Reads the usage text of a verb."""
    calls = [line for line in usage.splitlines() if line.startswith("  annexshell ")]
    found = max((list(_ARGUMENT.finditer(line)) for line in calls), key=len)
    repeats = bool(found and found[-1][2])
    return Verb(name, text, _options(usage.splitlines()), [Value(match[1]) for match in found], repeats)


def _options(lines: list[str]) -> list[Option]:
    found: list[Option] = []
    open_one = False  # whether the next line may continue the text of an option
    for line in lines:
        match = _OPTION.match(line) if line.startswith("  -") else None
        if match is not None:
            value = Value(match[3].strip("<>")) if match[3] else None
            found.append(Option(match[1] or "", match[2] or "", value, match[4] or ""))
        elif open_one and line.startswith(_CONTINUED):
            found[-1].text = f"{found[-1].text} {line.strip()}"
        open_one = bool(found) and (match is not None or (open_one and line.startswith(_CONTINUED)))
    for option in found:
        option.text = _DEFAULT.sub("", option.text).strip()
    return found
