"""configlist: tells a client the repository's uuid, and initialises a repository that has none
(Command/ConfigList.hs)."""

from __future__ import annotations

import os
import sys

from annexshell.cli.context import refuse_words
from annexshell.errors import BadUsage, doing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.context import Invocation


def run(invocation: Invocation) -> int:
    """Prints two lines. A repository without a uuid gets one if the client asks for it, or if somebody has pushed a
    git-annex branch: then git-annex is used there already."""
    refuse_words(invocation)
    uuid = invocation.uuid or _initialize(invocation)
    sys.stdout.buffer.write(b"annex.uuid=%b\ncore.gcrypt-id=%b\n" % (uuid, invocation.gcrypt_id))
    return 0


def _initialize(invocation: Invocation) -> bytes:
    from annexshell.repo.initialization.initialize import has_sibling, initialize_once

    if "autoinit" not in invocation.fields and not has_sibling(invocation.git):
        return b""
    if os.environ.get("GIT_ANNEX_SHELL_READONLY"):
        raise BadUsage("Action blocked by GIT_ANNEX_SHELL_READONLY")
    try:
        with doing("initializing the repository"):
            return initialize_once(invocation.paths, invocation.git, invocation.config, invocation.warn)
    finally:
        invocation.git.close()
