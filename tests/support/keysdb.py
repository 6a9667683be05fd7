"""git-annex's keys database, as it makes it itself."""

from __future__ import annotations

import sqlite3
from pathlib import Path

_TABLES = (
    'CREATE TABLE "associated"("id" INTEGER PRIMARY KEY,"key" BLOB NOT NULL,"file" BLOB NOT NULL,'
    'CONSTRAINT "key_file_index" UNIQUE ("key","file"),CONSTRAINT "file_key_index" UNIQUE ("file","key"))',
    'CREATE TABLE "content"("id" INTEGER PRIMARY KEY,"key" BLOB NOT NULL,"inodecache" VARCHAR NOT NULL,'
    '"filesize" VARCHAR NOT NULL,"mtime" INTEGER NOT NULL,'
    'CONSTRAINT "key_inode_cache_index" UNIQUE ("key","inodecache"),'
    'CONSTRAINT "inode_cache_key_index" UNIQUE ("inodecache","key"))',
)


def execute(path: Path, *statements: str) -> list[tuple[object, ...]]:
    """Runs statements one by one; returns the rows of the last."""
    db = sqlite3.connect(path, isolation_level=None)
    try:
        rows = []
        for statement in statements:
            rows = db.execute(statement).fetchall()
        return rows
    finally:
        db.close()


def make_database(annex_dir: Path) -> Path:
    """An empty database in `annex_dir`; returns its path."""
    path = annex_dir / "keysdb" / "db"
    path.parent.mkdir(parents=True)
    execute(path, "PRAGMA journal_mode=WAL", *_TABLES)
    return path
