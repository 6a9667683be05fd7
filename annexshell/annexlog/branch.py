"""Reading the git-annex branch (Annex/Branch.hs: get, getLocal)."""

from __future__ import annotations

from annexshell.disk.files import read_file
from annexshell.errors import ChildFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.git.program import Git

# The full name: the short one is ambiguous once somebody has pushed a tag called git-annex.
BRANCH = b"refs/heads/git-annex"
_ID_LENGTHS = (40, 64)  # of SHA-1 and SHA-256 in hexadecimal digits
_SYMBOLIC = b"ref: "
_DIRECTORY = b"40000 "


class Branch:
    """The committed branch. Reading is cheap however large it is: of the newest commit that was asked for, we keep the
    top tree, which can have 4096 entries, and git looks up the rest."""

    def __init__(self, git: Git, common_dir: bytes) -> None:
        self._git = git
        self._ref_file = common_dir + b"/" + BRANCH
        self._commit = b""
        self._top = b""

    def tip(self) -> bytes | None:
        """The commit that the branch points to now; None without a branch."""
        try:
            text = read_file(self._ref_file) or b""
        except OSError:
            text = b""
        if text.endswith(b"\n") and len(text) - 1 in _ID_LENGTHS and not text.startswith(_SYMBOLIC):
            return text[:-1]
        found = self._git.object(BRANCH)  # it is packed, or kept in a format that only git knows
        return None if found is None else found[0]

    def read(self, path: bytes, commit: bytes) -> bytes:
        """The content of a file of the branch as of a commit; empty if there is none."""
        directory, slash, rest = path.partition(b"/")
        if not slash:
            return self._content(b"%b:%b" % (commit, path))
        tree = self._subtree(commit, directory)
        return b"" if tree is None else self._content(b"%b:%b" % (tree, rest))

    def _content(self, name: bytes) -> bytes:
        found = self._git.object(name, b"blob")  # anything else is no log, whatever somebody has pushed in its place
        return b"" if found is None else found[1]

    def _subtree(self, commit: bytes, directory: bytes) -> bytes | None:
        """The id of a tree in the top tree."""
        if commit != self._commit:
            found = self._git.object(commit + b"^{tree}")
            if found is None:
                raise ChildFailed("git can't read the git-annex branch")
            self._commit, self._top = commit, found[1]
        entry = _DIRECTORY + directory + b"\0"
        start = self._top.find(entry)
        if start < 0:
            return None
        start += len(entry)
        return self._top[start : start + len(commit) // 2].hex().encode()


def sibling_refs(git: Git) -> list[tuple[bytes, bytes]]:
    """(commit, name) of every ref that ends in /git-annex: the branch itself, and what was pushed or fetched."""
    lines = git.output("for-each-ref", "--format=%(objectname) %(refname)").splitlines()
    refs = (line.partition(b" ") for line in lines)
    return [(commit, name) for commit, _, name in refs if name.endswith(b"/git-annex")]
