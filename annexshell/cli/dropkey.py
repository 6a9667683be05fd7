"""dropkey: removes the content of keys, without checking how many copies are left (Command/DropKey.hs).

Removals are recorded in the journal, which the next session commits, as upstream does.
"""

from __future__ import annotations

from annexshell.cli.inannex import parse_keys
from annexshell.errors import AnnexshellError, BadUsage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.context import Invocation


def run(invocation: Invocation) -> int:
    """Returns 0 if all keys are gone, whether or not they were here. A key that can't be removed does not keep the
    others from being removed."""
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
