"""Short-lived children of git that read what pages show. Each is limited in what it may say, and all of those of a page
together in how long they may take. They are waited for in a thread.
"""

from __future__ import annotations

import os
import time
from select import POLLIN, poll

from annexshell.disk.spawn import NOWHERE, spawn, wait
from annexshell.errors import ChildFailed
from annexshell.git.program import Git
from annexshell.serve.http.browse.tree import Branches, TreeEntry, parse_contents, parse_sizes, parse_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from annexshell.disk.spawn import Environment

_LARGEST_LISTING = 4 << 20  # bytes: some fifty thousand names
_PATIENCE = 20.0  # seconds for all that a page needs
_PIECE = 1 << 16  # bytes
_SIGKILL = 9
# Paths are names and no patterns; nothing is fetched from elsewhere, written, or put in the place of something else.
CAREFUL = {
    b"GIT_LITERAL_PATHSPECS": b"1",
    b"GIT_NO_LAZY_FETCH": b"1",
    b"GIT_ALLOW_PROTOCOL": b"none",
    b"GIT_OPTIONAL_LOCKS": b"0",
    b"GIT_NO_REPLACE_OBJECTS": b"1",
}


class GitObjects:
    """Those of one repository, for one request. All methods raise ChildFailed."""

    def __init__(self, git_dir: bytes, env: Environment) -> None:
        self.git = Git(git_dir, {**env, **CAREFUL})
        self._end = time.monotonic() + _PATIENCE

    def branches(self) -> Branches:
        listing = self._read("for-each-ref", "--format=%(objectname) %(HEAD)%(refname)", "refs/heads/")
        return Branches(listing)

    def entry(self, commit: bytes, path: bytes) -> TreeEntry | None:
        """What is at a path; None if there is nothing."""
        found = parse_tree(self._read("ls-tree", "-z", "--full-tree", commit, "--", path))
        return found[0] if len(found) == 1 and found[0].name == path.rpartition(b"/")[2] else None

    def entries(self, tree: bytes) -> list[TreeEntry]:
        """What is in a tree, by its id or that of a commit; not all of it if that is very much."""
        return parse_tree(self._read("ls-tree", "-z", "--full-tree", tree))

    def look_into(self, entries: Sequence[TreeEntry]) -> None:
        """Notes sizes, and which files are annexed."""
        ids = [entry.id for entry in entries if not entry.is_directory]
        sizes = parse_sizes(ids, self._read("cat-file", "--batch-check=%(objectsize)", "--buffer", asked=ids))
        for entry in entries:
            entry.size = sizes.get(entry.id)
        wanted = {entry.id: entry for entry in entries if entry.may_be_annexed}
        most = sum(sizes[name] + 32 for name in wanted)
        contents = parse_contents(
            wanted, self._read("cat-file", "--batch=%(objectsize)", "--buffer", asked=list(wanted), most=most)
        )
        for entry in entries:
            if entry.id in contents:
                entry.look_into(contents[entry.id])

    def beginning(self, blob: bytes, most: int) -> bytes:
        """The first bytes of a file that is in git."""
        return self._read("cat-file", "blob", blob, most=most)

    def _read(self, *args: bytes | str, asked: Sequence[bytes] | None = None, most: int = _LARGEST_LISTING) -> bytes:
        """What git says, up to some length."""
        if asked is not None and not asked:
            return b""
        reading, writing = os.pipe()
        with open(reading, "rb", buffering=0) as pipe:
            questions = None
            try:
                questions = None if asked is None else _file_of(asked)
                pid = spawn(self.git.argv(*args), self.git.env, questions, writing, NOWHERE)
            finally:
                os.close(writing)
                if questions is not None:
                    os.close(questions)
            try:
                data, is_all = self._collect(pipe.fileno(), most)
            except BaseException:
                os.kill(pid, _SIGKILL)
                wait(pid)
                raise
        if not is_all:
            os.kill(pid, _SIGKILL)
        if wait(pid) != 0 and is_all:
            raise ChildFailed(f"git {args[0]!s} failed")
        return data

    def _collect(self, fd: int, most: int) -> tuple[bytes, bool]:
        """What comes, and whether that is all."""
        waiting = poll()
        waiting.register(fd, POLLIN)
        pieces: list[bytes] = []
        count = 0
        while count <= most:
            left = self._end - time.monotonic()
            if left <= 0 or not waiting.poll(left * 1000):
                raise ChildFailed("git takes too long to read what is asked for")
            piece = os.read(fd, _PIECE)
            if not piece:
                return b"".join(pieces), True
            pieces.append(piece)
            count += len(piece)
        return b"".join(pieces)[:most], False


def _file_of(lines: Sequence[bytes]) -> int:
    """A file in memory, to be read from its beginning."""
    fd = os.memfd_create("ids")
    os.write(fd, b"\n".join(lines) + b"\n")
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
