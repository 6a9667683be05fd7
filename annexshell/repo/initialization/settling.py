"""Prepares a work tree for a push, on a host from which git-annex has been removed."""

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
    """Makes git see that unlocked files are unmodified, if they still have the content that git-annex gave them. For
    files as young as its index, git would ask the filter, and without one reject the push. `env` turns the filter
    off. Failures are left for git to report."""
    try:
        paths = locate(directory)
        # Nothing is run in a repository of another account unless git, too, would work there.
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
