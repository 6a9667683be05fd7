"""What to do about a node that can't be used. Pure."""

from __future__ import annotations

from annexshell.errors import Cause

# What usually helps.
_REMEDIES = {
    Cause.NO_PROGRAM: "install git-annex-shell there, or set remote.{name}.annex-shell to its path",
    Cause.NO_REPOSITORY: "run there: annexshell init",
    Cause.PROGRAM_FORBIDDEN: "let the account there run it: chmod 755 on that host",
    Cause.LOGIN_REFUSED: "give this account's key (ssh-keygen makes one) access there: annexshell authorized-keys",
    Cause.HOST_KEY: "connect by hand once, and compare the key: git ls-remote {name}",
    Cause.NOT_IDENTIFIED: "use: annexshell updatecluster",
    Cause.OTHER_REPOSITORY: "correct its url, or use: annexshell updatecluster",
    Cause.OTHER_UUID: "correct its url, or use: git config --unset remote.{name}.annex-uuid; annexshell updatecluster",
    Cause.NO_PROXYING: "give it an ssh or annex+http url, or use: git config --unset remote.{name}.annex-proxy",
    Cause.WRONG_URL: "correct remote.{name}.annexUrl or remote.{name}.annex-uuid",
    Cause.UNREADABLE: "mount it, or correct its url",
    Cause.NO_HOST: "correct its url, or the host's name",
    Cause.CONNECTION_REFUSED: "start the server there, or correct its url",
    Cause.SLOW: "see what the host is doing, or use a longer --limit",
    Cause.UNREACHABLE: "see whether the host is up, and correct its url",
}
# What ssh, shells and git-annex-shell say on their standard error. The first that fits counts.
_SAID = (
    ("not found", Cause.NO_PROGRAM),
    ("is not a git-annex repository", Cause.NO_REPOSITORY),
    ("git-annex-shell: Permission denied", Cause.PROGRAM_FORBIDDEN),
    ("Permission denied", Cause.LOGIN_REFUSED),
    ("Host key verification failed", Cause.HOST_KEY),
    ("UUID", Cause.OTHER_UUID),
    ("resolve", Cause.NO_HOST),
    ("refused", Cause.CONNECTION_REFUSED),
    ("timed out", Cause.UNREACHABLE),
)


def cause_said(text: str) -> str:
    """The cause of what a program on the way to a node, or at its end, complains of."""
    return next((cause for sign, cause in _SAID if sign in text), Cause.UNKNOWN)


def remedy(name: str, cause: str) -> str:
    """What to do when a remote can't be used for some cause."""
    return _REMEDIES.get(cause, "try it by hand: git ls-remote {name}").format(name=name)
