"""Committing the journal to the git-annex branch (Annex/Branch.hs: commitIndex, stageJournal; Git/Branch.hs).

The original stages the journal into an index of its own, AD/index, writes all of that as a tree and commits it. We
hand the changed files to `git fast-import`, which reads and writes only the trees on their paths, and stage them in the
index for the original's sake.

The branch moves only from the commit that we read, so that nothing pushed meanwhile is ever lost, and each file is
merged with the branch's version unless it was computed from exactly that.
"""

from __future__ import annotations

import os
import time

from annexshell.annexlog.branch import BRANCH
from annexshell.annexlog.index import stage
from annexshell.annexlog.journal import decode_name
from annexshell.annexlog.lines import merge
from annexshell.errors import ChildFailed
from annexshell.git.debris import clear_away
from annexshell.git.refs import obstacle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from annexshell.annexlog.journal import Journal
    from annexshell.git.program import Git

_ATTEMPTS = 20  # each starts from the new tip, where somebody pushes all the time
_PAUSES = (0.1, 0.3, None)  # seconds between tries where git refuses; what it refuses then is left to the next session
# git fast-import allocates and frees as it goes, and with the C library's usual habits gives memory back to the system
# only to ask for it again: measured, a third of the time without that. These are bytes (mallopt(3)).
_ALLOCATION = {
    b"MALLOC_TRIM_THRESHOLD_": b"134217728",
    b"MALLOC_MMAP_THRESHOLD_": b"134217728",
    b"MALLOC_TOP_PAD_": b"16777216",
}
_OFTEN = 1000  # files


class Committer:
    """Commits the journal of one repository. `message` is the commit's; `options` are for git, such as `-c
    core.fsync=`; `tell` gets the progress, as in repo.local.parts."""

    def __init__(
        self,
        git: Git,
        journal: Journal,
        message: bytes,
        tell: Callable[[str, int, int | None], None],
        options: Sequence[str] = (),
    ) -> None:
        self._git = git
        self._journal = journal
        self._branch = journal.branch
        self._message = message
        self._tell = tell
        self._options = options
        self._common_dir = os.path.dirname(journal.annex_dir)
        self._said = ""  # why the last attempt failed

    def commit(self) -> bool:
        """Commits all files in the journal, also those of others; returns whether there were any. Raises ChildFailed,
        OSError, LockTimeout, and then leaves the journal as it is."""
        if not self._journal.names():
            return False
        for pause in _PAUSES:
            with self._journal.lock():
                names = self._journal.names()
                if not names:
                    return False
                if self._commit_names(names):
                    return True
            if pause is not None:  # the journal is not locked meanwhile, so that others can go on
                time.sleep(pause)
        raise ChildFailed(f"git did not commit to the git-annex branch; the changes stay in the journal: {self._said}")

    def _commit_names(self, names: list[bytes]) -> bool:
        """Commits journal files; returns whether git accepted them. It refuses while somebody else changes the branch,
        or if there is a stale lock."""
        for _ in range(_ATTEMPTS):
            self._said = obstacle(self._common_dir, BRANCH)
            if self._said:
                return False
            tip = self._branch.tip() or self._start_from_origin()
            files = self._files(names, tip)
            if self._import(tip, files):
                stage(self._git, self._journal.annex_dir, files, len(tip or self._branch.tip() or b""))
                self._forget(names)
                return True
            if self._branch.tip() == tip:
                return False
        return False

    def _forget(self, names: list[bytes]) -> None:
        for number, name in enumerate(names):
            self._show(number, len(names), 2)
            self._journal.forget(name)
        self._show(len(names), len(names), 2)

    def _start_from_origin(self) -> bytes | None:
        """Makes the branch of a clone that has none from its origin's; returns the tip."""
        found = self._git.object(b"refs/remotes/origin/git-annex")
        if found is None or not self._git.succeeds("update-ref", BRANCH, found[0], b"0" * len(found[0])):
            return self._branch.tip()
        return found[0]

    def _files(self, names: list[bytes], tip: bytes | None) -> list[tuple[bytes, bytes]]:
        files = []
        for number, name in enumerate(names):
            self._show(number, len(names), 0)
            path = decode_name(name)
            text = self._journal.read_name(name) or b""
            if tip is not None and self._journal.based_on.get(name) != tip:
                committed = self._branch.read(path, tip)
                if committed:
                    text = merge(path, text, committed)
            files.append((path, text))
        return files

    def _show(self, done: int, all_files: int, step: int) -> None:
        """Reports the progress. Many files take long to read, to import and to delete."""
        if all_files > _OFTEN and (done % _OFTEN == 0 or done == all_files):
            self._tell("recording state in git", step * all_files + done, 3 * all_files)

    def _import(self, tip: bytes | None, files: list[tuple[bytes, bytes]]) -> bool:
        """One commit with these files on top of `tip`; false if git refused, as it does when the branch has moved.

        With annex.pidlock, git-annex run by a reference-transaction hook is not told that we hold the lock, and waits
        for annex.pidlocktimeout, as it does in commits of git-annex itself. Let in, it could write to the journal what
        is deleted once this has been committed.
        """
        command = ("fast-import", "--quiet", "--done", "--date-format=raw")
        complaints = os.memfd_create("complaints")
        with open(complaints, "rb") as said:
            importer = self._git.start(*self._options, *command, env=_ALLOCATION, errors=complaints)
            try:
                for piece in self._stream(tip, files):
                    importer.send(piece)
            finally:
                code = importer.close()
            said.seek(0)
            line = said.read(1000).replace(self._common_dir + b"/", b"").strip().partition(b"\n")[0]
            self._said = line.decode("utf-8", "replace")
        if code != 0:
            clear_away(self._git.git_dir, self._common_dir, importer.pid, files[0][1])
        return code == 0

    def _stream(self, tip: bytes | None, files: list[tuple[bytes, bytes]]) -> Iterator[bytes]:
        """The input of git fast-import."""
        who = self._git.committer()
        first = _commit(who, b"branch created", b"") if tip is None else b""
        stream = [first, _commit(who, self._message, b"" if tip is None else b"from %b\n" % tip)]
        for number, (path, text) in enumerate(files, 1):
            stream.append(b"M 100644 inline %b\n%b" % (_quoted(path), _data(text)))
            if number % _OFTEN == 0:
                self._show(number, len(files), 1)
                yield b"".join(stream)
                stream = []
        yield b"".join([*stream, b"\ndone\n"])


def _commit(who: bytes, message: bytes, start: bytes) -> bytes:
    return b"commit %b\ncommitter %b\n%b%b" % (BRANCH, who, _data(message), start)


def _data(text: bytes) -> bytes:
    return b"data %d\n%b\n" % (len(text), text)


def _quoted(path: bytes) -> bytes:
    """Quotes a path as git does, so that no byte of a key can end it."""
    quoted = path.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    return b'"%b"' % quoted
