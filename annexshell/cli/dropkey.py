"""dropkey: removes the content of keys without any check of copies (Command/DropKey.hs).

What is removed is recorded in the journal and left there for the next session to commit, as upstream does.
"""

from __future__ import annotations

from annexshell.cli.inannex import parse_keys
from annexshell.errors import BadUsage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.context import Invocation


def run(invocation: Invocation) -> int:
    """0 if all keys are gone, also if they never were here."""
    from annexshell.repo.local import LocalRepository

    if "--force" not in invocation.options:
        raise BadUsage("dropkey can cause data loss; use --force if you're sure you want to do this")
    repository = LocalRepository(invocation.parts(), b"")
    for key in parse_keys(invocation.words):
        repository.remove(key)
    return 0
