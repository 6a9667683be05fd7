"""Writing facts to the journal (Annex/Journal.hs, Annex/Branch.hs: change).

A file in AD/journal holds the newest text of a whole file of the git-annex branch. It supersedes the branch until any
process, of ours or of git-annex, commits it. A fact is durable from the moment its journal file is renamed into place.
Facts about private repositories go to AD/journal-private instead and are never committed.
"""

from __future__ import annotations

import os

from annexshell.annexlog.branch import Branch
from annexshell.annexlog.lines import PresenceLog
from annexshell.disk.files import read_file
from annexshell.disk.perms import make_directories

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from annexshell.disk.durable import Durability
    from annexshell.disk.filelock import FileLocks, Lock
    from annexshell.disk.perms import Perms
    from annexshell.disk.scratch import Draft, Scratch
    from annexshell.git.program import Git

    Base = tuple[bytes | None, bytes | None]  # a text, or a commit

_PATIENCE = 600.0  # seconds; a git-annex process that merges large branches can hold the journal for minutes

_NO_NAMES = (b"", b".", b"..", b".git")  # names that git takes for no entry of a tree


def encode_name(path: bytes) -> bytes:
    """The name of the journal file for a path of the branch."""
    return path.replace(b"_", b"__").replace(b"/", b"_")


def decode_name(name: bytes) -> bytes:
    """The inverse: from left to right, `__` is an underscore and `_` alone a slash."""
    return b"_".join(part.replace(b"_", b"/") for part in name.split(b"__"))


