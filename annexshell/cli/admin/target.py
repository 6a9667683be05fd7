"""The repository that a verb is about: the one at --repo, or else around the current directory."""

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

    from annexshell.cli.admin.options import Options
    from annexshell.git.config import Config
    from annexshell.git.paths import GitPaths

OPTIONS = """\
Options:
  --repo=<directory>  The repository, if not the one in the current directory.
  -q --quiet          Print only warnings and results.
  -h --help           Show this."""


def find(directory: str | None, as_owner: bool = False) -> tuple[GitPaths, Git, Config]:
    """Finds the repository of a directory, the current one if None, and reads its git config. With `as_owner`, root
    first becomes the repository's owner, for good. Raises NotARepository, ChildFailed."""
    paths = _locate(os.path.abspath(os.fsencode(directory or ".")))
    if as_owner:
        become_owner(paths)
    git = Git(paths.git_dir, child_environment())
    config = read_config(git)
    paths.use_work_tree(config.get("core.worktree"))
    return paths, git, config


def _locate(directory: bytes) -> GitPaths:
    """Searches upwards from an existing directory, as git does."""
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
def opened(options: Options, announce: bool = True) -> Iterator[Parts]:
    """Opens the repository to change it; root does so as its owner. At the end, what was recorded is committed, which
    is announced as git-annex does. Raises NotARepository if it is not initialised."""
    parts = _parts(*find(options.given("--repo"), as_owner=True))
    announce = announce and not options.flag("--quiet")
    try:
        yield parts
    except KeyboardInterrupt:  # no time for a commit: what was recorded is safe in the journal
        parts.git.close()
        raise
    except BaseException:
        finish(parts, announce)
        raise
    finish(parts, announce)


@contextmanager
def looked_at(options: Options) -> Iterator[Parts]:
    """Opens the repository to look at it. Nothing is changed, except that its owner keeps what took long to compute.
    Raises NotARepository if it is not initialised."""
    paths, git, config = find(options.given("--repo"))
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
    """Commits what was recorded and closes the repository."""
    if announce and parts.journal.names() and parts.config.flag("annex.alwayscommit", True):
        say("(recording state in git...)")
    close(parts, changed=False)
