"""The keys database: which files of the work tree belong to a key, and which files are known to hold its content.

Upstream: Database/Keys.hs, Database/Keys/SQL.hs, Utility/InodeCache.hs, Annex/InodeSentinal.hs. It is a cache that
git-annex brings up to date from the git index whenever it opens it, under the same lock as we do. We never create it.
"""

from __future__ import annotations

import os
from stat import S_ISREG

from annexshell.errors import DiskError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeVar

    from annexshell.disk.filelock import FileLocks
    from annexshell.model.key import Key

    Result = TypeVar("Result")

_PATIENCE = 30.0  # seconds; git-annex holds the lock while it fills files whose pointers have just been checked out
_BUSY = 10.0  # seconds for sqlite's own locks, which last for one transaction
_SECOND = 1_000_000_000  # nanoseconds
_COLUMNS = {
    "associated": ["id", "key", "file"],
    "content": ["id", "key", "inodecache", "filesize", "mtime"],
}


class InodeCache:
    """What tells cheaply that a file has not been modified: inode number, size in bytes, mtime in nanoseconds."""

    __slots__ = ("inode", "size", "mtime_ns")

    def __init__(self, inode: int, size: int, mtime_ns: int) -> None:
        self.inode = inode
        self.size = size
        self.mtime_ns = mtime_ns

    @property
    def text(self) -> str:
        """As git-annex writes it: seconds and their decimals without trailing zeros, which may leave nothing."""
        seconds, fraction = divmod(abs(self.mtime_ns), _SECOND)
        sign = "-" if self.mtime_ns < 0 else ""
        return f"{self.inode} {self.size} {sign}{seconds} {f'{fraction:09}'.rstrip('0')}"

    def resembles(self, other: InodeCache) -> bool:
        """Whether all but the inode numbers agree, with the two seconds of tolerance that FAT needs."""
        return self.size == other.size and abs(self.mtime_ns // _SECOND - other.mtime_ns // _SECOND) < 2

    def __eq__(self, other: object) -> bool:
        return isinstance(other, InodeCache) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"InodeCache({self.inode}, {self.size}, {self.mtime_ns})"


def parse_inode_cache(text: str) -> InodeCache | None:
    """The inverse of `InodeCache.text`. Without decimals upstream takes it for a whole second of unknown decimals; we
    don't, which makes us verify a content once more."""
    words = text.split()
    try:
        inode, size, seconds = (int(word) for word in words[:3])
        fraction = int(words[3].ljust(9, "0")[:9]) if len(words) > 3 else 0
    except ValueError:
        return None
    return InodeCache(inode, size, seconds * _SECOND + (-fraction if words[2].startswith("-") else fraction))


def inode_cache_of(info: os.stat_result) -> InodeCache | None:
    """The inode cache of a file with this status; None if it is no regular file."""
    return InodeCache(info.st_ino, info.st_size, info.st_mtime_ns) if S_ISREG(info.st_mode) else None


def inode_cache_at(path: bytes) -> InodeCache | None:
    """The inode cache of the file at `path`; None if there is no regular file."""
    try:
        return inode_cache_of(os.lstat(path))
    except OSError:
        return None


def inodes_changed(annex_dir: bytes) -> bool:
    """Whether recorded inode numbers mean nothing any more, because the repository was copied or lies on a file system
    that numbers its files anew: the sentinal file tells."""
    try:
        with open(annex_dir + b"/sentinal.cache", encoding="ascii", errors="replace") as file:
            then = parse_inode_cache(file.read())
    except OSError:
        return True
    return then is None or then != inode_cache_at(annex_dir + b"/sentinal")


class KeysDb:
    """The database in `db_dir`, which is AD unless annex.dbdir moves it. Each call opens it under git-annex's lock and
    closes it again. Calls may wait for some seconds, and raise DiskError, LockTimeout or OSError."""

    def __init__(self, db_dir: bytes, locks: FileLocks) -> None:
        self._path = db_dir + b"/keysdb/db"
        self._lock = db_dir + b"/keysdb.lck"
        self._locks = locks

    def exists(self) -> bool:
        return os.path.exists(self._path)

    def files(self, key: Key) -> tuple[list[bytes], list[InodeCache]]:
        """The files that belonged to the key when git-annex last looked, as paths below the top of the work tree; and
        the inode caches of all files, object included, that held its content."""

        def read(db: sqlite3.Connection) -> tuple[list[bytes], list[InodeCache]]:
            bound = (key.serialized,)
            files = db.execute("SELECT file FROM associated WHERE key = ?", bound).fetchall()
            texts = db.execute("SELECT inodecache FROM content WHERE key = ?", bound).fetchall()
            caches = [parse_inode_cache(text) for (text,) in texts if isinstance(text, str)]
            return [file for (file,) in files if isinstance(file, bytes)], [cache for cache in caches if cache]

        return self._use(read)

    def keys(self, caches: Iterable[InodeCache]) -> dict[InodeCache, set[bytes]]:
        """The keys, serialized, whose content each file is known to hold."""

        def read(db: sqlite3.Connection) -> dict[InodeCache, set[bytes]]:
            query = "SELECT key FROM content WHERE inodecache = ?"
            return {cache: {key for (key,) in db.execute(query, (cache.text,))} for cache in caches}

        return self._use(read)

    def add(self, key: Key, caches: Iterable[InodeCache]) -> None:
        """Records that these files hold the key's content."""
        rows = [(key.serialized, c.text, str(c.size), c.mtime_ns // _SECOND) for c in caches]
        self._write("INSERT OR IGNORE INTO content (key, inodecache, filesize, mtime) VALUES (?, ?, ?, ?)", rows)

    def forget(self, key: Key) -> None:
        """Records that no file is known to hold the key's content."""
        self._write("DELETE FROM content WHERE key = ?", [(key.serialized,)])

    def _write(self, statement: str, rows: Sequence[tuple[bytes | str | int, ...]]) -> None:
        def write(db: sqlite3.Connection) -> None:
            db.execute("BEGIN IMMEDIATE")
            db.executemany(statement, rows)
            db.execute("COMMIT")

        self._use(write)

    def _use(self, action: Callable[[sqlite3.Connection], Result]) -> Result:
        import sqlite3  # most sessions never get here

        uri = "file:" + "".join(f"%{byte:02x}" for byte in self._path) + "?mode=rw"  # an empty one must not be made
        with self._locks.exclusive(self._lock, _PATIENCE):
            try:
                db = sqlite3.connect(uri, timeout=_BUSY, isolation_level=None, uri=True)
                try:
                    _check_schema(db)
                    return action(db)
                finally:
                    db.close()
            except sqlite3.Error as error:
                raise DiskError(f"git-annex's keys database can't be used: {error}") from None


def _check_schema(db: sqlite3.Connection) -> None:
    for table, known in _COLUMNS.items():
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        if columns != known:
            raise DiskError("git-annex's keys database has a format that this server doesn't know")
