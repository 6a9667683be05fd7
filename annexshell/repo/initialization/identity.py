"""The name that git commits under. Without one, neither git-annex nor anybody else can commit in a repository.

Upstream: Annex/Environment.hs, Utility/UserInfo.hs.
"""

from __future__ import annotations

import os

from annexshell.disk.spawn import NOWHERE, output
from annexshell.git.config import set_config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.disk.spawn import Environment
    from annexshell.git.config import Config
    from annexshell.git.program import Git


def has_identity(git: Git, config: Config) -> bool:
    """Whether git, as git-annex calls it, knows an author and a committer. It does not if no address is configured and
    the name of the host has no domain."""
    env = git.env
    if not config.get("user.name") and _passwd_name() is None and not config.flag("user.useconfigonly", False):
        name = user_name(env)
        env = {b"GIT_AUTHOR_NAME": name, b"GIT_COMMITTER_NAME": name, **env}
    roles = ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT")
    return all(output(git.argv("var", role), env, NOWHERE)[0] == 0 for role in roles)


def ensure_identity(git: Git, config: Config) -> None:
    """Configures an identity, as the original's init does, unless user.useConfigOnly forbids making one up. The
    original leaves that out where others have pushed a git-annex branch, and then can't commit to it. Raises
    ChildFailed."""
    if has_identity(git, config) or config.flag("user.useconfigonly", False):
        return
    name = user_name(git.env)
    for setting in ("user.name", "user.email"):
        set_config(git, setting, name)


def user_name(env: Environment) -> bytes:
    """The name of the account; `unknown` if nothing tells it, as in some containers."""
    return env.get(b"USER") or env.get(b"LOGNAME") or _passwd_name() or b"unknown"


def _passwd_name() -> bytes | None:
    from pwd import getpwuid

    try:
        return os.fsencode(getpwuid(os.geteuid()).pw_name)
    except KeyError:
        return None
