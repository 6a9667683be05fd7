"""The bytes that each repository holds, summed up from all location logs (Annex/RepoSize.hs).

The first time takes a pass over the whole branch. After that only changes are looked at, because the sums are kept in
AD/annexshell/sizes together with the commit that they belong to. The file may be deleted at any time; if it can't be
read or written, everything is added up again. Facts that are only in the journal are added each time.

Unlike for all other logs, facts that have been pushed but not merged yet are left out: they would have to be looked
through again after every commit. So sizes are those that this repository has seen itself.
"""

from __future__ import annotations

from binascii import crc32

from annexshell.annexlog.journal import decode_name
from annexshell.annexlog.lines import PRESENT, PresenceLog, is_location_log
from annexshell.disk.files import read_file, replace_file, written
from annexshell.disk.perms import make_directories
from annexshell.disk.spawn import NOWHERE
from annexshell.errors import ChildFailed, LockTimeout
from annexshell.model.ownfiles import OwnFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from annexshell.annexlog.journal import Journal
    from annexshell.disk.filelock import FileLocks, Lock
    from annexshell.disk.perms import Perms
    from annexshell.git.program import Git

    Sums = dict[bytes, int]
    Change = tuple[bytes, int, bytes]  # path of a location log, 1 to add or -1 to subtract it, and its blob

_HEADER = b"annexshell sizes 1 "
_PATIENCE = 600.0  # seconds; the first process passes over the whole branch for all others
_CHUNK = 20000  # location logs that are read at once, some megabytes
_FEW = 200  # location logs for which starting a child is not worth it
_PIECE = 1 << 16  # bytes
_ATTEMPTS = 10
_DOING = "adding up sizes"
_PLACES = 4096  # directories at the top that keys are hashed to; git lists them in order, which gives the progress
_MAX_DIGITS = 1000


