"""gcryptsetup: marks a bare repository as one that git-remote-gcrypt uses (Command/GCryptSetup.hs)."""

from __future__ import annotations

import os

from annexshell.errors import BadUsage
from annexshell.git.config import set_config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.context import Invocation


def run(invocation: Invocation) -> int:
    """Gives the repository an id; it may have it already, but no other one."""
    if len(invocation.words) != 1:
        raise BadUsage("bad parameters: gcryptsetup needs a gcrypt id")
    (gcrypt_id,) = invocation.words
    if invocation.uuid:
        raise BadUsage("cannot set gcrypt-id of a non-gcrypt repository: it is a git-annex repository already")
    if not invocation.config.flag("core.bare", False):
        raise BadUsage("gcryptsetup only works in a bare repository")
    if invocation.gcrypt_id not in (b"", os.fsencode(gcrypt_id)):
        raise BadUsage("gcrypt-id mismatch: the repository has another one")
    set_config(invocation.git, "core.gcrypt-id", os.fsencode(gcrypt_id))
    set_config(invocation.git, "receive.denynonfastforwards", b"false")
    return 0
