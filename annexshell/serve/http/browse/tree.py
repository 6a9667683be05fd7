"""What git says of trees and branches, and which files in them are annexed. Pure.

Everything here was pushed by somebody: names are any bytes but NUL and, in one word, the slash.
"""

from __future__ import annotations

from annexshell.store.worktree.files import LARGEST_POINTER, parse_pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from annexshell.model.key import Key

DIRECTORY, LINK, MODULE = b"040000", b"120000", b"160000"  # modes; the others are files
_REFS = b"refs/heads/"


class TreeEntry:
    """Something in a tree. `size` is that of the content, in bytes, None where nobody knows it. For annexed files there
    is a `key`; for other symbolic links `target` is what they contain."""

    __slots__ = ("id", "key", "mode", "name", "size", "target")

    def __init__(self, mode: bytes, object_id: bytes, name: bytes) -> None:
        self.mode = mode
        self.id = object_id
        self.name = name
        self.size: int | None = None
        self.key: Key | None = None
        self.target = b""

    @property
    def is_directory(self) -> bool:
        return self.mode == DIRECTORY

    @property
    def is_file(self) -> bool:
        """Whether there may be something to download."""
        return self.key is not None or self.mode not in (DIRECTORY, LINK, MODULE)

    @property
    def may_be_annexed(self) -> bool:
        """Whether its content has to be looked at to know."""
        is_candidate = self.mode not in (DIRECTORY, MODULE)
        return is_candidate and self.size is not None and self.size <= LARGEST_POINTER

    def look_into(self, content: bytes) -> None:
        """Takes what git has as its content."""
        self.key = parse_pointer(content)
        if self.key is not None:
            self.size = self.key.size
        elif self.mode == LINK:
            self.target = content


def parse_tree(listing: bytes) -> list[TreeEntry]:
    """The entries that `git ls-tree -z` lists, directories first. What the end of a listing that was cut off says is
    left out."""
    entries = []
    for line in listing.split(b"\0")[:-1]:
        facts, tab, name = line.partition(b"\t")
        words = facts.split(b" ")
        if tab and len(words) == 3:
            entries.append(TreeEntry(words[0], words[2], name.rpartition(b"/")[2]))
    entries.sort(key=lambda entry: (not entry.is_directory, entry.name))
    return entries


class Branches:
    """The branches of a repository, by name; `head` is the one that is shown first, empty if there is none."""

    def __init__(self, listing: bytes) -> None:
        """Takes lines of `id`, a star or blank for that of HEAD, and the full name of the ref."""
        self.commits: dict[bytes, bytes] = {}
        self.head = b""
        for line in listing.split(b"\n")[:-1]:
            commit, _, rest = line.partition(b" ")
            if rest[1:].startswith(_REFS):
                name = rest[1 + len(_REFS) :]
                self.commits[name] = commit
                if rest[:1] == b"*":
                    self.head = name
        if not self.head:
            self.head = next((name for name in self.names if name in (b"main", b"master")), b"")
        if not self.head:
            self.head = next(iter(self.names), b"")

    @property
    def names(self) -> list[bytes]:
        """Those with files of people in them."""
        return [name for name in self.commits if name.rpartition(b"/")[2] != b"git-annex"]


def parse_sizes(ids: Iterable[bytes], answer: bytes) -> dict[bytes, int]:
    """The sizes of objects that `git cat-file --batch-check=%(objectsize)` was asked for, in order."""
    lines = answer.split(b"\n")
    return {name: int(line) for name, line in zip(ids, lines) if line.isdigit()}


def parse_contents(ids: Iterable[bytes], answer: bytes) -> Mapping[bytes, bytes]:
    """The contents that `git cat-file --batch=%(objectsize)` was asked for, in order, as far as they came."""
    found: dict[bytes, bytes] = {}
    position = 0
    for name in ids:
        end = answer.find(b"\n", position)
        line = answer[position:end]
        if end < 0:
            break
        position = end + 1
        if line.isdigit():
            content = answer[position : position + int(line)]
            if len(content) < int(line):
                break
            found[name] = content
            position += int(line) + 1
    return found
