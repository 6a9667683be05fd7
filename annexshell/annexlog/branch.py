"""Reading the git-annex branch (Annex/Branch.hs: get, getLocal)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.annexlog.git import Git

# Always the full name: the short one becomes ambiguous when somebody pushes a tag called git-annex.
BRANCH = b"refs/heads/git-annex"


def tip(git: Git) -> bytes | None:
    """The commit that the branch points to just now, or None without a branch."""
    found = git.object(BRANCH)
    return None if found is None else found[0]


def read(git: Git, path: bytes, commit: bytes = BRANCH) -> bytes:
    """The content of a file in the branch, empty if it has none."""
    found = git.object(b"%b:%b" % (commit, path))
    return b"" if found is None else found[1]


def sibling_refs(git: Git) -> list[tuple[bytes, bytes]]:
    """(commit, name) of every ref that ends in /git-annex: the branch itself, and what was pushed or fetched."""
    lines = git.output("for-each-ref", "--format=%(objectname) %(refname)", quiet=True).splitlines()
    refs = (line.partition(b" ") for line in lines)
    return [(commit, name) for commit, _, name in refs if name.endswith(b"/git-annex")]
