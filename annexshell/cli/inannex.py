"""inannex: whether keys are present, as an exit code (Command/InAnnex.hs)."""

from __future__ import annotations

import os

from annexshell.errors import BadKey, BadUsage, doing
from annexshell.model.key import parse_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.context import Invocation
    from annexshell.model.key import Key

_ABSENT, _UNSURE = 1, 100


def run(invocation: Invocation) -> int:
    """Returns 0 if all keys are present; otherwise, for the first one that is not, 1 if it is absent or 100 if it is
    being removed, so that nobody can tell."""
    parts = invocation.parts()
    for key in parse_keys(invocation.words):
        with doing("looking for the content"):
            path = parts.contents.objects.locate(key)
            if path is None or not parts.contents.objects.holds_content(key, path):
                return _ABSENT
            if parts.contents.locks().is_being_removed(path):
                return _UNSURE
    return 0


def parse_keys(words: list[str]) -> list[Key]:
    """The keys that a command was given. Raises BadUsage."""
    keys = []
    for word in words:
        try:
            keys.append(parse_key(os.fsencode(word)))
        except BadKey:
            raise BadUsage(f"bad key {word!r}") from None
    return keys
