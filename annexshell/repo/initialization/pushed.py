"""What a repository needs after a push that may have been its first."""

from __future__ import annotations

import os

from annexshell.disk.files import read_file
from annexshell.git.config import read_config
from annexshell.repo.initialization.initialize import has_sibling, initialize_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.git.paths import GitPaths
    from annexshell.git.program import Git

_HEADS = b"refs/heads/"
_USUAL = (b"refs/heads/main", b"refs/heads/master")
_NOT_FOR_PEOPLE = (b"refs/heads/synced/", b"refs/heads/adjusted/", b"refs/heads/views/")
_BRANCH = b"refs/heads/git-annex"


def after_push(paths: GitPaths, git: Git, may_initialize: bool, warn: Callable[[str], None]) -> None:
    """Has HEAD of a bare repository follow the first branch that was pushed, since clones would check out nothing
    otherwise; and with `may_initialize` gives a repository a uuid once git-annex uses it, as configlist does. Raises
    ChildFailed, Refused, LockTimeout, OSError."""
    if paths.work_tree is None and not has_head(paths, git):
        _follow_first_branch(git)
    if may_initialize:
        config = read_config(git)
        if not config.get("annex.uuid") and config.flag("annex.autoinit", True) and has_sibling(git):
            initialize_once(paths, git, config, warn)


def has_head(paths: GitPaths, git: Git) -> bool:
    """Whether HEAD leads to a commit."""
    text = read_file(paths.git_dir + b"/HEAD") or b""
    name = text[len(b"ref: ") :].strip()
    if text.startswith(b"ref: " + _HEADS) and os.path.isfile(paths.common_dir + b"/" + name):
        return True
    return git.succeeds("rev-parse", "--verify", "--quiet", "HEAD^{commit}")


def _follow_first_branch(git: Git) -> None:
    found = git.output("for-each-ref", "--format=%(refname)", _HEADS).splitlines()
    names = [name for name in found if name != _BRANCH and not name.startswith(_NOT_FOR_PEOPLE)]
    chosen = next((name for name in _USUAL if name in names), names[0] if names else b"")
    if chosen:
        git.output("symbolic-ref", "HEAD", chosen)
