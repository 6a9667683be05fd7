"""What to do about a node that can't be used. Pure."""

from __future__ import annotations

# What the reasons have in them, and what usually helps.
_REMEDIES = (
    ("not found", "install git-annex-shell there, or set remote.{name}.annex-shell to its path"),
    ("is not a git-annex repository", "run there: annexshell init"),
    ("git-annex-shell: Permission denied", "let the account there run it: chmod 755 on that host"),
    ("Permission denied", "give this account's key (ssh-keygen makes one) access there: annexshell authorized-keys"),
    ("Host key verification failed", "connect by hand once, and compare the key: git ls-remote {name}"),
    ("not known yet", "use: annexshell updatecluster"),
    ("another repository", "correct its url, or use: annexshell updatecluster"),
    ("UUID", "correct its url, or use: git config --unset remote.{name}.annex-uuid; annexshell updatecluster"),
    ("can be proxied", "give it an ssh or annex+http url, or use: git config --unset remote.{name}.annex-proxy"),
    ("404", "correct remote.{name}.annexUrl or remote.{name}.annex-uuid"),
    ("can't be read", "mount it, or correct its url"),
    ("resolve", "correct its url, or the host's name"),
    ("refused", "start the server there, or correct its url"),
    ("has moved", "see what the host is doing, or use a longer --limit"),
    ("timed out", "see whether the host is up, and correct its url"),
)


def remedy(name: str, reason: str) -> str:
    """What to do when a remote can't be used for some reason."""
    return next((text for sign, text in _REMEDIES if sign in reason), "try it by hand: git ls-remote {name}").format(
        name=name
    )
