"""Before a push to a work tree from which a git-annex was taken away."""

from __future__ import annotations

import os

from annexshell.errors import AnnexshellError
from annexshell.git.paths import locate
from annexshell.git.program import trusts
from annexshell.repo.local.opening import open_parts
from annexshell.repo.local.parts import Parts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.disk.spawn import Environment


def settle(directory: bytes, env: Environment, warn: Callable[[str], None]) -> None:
    """Has git find those unlocked files unmodified that have still the content that git-annex gave them: of files as
    young as its index it would ask the filter, and reject the push without one. `env` is without that filter. What
    fails is left for git to complain of."""
    try:
        paths = locate(directory)
        # Other programs are run here only if git, too, would work in what may be somebody else's.
        if paths.work_tree is not None and trusts(paths.work_tree, env):
            parts = open_parts(directory, env, warn)
            try:
                _settle(parts)
            finally:
                parts.git.close()
    except (AnnexshellError, OSError):
        pass


def _settle(parts: Parts) -> None:
    unlocked, top = parts.contents.unlocked(), parts.paths.work_tree
    if unlocked is not None and top is not None and unlocked.are_known():
        files = parts.git.output(b"--work-tree=" + top, "diff-files", "-z", "--name-only").split(b"\0")[:-1]
        unlocked.settle(files, os.fsdecode(parts.config.get("extensions.objectformat") or b"sha1"))
