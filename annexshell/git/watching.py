"""Watches the refs of a repository, for sessions that tell their clients about changes."""

from __future__ import annotations

import ctypes
import os

from annexshell.errors import DiskError
from annexshell.git.refs import tables_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.git.program import Git

BURST = 0.05  # seconds; a push changes several refs, which clients should hear of in one line
_TICK = 20_000_000  # nanoseconds; the clock of file systems lags behind
_IN_CLOSE_WRITE, _IN_MOVED_TO, _IN_CREATE, _IN_ONLYDIR = 0x8, 0x80, 0x100, 0x1000000
_MASK = _IN_CLOSE_WRITE | _IN_MOVED_TO | _IN_CREATE | _IN_ONLYDIR
_EVENT_HEADER = 16  # bytes: watch, mask, cookie, length of the name


def watch_refs(common_dir: bytes, git: Git) -> RefFiles | RefTables:
    """Watches the refs of a repository from now on. Raises DiskError, ChildFailed."""
    if tables_of(common_dir) is None:
        return RefFiles(common_dir + b"/refs")
    return RefTables(common_dir + b"/reftable", git)


class Watcher:
    """Watches a directory and everything below it with inotify(7). `fd` becomes readable when something changes."""

    def __init__(self, top: bytes) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self._libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self.fd < 0:
            raise DiskError(f"can't watch for changes: {os.strerror(ctypes.get_errno())}")
        self._directories: dict[int, bytes] = {}
        self._watch_below(top)

    def _watch_below(self, top: bytes) -> list[bytes]:
        """Watches a directory and those below it; returns the files in them."""
        # The watch comes before the listing: in between, a file could be made that neither shows.
        watch = self._libc.inotify_add_watch(self.fd, top, _MASK)
        if watch < 0:
            return []
        self._directories[watch] = top
        files = []
        try:
            for entry in os.scandir(top):
                files += self._watch_below(entry.path) if entry.is_dir(follow_symlinks=False) else [entry.path]
        except FileNotFoundError:  # git removes directories that have become empty
            pass
        return files

    def changed_paths(self) -> list[bytes]:
        """The files that were written since the last call, without lock files."""
        paths: list[bytes] = []
        while True:
            try:
                data = os.read(self.fd, 65536)
            except BlockingIOError:
                break
            paths += self._paths(data)
        return [path for path in dict.fromkeys(paths) if not path.endswith(b".lock")]

    def _paths(self, data: bytes) -> list[bytes]:
        paths: list[bytes] = []
        while data:
            watch = int.from_bytes(data[:4], "little", signed=True)
            length = int.from_bytes(data[12:_EVENT_HEADER], "little")
            name = data[_EVENT_HEADER : _EVENT_HEADER + length].rstrip(b"\0")
            data = data[_EVENT_HEADER + length :]
            if watch not in self._directories:
                continue
            path = os.path.join(self._directories[watch], name)
            if os.path.isdir(path):
                paths += self._watch_below(path)
            else:
                paths.append(path)
        return paths


class RefFiles:
    """Refs in files of their own."""

    def __init__(self, directory: bytes) -> None:
        self._directory = directory
        self._watcher = Watcher(directory)
        self.fd = self._watcher.fd

    def values_since(self, moment: int) -> list[bytes]:
        """The contents of the files that were written since some moment, in nanoseconds of the epoch, and perhaps of
        some from just before."""
        paths = [os.path.join(top, name) for top, _, names in os.walk(self._directory) for name in names]
        values = [_read_ref(path) for path in paths if _is_since(path, moment) and not path.endswith(b".lock")]
        return [value for value in values if value]

    def changed_values(self) -> list[bytes]:
        """The contents of the ref files that were written since the last call."""
        values = [_read_ref(path) for path in self._watcher.changed_paths()]
        return [value for value in values if value]


class RefTables:
    """Refs in a reftable: what changed there, only git can tell."""

    def __init__(self, directory: bytes, git: Git) -> None:
        self._directory = directory
        self._watcher = Watcher(directory)  # before git lists the refs, or we could miss a change
        self.fd = self._watcher.fd
        self._git = git
        self._refs = self._listed()

    def values_since(self, moment: int) -> list[bytes]:
        """As of RefFiles; those of all refs if any was written."""
        return list(self._refs.values()) if _is_since(self._directory + b"/tables.list", moment) else []

    def changed_values(self) -> list[bytes]:
        """The values of the refs that were made or changed since the last call."""
        if not self._watcher.changed_paths():
            return []
        before, self._refs = self._refs, self._listed()
        return list(dict.fromkeys(value for name, value in self._refs.items() if before.get(name) != value))

    def _listed(self) -> dict[bytes, bytes]:
        lines = self._git.output("for-each-ref", "--format=%(objectname) %(refname)").splitlines()
        return {name: value for value, _, name in (line.partition(b" ") for line in lines)}


def _is_since(path: bytes, moment: int) -> bool:
    try:
        return os.stat(path).st_mtime_ns >= moment - _TICK
    except OSError:
        return False


def _read_ref(path: bytes) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(1000).strip()
    except OSError:
        return b""