class RepositorySizes:
    """The present sizes, which may take a minute the first time; `tell` gets the progress, as in repo.local.parts.
    `known` gives the repositories that exist even if nothing is known to be in them. Without `keeps`, nothing is
    written to disk."""

    def __init__(
        self,
        git: Git,
        journal: Journal,
        known: Callable[[], Iterable[bytes]],
        locks: FileLocks,
        perms: Perms,
        tell: Callable[[str, int, int | None], None],
        keeps: bool = True,
    ) -> None:
        self._git = git
        self._journal = journal
        self._known = known
        self._locks = locks
        self._perms = perms
        self._tell = tell
        self._keeps = keeps
        own = OwnFiles(journal.annex_dir)
        self._directory = own.directory
        self._path = own.sizes
        self._commit = b""
        self._sums: Sums = {}  # as of that commit
        self._journaled: dict[bytes, tuple[object, Sums]] = {}  # by journal file: what it adds, and to what

    def now(self) -> Sums:
        """The bytes that each repository holds. Raises ChildFailed, OSError."""
        for _ in range(_ATTEMPTS):
            tip = self._journal.branch.tip()
            sums = dict.fromkeys(self._known(), 0)
            if tip is not None:
                _add(sums, self._committed(tip))
            self._add_journaled(sums, tip)
            if self._journal.branch.tip() == tip:  # otherwise, journal files may have been counted twice, or not at all
                break
        return sums

    def _committed(self, tip: bytes) -> Sums:
        if self._commit != tip:
            self._update_locked(tip)
        return self._sums

    def _update_locked(self, tip: bytes) -> None:
        """Updates the sums, one process at a time, so that others find them. Without locks, each does it for itself."""
        if self._locks.excludes_everything or not self._keeps:
            self._update(tip)
            return
        try:
            lock = self._lock()
        except (OSError, LockTimeout):
            self._update(tip)
            return
        with lock:
            self._update(tip)

    def _lock(self) -> Lock:
        make_directories(self._directory, self._journal.annex_dir, self._perms)
        path = self._path + b".lck"
        lock = self._locks.try_exclusive(path)
        if lock is None:
            self._tell("waiting for another process that adds up sizes", 0, None)
            lock = self._locks.exclusive(path, _PATIENCE)
        return lock

    def _update(self, tip: bytes) -> None:
        commit, sums = self._load() or (self._commit, self._sums)
        if commit != tip:
            changed = self._changed(sums, commit, tip) if commit else None
            sums = self._all(tip) if changed is None else changed
            if self._keeps:
                self._save(tip, sums)
        self._sums = sums
        self._commit = tip

    def _changed(self, sums: Sums, commit: bytes, tip: bytes) -> Sums | None:
        """The sums of a commit, computed from those of another one; None if git can't compare them."""
        sums = dict(sums)
        try:
            self._apply(sums, self._changes(commit, tip))
        except ChildFailed:
            return None
        return sums

    def _all(self, tip: bytes) -> Sums:
        sums: Sums = {}
        self._apply(sums, self._everything(tip))
        return sums

    def _changes(self, commit: bytes, tip: bytes) -> Iterator[Change]:
        """The location logs that differ between two commits."""
        fields = self._fields("diff-tree", "-r", "-z", "--no-renames", commit, tip)
        for header, path in zip(fields, fields):
            if is_location_log(path):
                old, new = header.split(b" ")[2:4]
                yield path, -1, old
                yield path, 1, new

    def _everything(self, tip: bytes) -> Iterator[Change]:
        """All location logs of a commit."""
        for entry in self._fields("ls-tree", "-r", "-z", tip):
            header, _, path = entry.partition(b"\t")
            if is_location_log(path):
                yield path, 1, header.split(b" ")[2]

    def _fields(self, *args: bytes | str) -> Iterator[bytes]:
        """The fields that a git command prints, each up to a NUL. Raises ChildFailed."""
        child = self._git.start(*args, errors=NOWHERE)
        code = 0
        try:
            rest = b""
            while piece := child.stdout.read(_PIECE):
                *fields, rest = (rest + piece).split(b"\0")
                yield from fields
        finally:
            code = child.close()
        if code != 0:
            raise ChildFailed(f"git {args[0]!s} failed with exit code {code}")

    def _apply(self, sums: Sums, changes: Iterable[Change]) -> None:
        """Adds the sizes of the keys of location logs to the sums, or subtracts them."""
        remaining = iter(changes)
        while chunk := [change for change, _ in zip(remaining, range(_CHUNK))]:
            blobs = [blob for _, _, blob in chunk]
            if len(blobs) > _FEW:
                self._tell(_DOING, _place(chunk[0][0]), _PLACES)
            texts = self._git.contents(blobs) if len(blobs) > _FEW else map(self._content, blobs)
            for text, (path, sign, _) in zip(texts, chunk):
                size = _key_size(path)
                if size:
                    for uuid in _present(text):
                        sums[uuid] = sums.get(uuid, 0) + sign * size
        self._tell(_DOING, _PLACES, _PLACES)

    def _content(self, blob: bytes) -> bytes:
        found = self._git.object(blob)
        return b"" if found is None else found[1]

    def _add_journaled(self, sums: Sums, tip: bytes | None) -> None:
        """Adds what the journal has beyond the branch. A journal file is read once, unless it or the branch changes."""
        remembered, self._journaled = self._journaled, {}
        for name in self._journal.names():
            path = decode_name(name)
            if not is_location_log(path):
                continue
            state = (tip, written(b"%b/%b" % (self._journal.directory, name)))
            known = remembered.get(name)
            if known is None or known[0] != state:
                known = (state, self._journaled_change(path, name, tip))
            self._journaled[name] = known
            _add(sums, known[1])

    def _journaled_change(self, path: bytes, name: bytes, tip: bytes | None) -> Sums:
        committed = b"" if tip is None else self._journal.branch.read(path, tip)
        journaled = self._journal.read_name(name) or b""
        size = _key_size(path)
        before = _present(committed)
        after = _present(journaled + committed)
        return {**dict.fromkeys(after - before, size), **dict.fromkeys(before - after, -size)}

    def _load(self) -> tuple[bytes, Sums] | None:
        """Reads the file: (commit, sums). None if there is none, or it is damaged."""
        try:
            text = read_file(self._path) or b""
        except OSError:
            return None
        body, _, checksum = text.rpartition(b"\n")
        header, *lines = body.split(b"\n")
        if header[: len(_HEADER)] != _HEADER or checksum != b"%08x" % crc32(body):
            return None
        pairs = (line.partition(b" ") for line in lines)
        return header[len(_HEADER) :], {uuid: int(size) for size, _, uuid in pairs}

    def _save(self, commit: bytes, sums: Sums) -> None:
        lines = [_HEADER + commit, *(b"%d %b" % (size, uuid) for uuid, size in sums.items())]
        body = b"\n".join(lines)
        try:
            replace_file(self._path, [b"%b\n%08x" % (body, crc32(body))], self._perms.new_file)
        except OSError:  # a full disk or a foreign file costs time, and no more
            pass


def _add(sums: Sums, more: Sums) -> None:
    for uuid, size in more.items():
        sums[uuid] = sums.get(uuid, 0) + size


def _place(path: bytes) -> int:
    """The number of the directory that a location log is in; 0 if no key is hashed there."""
    try:
        return int(path[:3], 16)
    except ValueError:
        return 0


def _key_size(path: bytes) -> int:
    """The size in the name of the key that a location log is about, in bytes; 0 if it has none."""
    fields = path[path.rfind(b"/") + 1 :].partition(b"--")[0].split(b"-")
    size = fields[1][1:] if len(fields) > 1 and fields[1][:1] == b"s" else b""
    return int(size) if size.isdigit() and len(size) < _MAX_DIGITS else 0


def _present(text: bytes) -> set[bytes]:
    """The repositories that have the key of a location log. Most logs have one line for each repository, so there is no
    need to compare time stamps."""
    present = set()
    seen = set()
    for line in text.split(b"\n"):
        stamp, _, rest = line.partition(b" ")
        uuid = rest[2:]
        is_time = stamp[-1:] == b"s" and stamp[:-1].replace(b".", b"", 1).isdigit()
        if rest[1:2] != b" " or not is_time or uuid in seen or b"\r" in line:
            if not line:
                continue
            return set(PresenceLog(text + b"\n").with_status(PRESENT))
        seen.add(uuid)
        if rest[:1] == PRESENT:
            present.add(uuid)
    return present
