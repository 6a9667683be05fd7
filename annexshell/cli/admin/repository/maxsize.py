"""annexshell maxsize: gets or sets how much a repository may hold, or shows how full all are."""

from __future__ import annotations

import json
import os

from annexshell.admin.preferences import Preferences
from annexshell.cli.admin.report import Action, say
from annexshell.cli.admin.target import OPTIONS, opened
from annexshell.errors import Refused
from annexshell.model.amounts import shown_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.options import Options

USAGE = f"""Gets or sets the maximum size of a repository, or shows how full all repositories are.

Usage:
  annexshell maxsize [options] [--] [<repository> [<size>]]

{OPTIONS}
  --bytes             Show sizes in bytes.
  --json              Print one line of JSON, with sizes in bytes.

SIZE is a number of bytes, or has a unit: 500GB, 1.5TiB. Only preferred content looks at it, in terms such as balanced=.
The sizes that are shown are sums over the location logs.
"""


def run(options: Options) -> int:
    """Sets the maximum, or prints it, or an overview of all."""
    name, size, in_bytes = options.given("<repository>"), options.given("<size>"), options.flag("--bytes")
    with opened(options, announce=not options.flag("--json")) as parts:
        preferences = Preferences(parts)
        if name is None and options.flag("--json"):
            _say_json([], repositories=_as_json(preferences, parts.uuid))
        elif name is None:
            _say_all(preferences, in_bytes)
        elif size is None:
            maximum = preferences.maximum(preferences.uuid_of(name))
            if options.flag("--json"):
                _say_json([name], maxsize=maximum)
            else:
                say("" if maximum is None else str(maximum) if in_bytes else shown_size(maximum))
        else:
            _set(preferences, name, size, options)
    return 0


def _set(preferences: Preferences, name: str, size: str, options: Options) -> None:
    uuid = preferences.uuid_of(name)
    with Action("maxsize", name, options.flag("--quiet") or options.flag("--json")):
        try:
            preferences.set_maximum(uuid, size)
        except Refused:
            if options.flag("--json"):
                _say_json([name, size], success=False)
            raise
    if options.flag("--json"):
        _say_json([name, size])


def _say_json(words: list[str], success: bool = True, **facts: object) -> None:
    everything = {"command": "maxsize", "error-messages": [], "input": words, "success": success, **facts}
    say(json.dumps(everything, separators=(",", ":"), sort_keys=True, ensure_ascii=False))


def _as_json(preferences: Preferences, here: bytes) -> list[dict[str, object]]:
    return [
        {
            "description": description.removesuffix("[here]").rstrip(" ") if uuid == here else description,
            "here": uuid == here,
            "size": {"maxsize": maximum, "size": size},
            "uuid": os.fsdecode(uuid),
        }
        for uuid, description, size, maximum in preferences.overview()
    ]


def _say_all(preferences: Preferences, in_bytes: bool) -> None:
    rows = preferences.overview()
    _say_row("size", "maxsize", "%full", "repository")
    for uuid, description, size, maximum in rows:
        limit = "" if maximum is None else _shown(maximum, in_bytes)
        described = f" -- {description}" if description else ""
        _say_row(_shown(size, in_bytes), limit, _fullness(size, maximum), os.fsdecode(uuid) + described)


def _shown(size: int, in_bytes: bool) -> str:
    return str(size) if in_bytes else shown_size(size, places=0)


def _say_row(size: str, maximum: str, full: str, repository: str) -> None:
    say(f"{size:>7} {maximum:>7} {full:>6}  {repository}")


def _fullness(size: int, maximum: int | None) -> str:
    if maximum is None:
        return ""
    if size > maximum:
        return ">100%"
    return f"{round(100 * size / maximum) if maximum else 0}%"
