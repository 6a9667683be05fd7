"""dropkey: removes the content of keys without any check of copies (Command/DropKey.hs).

What is removed is recorded in the journal and left there for the next session to commit, as upstream does.
"""

from __future__ import annotations

from annexshell.cli.inannex import parse_keys
from annexshell.errors import AnnexshellError, BadUsage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.context import Invocation


def run(invocation: Invocation) -> int:
    """0 if all keys are gone, also if they never were here; one that can't be removed does not keep the others."""
    from annexshell.repo.local.opening import local_repository

    if "--force" not in invocation.options:
        raise BadUsage("dropkey can cause data loss; use --force if you're sure you want to do this")
    repository = local_repository(invocation.parts(), b"")
    code = 0
    for key in parse_keys(invocation.words):
        try:
            repository.remove(key)
        except AnnexshellError as error:
            invocation.report(error)
            code = error.exit_code
    return code
