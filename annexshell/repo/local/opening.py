"""Opening a repository that lies on this machine, by its path."""

from __future__ import annotations

import os

from annexshell.errors import NotARepository
from annexshell.git.config import read_config
from annexshell.git.paths import locate
from annexshell.git.program import Git
from annexshell.repo.local.parts import Parts, Use, always, nobody
from annexshell.repo.local.repository import LocalRepository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.disk.spawn import Environment
    from annexshell.repo.local.parts import Tell


def open_local(directory: bytes, env: Environment, client: bytes, warn: Callable[[str], None]) -> LocalRepository:
    """The repository at an absolute path, with its own config and locks. Raises NotARepository, ChildFailed."""
    return local_repository(open_parts(directory, env, warn), client)


def local_repository(parts: Parts, client: bytes) -> LocalRepository:
    """The repository that parts are those of, for a client. `client` is the uuid that transfers are shown with."""
    return LocalRepository(parts, client, _open_for)


def _open_for(directory: bytes, parts: Parts) -> LocalRepository:
    return open_local(directory, parts.git.env, parts.uuid, parts.use.warn)


def open_parts(
    directory: bytes,
    env: Environment,
    warn: Callable[[str], None],
    tell: Tell = nobody,
    looks_only: bool = False,
    may_commit: Callable[[], bool] = always,
) -> Parts:
    """The same without a client. Raises NotARepository, ChildFailed."""
    paths = locate(directory)
    git = Git(paths.git_dir, env)
    config = read_config(git)
    if config.get("annex.uuid") is None:
        what = "is not a git-annex repository"
        raise NotARepository(f"{os.fsdecode(directory)} {what}", f"this {what}")
    return Parts(paths, config, git, Use(warn, tell, looks_only, may_commit))
