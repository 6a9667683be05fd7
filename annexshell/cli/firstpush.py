"""Repositories that clients make by a first push over ssh, below the directory that GIT_ANNEX_SHELL_CREATE names."""

from __future__ import annotations

import os

from annexshell.cli.context import check_directory, child_environment, created_below, warn_user
from annexshell.disk.spawn import spawn, wait
from annexshell.errors import AnnexshellError, NotARepository
from annexshell.git.config import read_config
from annexshell.git.paths import locate, repositories_below
from annexshell.git.program import Git
from annexshell.repo.initialization.creating import EMPTY_SINCE, create, hold, note_filled, remove_if_empty
from annexshell.repo.initialization.pushed import after_push, has_head

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from annexshell.disk.spawn import Environment

_OWNER = b"ssh"


def ensure(directory: str) -> None:
    """Makes the repository that a client names unless it is there, if the client may make one there. Raises Refused,
    ChildFailed, OSError."""
    path = check_directory(directory)
    try:
        locate(path, directory.endswith("/"))
        return
    except NotARepository:
        pass
    found = created_below(path)
    if found is None or os.environ.get("GIT_ANNEX_SHELL_READONLY"):
        return
    top, words = found
    env = child_environment()
    for other in repositories_below(top):
        try:
            remove_if_empty(other, env)
        except (AnnexshellError, OSError):
            continue
    create(top, words, _OWNER, None, env, warn_user)


def receive(params: Sequence[str], directory: str, env: Environment) -> int | None:
    """Runs git-shell for a push, if the repository has to be made first or looked after in the end; its exit code. None
    if git-shell may as well take our place."""
    ensure(directory)
    try:
        paths = locate(check_directory(directory), directory.endswith("/"))
        git = Git(paths.git_dir, child_environment())
        config = read_config(git)
    except (AnnexshellError, OSError):
        return None  # git-shell will say so
    if paths.work_tree is not None or (config.get(EMPTY_SINCE) is None and has_head(paths, git)):
        return None
    lock = hold(paths, config)
    try:
        code = wait(spawn(["git-shell", "-c", *params], env, stdin=0, stdout=1))
        try:
            after_push(paths, git, True, warn_user)
            note_filled(git, config)
        except (AnnexshellError, OSError) as error:
            warn_user(str(error))
    finally:
        git.close()
        if lock is not None:
            lock.release()
    return code
