"""The standard groups and what their repositories want (Types/StandardGroups.hs). Pure.

The texts are upstream's configuration, word for word: every repository of a network has to mean the same by them.
"""

from __future__ import annotations

_NOT_ARCHIVED = "not (copies=archive:1 or copies=smallarchive:1)"


def _last_resort(expression: str) -> str:
    """Most groups also want whatever has too few copies elsewhere."""
    return f"({expression}) or approxlackingcopies=1"


_CLIENT = _last_resort(f"include=* and ((exclude=*/archive/* and exclude=archive/*) or ({_NOT_ARCHIVED}))")
_ARCHIVE = _last_resort(_NOT_ARCHIVED)

STANDARD = {
    "client": _CLIENT,
    "transfer": _last_resort(f"not (inallgroup=client and copies=client:2) and ({_CLIENT})"),
    "backup": "anything",
    "incrementalbackup": _last_resort("(not copies=backup:1) and (not copies=incrementalbackup:1)"),
    "smallarchive": _last_resort(f"(include=*/archive/* or include=archive/*) and ({_ARCHIVE})"),
    "archive": _ARCHIVE,
    "source": "not (copies=1)",
    "manual": f"present and ({_CLIENT})",
    "public": "inpreferreddir",
    "unwanted": "not anything",
}
