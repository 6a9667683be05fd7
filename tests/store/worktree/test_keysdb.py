"""annexshell.store.worktree.keysdb against texts and rows of git-annex 10.20261026, recorded and live."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annexshell.disk.filelock import FileLocks
from annexshell.errors import DiskError, LockTimeout
from annexshell.model.key import parse_key
from annexshell.store.worktree import keysdb
from annexshell.store.worktree.keysdb import InodeCache, KeysDb, inode_cache_at, inodes_changed, parse_inode_cache
from tests.support.keysdb import execute, make_database

KEY = parse_key(b"SHA256E-s6--5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03.txt")
OTHER = parse_key(b"WORM-s3-m1--caf\xc3\xa9/\xff")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return make_database(tmp_path / "odd %41 dir?mode=memory#x")


@pytest.fixture
def keys(database: Path) -> KeysDb:
    return KeysDb(os.fsencode(database.parent.parent), FileLocks())


@pytest.mark.parametrize(
    ("cache", "text", "seconds"),
    [
        (InodeCache(2165169, 6, 1795172279_859317573), "2165169 6 1795172279 859317573", 1795172279),
        (InodeCache(2165169, 6, 1234567890_000000000), "2165169 6 1234567890 ", 1234567890),
        (InodeCache(2165173, 6, 1234567890_005000000), "2165173 6 1234567890 005", 1234567890),
        (InodeCache(2165187, 6, -1_500000000), "2165187 6 -1 5", -2),
    ],
)
def test_text_as_recorded(cache: InodeCache, text: str, seconds: int) -> None:
    assert cache.text == text
    assert parse_inode_cache(text) == cache
    assert cache.mtime_ns // 10**9 == seconds


@settings(derandomize=True)
@given(st.integers(0, 2**64 - 1), st.integers(0, 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_text_there_and_back(inode: int, size: int, mtime_ns: int) -> None:
    cache = InodeCache(inode, size, mtime_ns)
    parsed = parse_inode_cache(cache.text)
    assert parsed is not None
    assert (parsed.inode, parsed.size, parsed.mtime_ns) == (inode, size, mtime_ns)


@pytest.mark.parametrize("text", ["", "1", "1 2", "a 2 3", "1 2 x 4", "1 2 3 x"])
def test_what_is_no_inode_cache(text: str) -> None:
    assert parse_inode_cache(text) is None


def test_resembles_ignores_inodes_and_tolerates_two_seconds() -> None:
    one = InodeCache(1, 5, 10_900_000_000)
    assert one.resembles(InodeCache(2, 5, 11_000_000_000))
    assert one.resembles(InodeCache(2, 5, 9_000_000_000))
    assert not one.resembles(InodeCache(2, 5, 12_000_000_000))
    assert not one.resembles(InodeCache(1, 6, 10_900_000_000))


def test_symbolic_links_and_missing_files_have_no_inode_cache(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    assert inode_cache_at(bytes(tmp_path / "link")) is None
    assert inode_cache_at(bytes(tmp_path)) is None
    assert inode_cache_at(bytes(tmp_path / "none")) is None


def test_the_sentinal_tells_whether_inodes_changed(tmp_path: Path) -> None:
    sentinal, cached = tmp_path / "sentinal", tmp_path / "sentinal.cache"
    assert inodes_changed(bytes(tmp_path))
    sentinal.touch()
    assert inodes_changed(bytes(tmp_path))
    now = inode_cache_at(bytes(sentinal))
    assert now is not None
    cached.write_text(now.text)
    assert not inodes_changed(bytes(tmp_path))
    cached.write_text(InodeCache(now.inode + 1, now.size, now.mtime_ns).text)
    assert inodes_changed(bytes(tmp_path))
    cached.write_bytes(b"\xff")
    assert inodes_changed(bytes(tmp_path))


def test_adds_finds_and_forgets(keys: KeysDb, database: Path) -> None:
    caches = [InodeCache(1, 6, 7_000_000_000), InodeCache(2, 6, -1_500_000_000)]
    assert keys.exists()
    assert keys.files(KEY) == ([], [])
    keys.add(KEY, caches)
    keys.add(KEY, caches[:1])  # once more is no error
    keys.add(OTHER, caches[:1])
    assert keys.files(KEY)[1] == caches
    assert keys.keys([*caches, InodeCache(3, 0, 0)]) == {
        caches[0]: {KEY.serialized, OTHER.serialized},
        caches[1]: {KEY.serialized},
        InodeCache(3, 0, 0): set(),
    }
    columns = "typeof(key), typeof(inodecache), inodecache, typeof(filesize), filesize, mtime"
    assert execute(database, f"SELECT {columns} FROM content ORDER BY id LIMIT 2") == [
        ("blob", "text", "1 6 7 ", "text", "6", 7),
        ("blob", "text", "2 6 -1 5", "text", "6", -2),
    ]
    keys.forget(KEY)
    assert keys.files(KEY) == ([], [])
    assert keys.files(OTHER)[1] == caches[:1]


def test_files_are_bytes_and_their_key_is_a_blob(keys: KeysDb, database: Path) -> None:
    key, hexed = KEY.serialized.decode(), KEY.serialized.hex()
    execute(
        database,
        f"INSERT INTO associated (key, file) VALUES (x'{hexed}', x'ff2f61')",
        f"INSERT INTO associated (key, file) VALUES ('{key}', x'62')",
        f"INSERT INTO associated (key, file) VALUES (x'{hexed}', 'text')",
    )
    assert keys.files(KEY) == ([b"\xff/a"], [])


def test_a_missing_database_is_not_made(keys: KeysDb, database: Path) -> None:
    database.unlink()
    assert not keys.exists()
    with pytest.raises(DiskError):
        keys.files(KEY)
    assert not database.exists()


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE content ADD COLUMN device INTEGER",
        "ALTER TABLE associated RENAME COLUMN file TO path",
        "DROP TABLE content",
    ],
)
def test_an_unknown_form_is_refused(keys: KeysDb, database: Path, change: str) -> None:
    execute(database, change)
    with pytest.raises(DiskError, match="doesn't know"):
        keys.add(KEY, [InodeCache(1, 2, 3)])


def test_no_database_at_all_is_refused(keys: KeysDb, database: Path) -> None:
    database.write_bytes(b"this is no database, whatever the name says " * 100)
    with pytest.raises(DiskError, match="can't be used"):
        keys.files(KEY)


def test_waits_only_so_long_for_the_lock(keys: KeysDb, database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keysdb, "_PATIENCE", 0.0)
    with FileLocks().exclusive(os.fsencode(database.parent.parent / "keysdb.lck"), 0), pytest.raises(LockTimeout):
        keys.files(KEY)


def test_waits_only_so_long_for_another_writer(keys: KeysDb, database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keysdb, "_BUSY", 0.0)
    writer = sqlite3.connect(database, isolation_level=None)
    try:
        writer.execute("BEGIN IMMEDIATE")
        assert keys.files(KEY) == ([], [])
        with pytest.raises(DiskError, match="locked"):
            keys.add(KEY, [InodeCache(1, 2, 3)])
    finally:
        writer.close()


def test_git_annex_writes_and_reads_the_same(tmp_path: Path) -> None:
    if shutil.which("git-annex") is None:
        pytest.skip("there is no git-annex here")
    top = tmp_path / "repo"

    def git(*args: str) -> str:
        return subprocess.run(["git", "-C", top, *args], check=True, capture_output=True, text=True).stdout

    top.mkdir()
    git("init", "-q")
    git("annex", "init", "-q")
    names = {b"plain": 1795172279_859317573, b"sp ace \xc3\xa9": 1234567890_000000000, b"old": -1_500_000_000}
    for number, (name, mtime) in enumerate(names.items()):
        file = top / os.fsdecode(name)
        file.write_text(f"content {number}")
        os.utime(file, ns=(mtime, mtime))
    git("-c", "annex.addunlocked=true", "annex", "add", "-q", ".")
    annex = os.fsencode(top / ".git" / "annex")
    keys = KeysDb(annex, FileLocks())
    assert not inodes_changed(annex)
    for name in names:
        key = parse_key(git("annex", "lookupkey", os.fsdecode(name)).strip().encode())
        files, caches = keys.files(key)
        assert files == [name]
        mine = inode_cache_at(os.fsencode(top) + b"/" + name)
        assert mine in caches
        assert {cache.text for cache in caches} == {
            row[0]
            for row in execute(top / ".git/annex/keysdb/db", "SELECT inodecache FROM content")
            if parse_inode_cache(str(row[0])) in caches
        }
    # What we add counts for git-annex: by its inode alone, a new file is taken for annexed content.
    (top / "new").write_text("content 0")
    known = inode_cache_at(bytes(top / "new"))
    assert known is not None
    keys.add(key, [known])
    git("-c", "annex.largefiles=nothing", "add", "new")
    assert git("show", ":new").startswith("/annex/objects/")