class Journal:
    """The journal of one repository. Facts about the uuids in `private` are never published. `now` returns the time in
    whole seconds."""

    def __init__(
        self,
        annex_dir: bytes,
        git: Git,
        locks: FileLocks,
        perms: Perms,
        scratch: Scratch,
        durability: Durability,
        private: Container[bytes],
        now: Callable[[], int],
    ) -> None:
        self.annex_dir = annex_dir
        self.directory = annex_dir + b"/journal"
        self.branch = Branch(git, os.path.dirname(annex_dir))
        # By file that we wrote: the commit that it was computed from. If the branch has not moved when the file is
        # committed, nothing has to be merged.
        self.based_on: dict[bytes, bytes] = {}
        self._private_directory = annex_dir + b"/journal-private"
        self._locks = locks
        self._perms = perms
        self._scratch = scratch
        self._durability = durability
        self._private = private
        self.now = now

    def lock(self) -> Lock:
        """Takes the lock under which the journal and the branch are changed. Raises LockTimeout."""
        try:
            return self._locks.exclusive(self.annex_dir + b"/journal.lck", _PATIENCE, stays=True)
        except FileNotFoundError:
            make_directories(self.annex_dir, os.path.dirname(self.annex_dir), self._perms)
            return self._locks.exclusive(self.annex_dir + b"/journal.lck", _PATIENCE, stays=True)

    def read(self, path: bytes) -> bytes:
        """The newest content of a file of the branch, facts about private repositories included."""
        if b"\0" in path:
            return b""  # neither a file nor a log can be named so
        name = encode_name(path)
        public = self._read_file(self.directory, name)
        if public is None:
            tip = self.branch.tip()
            public = b"" if tip is None else self.branch.read(path, tip)
        return _joined(public, self._read_file(self._private_directory, name))

    def paths(self, path: bytes) -> list[bytes]:
        """The paths of the journal files that may hold facts about a file of the branch."""
        name = encode_name(path)
        return [b"%b/%b" % (directory, name) for directory in (self.directory, self._private_directory)]

    def set_locations(
        self,
        log_path: bytes,
        uuids: Sequence[bytes],
        status: bytes,
        before: Callable[[], None] | None = None,
        note: bytes | None = None,
        ready: Callable[[], None] | None = None,
    ) -> None:
        """Records in a location log whether repositories have the key. `before` is called when everything is prepared,
        just before the facts are published; on return they are on disk. They are prepared in the file `note`, which
        stays if they can't be published after `before`. `ready` is called before anybody is kept waiting: what it waits
        for is on disk before the facts can be seen. Raises OSError, DiskError, LockTimeout."""
        public = [uuid for uuid in uuids if uuid not in self._private]
        private = [uuid for uuid in uuids if uuid in self._private]
        name = encode_name(log_path)
        prepared = None
        if note is not None and self._durability.is_on and not private:
            prepared = self._prepare(name, log_path, public, status, note)
        try:
            if ready is not None:
                ready()
            with self.lock():
                if prepared is None or prepared[1] != self._base(name) or not prepared[0].is_there():
                    self._set_locations(name, log_path, (public, private), status, before, note)
                    return
                prepared[0].publish(b"%b/%b" % (self.directory, name), before)
        finally:
            if prepared is not None:
                prepared[0].close()
        self._durability.directories((self.directory,))

    def _prepare(
        self, name: bytes, log_path: bytes, uuids: list[bytes], status: bytes, note: bytes
    ) -> tuple[Draft, Base] | None:
        """The new text, on disk while nobody waits for the lock yet, and what it was made from: if that is no longer so
        under the lock, it has to be made anew. None if there is nothing new, or no place for it."""
        base = self._base(name)
        text, tip = base
        log = PresenceLog(self._read_committed(name, log_path, tip) if text is None else text)
        if not _set_all(log, uuids, status, self.now()):
            return None
        self._make_directory(self.directory)
        draft = self._scratch.draft(note, log.text())
        return None if draft is None else (draft, base)

    def _base(self, name: bytes) -> Base:
        """The text in the journal, or else the commit that has the newest text."""
        text = self._read_file(self.directory, name)
        return text, self.branch.tip() if text is None else None

    def _set_locations(
        self,
        name: bytes,
        log_path: bytes,
        uuids: tuple[list[bytes], list[bytes]],
        status: bytes,
        before: Callable[[], None] | None,
        note: bytes | None,
    ) -> None:
        """All of it under the lock. `uuids` are public and private ones."""
        public, private = uuids
        text, tip = self._base(name)
        if text is None:
            text = self._read_committed(name, log_path, tip)
        if private:
            log = PresenceLog(text)
            log.add(self._read_file(self._private_directory, name) or b"")
            if _set_all(log, private, status, self.now()):
                self._write(self._private_directory, name, log.text(), before, note)
                before = None
        log = PresenceLog(text)
        if _set_all(log, public, status, self.now()):
            self._write(self.directory, name, log.text(), before, note)
        elif before is not None:
            before()

    def is_private(self, uuid: bytes) -> bool:
        """Whether facts about a repository must not be published."""
        return uuid in self._private

    def change(self, path: bytes, regarding: bytes, change: Callable[[bytes], bytes]) -> None:
        """Replaces the text of a file of the branch, under the lock, by what `change` makes of it; an unchanged text is
        not written. `regarding` is the uuid that the facts are about. Raises OSError, DiskError, LockTimeout."""
        with self.lock():
            name = encode_name(path)
            directory = self.directory
            text, tip = self._base(name)
            if text is None:
                text = self._read_committed(name, path, tip)
            if self.is_private(regarding):
                directory = self._private_directory
                text = _joined(text, self._read_file(directory, name))
            changed = change(text)
            if changed != text:
                self._write(directory, name, changed)

    def _read_committed(self, name: bytes, path: bytes, tip: bytes | None) -> bytes:
        if tip is None:
            return b""
        self.based_on[name] = tip
        return self.branch.read(path, tip)

    def names(self) -> list[bytes]:
        """The files in the journal; anything else there is not ours to touch."""
        try:
            with os.scandir(self.directory) as entries:
                names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
                return [name for name in names if _is_in_a_tree(name)]
        except FileNotFoundError:
            return []

    def read_name(self, name: bytes) -> bytes | None:
        """The content of a journal file, or None if there is no such file."""
        return self._read_file(self.directory, name)

    def forget(self, name: bytes) -> None:
        """Deletes a journal file that has been committed. The caller holds `lock`."""
        self.based_on.pop(name, None)
        try:
            os.unlink(b"%b/%b" % (self.directory, name))
        except FileNotFoundError:
            pass

    def _read_file(self, directory: bytes, name: bytes) -> bytes | None:
        """The text of a journal file up to its last newline: somebody may be appending to it."""
        text = read_file(b"%b/%b" % (directory, name))
        return None if text is None else text[: text.rfind(b"\n") + 1]

    def _write(
        self,
        directory: bytes,
        name: bytes,
        content: bytes,
        before: Callable[[], None] | None = None,
        note: bytes | None = None,
    ) -> None:
        self._make_directory(directory)
        path = b"%b/%b" % (directory, name)
        if note is None:
            self._scratch.replace(path, content, before)
        else:
            self._scratch.replace_by(note, path, content, before)
        self._durability.directories((directory,))

    def _make_directory(self, directory: bytes) -> None:
        if not os.path.isdir(directory):
            created = make_directories(directory, self.annex_dir, self._perms)
            self._durability.directories(os.path.dirname(d) for d in created)


def _is_in_a_tree(name: bytes) -> bool:
    """Whether git accepts the path that a journal file is for. git-annex deletes other files unread; we leave them."""
    return not any(part in _NO_NAMES for part in decode_name(name).lower().split(b"/"))


def _joined(public: bytes, private: bytes | None) -> bytes:
    """Joins a file of the branch, whose last line may lack a newline, with what the private journal has for it."""
    return public if private is None else b"%b\n%b" % (public, private)


def _set_all(log: PresenceLog, uuids: list[bytes], status: bytes, now: int) -> bool:
    """Sets the status of each repository; returns whether that changed anything."""
    changed = [log.set(uuid, status, now) for uuid in uuids]
    return True in changed
