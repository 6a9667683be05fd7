"""The repository that a verb is about: the one around the current directory, or that of --repo."""

from __future__ import annotations

import os
from contextlib import contextmanager

from annexshell.cli.admin.owner import become_owner, is_mine
from annexshell.cli.admin.progress import LINE
from annexshell.cli.admin.report import say, warn
from annexshell.cli.context import child_environment
from annexshell.errors import NotARepository
from annexshell.git.config import read_config
from annexshell.git.paths import locate
from annexshell.git.program import Git
from annexshell.repo.local.closing import close
from annexshell.repo.local.parts import Parts, Use

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from annexshell.git.config import Config
    from annexshell.git.paths import GitPaths

OPTIONS = """\
Options:
  --repo=<directory>  The repository; otherwise that of the current directory.
  -q --quiet          Say only what may be news.
  -h --help           Show this."""


def find(options: dict[str, Any], as_owner: bool = False) -> tuple[GitPaths, Git, Config]:
    """Finds the repository and reads its git config; from then on root is its owner if that is asked for. Raises
    NotARepository, ChildFailed."""
    paths = _locate(os.path.abspath(os.fsencode(options["--repo"] or ".")))
    if as_owner:
        become_owner(paths)
    git = Git(paths.git_dir, child_environment())
    config = read_config(git)
    paths.use_work_tree(config.get("core.worktree"))
    return paths, git, config


def _locate(directory: bytes) -> GitPaths:
    """As git does it, searches upwards from a directory that is there."""
    top = directory
    while os.path.isdir(directory):
        try:
            return locate(top)
        except NotARepository:
            if top == os.path.dirname(top):
                break
            top = os.path.dirname(top)
    raise NotARepository(f"{os.fsdecode(directory)} is not in a git repository")


@contextmanager
def opened(options: dict[str, Any], announce: bool = True) -> Iterator[Parts]:
    """The repository in use, by its owner if root uses it; what was recorded is committed at the end, which is
    announced as git-annex does. Raises NotARepository for one that is not initialised."""
    parts = _parts(*find(options, as_owner=True))
    announce = announce and not options["--quiet"]
    try:
        yield parts
    except KeyboardInterrupt:  # who wants to end does not want to wait; what was recorded is in the journal
        parts.git.close()
        raise
    except BaseException:
        finish(parts, announce)
        raise
    finish(parts, announce)


@contextmanager
def looked_at(options: dict[str, Any]) -> Iterator[Parts]:
    """The repository for a look, which changes nothing; only its owner keeps what took long to find out. Raises
    NotARepository as `opened` does."""
    paths, git, config = find(options)
    parts = _parts(paths, git, config, looks_only=not is_mine(paths))
    try:
        yield parts
    finally:
        parts.git.close()


def _parts(paths: GitPaths, git: Git, config: Config, looks_only: bool = False) -> Parts:
    if not config.get("annex.uuid"):
        raise NotARepository("First run: annexshell init")
    return Parts(paths, config, git, Use(warn, LINE.show, looks_only))


def finish(parts: Parts, announce: bool) -> None:
    """Ends the use of a repository."""
    if announce and parts.journal.names() and parts.config.flag("annex.alwayscommit", True):
        say("(recording state in git...)")
    close(parts, changed=False)
