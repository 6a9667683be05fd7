"""Opening a repository that lies on this machine, by its path."""

from __future__ import annotations

import os

from annexshell.errors import NotARepository
from annexshell.git.config import read_config
from annexshell.git.paths import locate
from annexshell.git.program import Git
from annexshell.repo.local.parts import Parts
from annexshell.repo.local.repository import LocalRepository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.disk.spawn import Environment


def open_local(directory: bytes, env: Environment, client: bytes, warn: Callable[[str], None]) -> LocalRepository:
    """The repository at an absolute path, with its own config and locks. Raises NotARepository, ChildFailed."""
    return LocalRepository(open_parts(directory, env, warn), client)


def open_parts(directory: bytes, env: Environment, warn: Callable[[str], None]) -> Parts:
    """The same without a client. Raises NotARepository, ChildFailed."""
    paths = locate(directory)
    git = Git(paths.git_dir, env)
    config = read_config(git)
    if config.get("annex.uuid") is None:
        what = "is not a git-annex repository"
        raise NotARepository(f"{os.fsdecode(directory)} {what}", f"this {what}")
    return Parts(paths, config, git, warn)
