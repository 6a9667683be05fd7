"""Whether git calls git-annex where it should, and can commit. The checks are pure; `look` gathers the facts."""

from __future__ import annotations

from annexshell.cli.admin.watching.doctor.finding import ERROR, OK, WARNING, Finding
from annexshell.repo.initialization.identity import has_identity
from annexshell.repo.initialization.smudging import dangling, lacks_filter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from annexshell.git.config import Config
    from annexshell.git.paths import GitPaths
    from annexshell.git.program import Git
    from annexshell.repo.initialization.smudging import Dangling


class Working:
    """Facts. `dangling` names what calls a git-annex that is not installed; `lacks_filter` is whether nothing calls one
    that is; `identity` is whether git knows who commits."""

    __slots__ = ("dangling", "identity", "lacks_filter")

    def __init__(self, dangling: Dangling, lacks_filter: bool, identity: bool) -> None:
        self.dangling = dangling
        self.lacks_filter = lacks_filter
        self.identity = identity


def look(paths: GitPaths, git: Git, config: Config) -> Working:
    """Looks with the PATH of this process, which may differ from that of a session. Raises OSError, ChildFailed."""
    return Working(
        dangling(paths, git, config),
        lacks_filter(git, config),
        has_identity(git, config),
    )


def check_filter(working: Working) -> Iterator[Finding]:
    """Whether git calls git-annex for the work tree if it is installed, and only then."""
    found = working.dangling
    if found.filter or found.hooks:
        text = "git calls git-annex, which is not there, so that git status, add, commit or checkout fail"
        yield Finding("filter", ERROR, f"{text}; install git-annex, or have git do without it: annexshell init")
    elif working.lacks_filter:
        text = "git does not know that git-annex is there, for unlocked files and at commits"
        yield Finding("filter", WARNING, f"{text}; use: annexshell init")
    else:
        yield Finding("filter", OK, "git calls git-annex only if that is there")
    for name in found.others:
        text = f"the {name} hook calls git-annex, which is not there"
        yield Finding("filter", WARNING, f"{text}; install git-annex, or edit it")


def check_committer(working: Working) -> Iterator[Finding]:
    """Whether people and git-annex can commit here. Our sessions can: they make up an identity if there is none."""
    if working.identity:
        yield Finding("committer", OK, "git knows who commits")
    else:
        text = "git does not know who commits, so that git-annex can't commit here"
        remedy = "git config user.name NAME; git config user.email ADDRESS"
        yield Finding("committer", WARNING, f"{text}; use: {remedy}")
