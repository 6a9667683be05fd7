"""How many bytes repositories hold."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from annexshell.annexlog.sizes import RepositorySizes
from annexshell.model.key import parse_key
from annexshell.repo.local.opening import open_parts
from annexshell.repo.local.parts import Parts, nobody
from tests.support.real import Repo, run

OTHER = b"22222222-2222-4222-8222-222222222222"


@pytest.fixture()
def parts(repo: Repo) -> Iterator[Parts]:
    parts = open_parts(os.fsencode(repo.path), dict(os.environb), print)
    yield parts
    parts.git.close()


def sizes_of(parts: Parts, *known: bytes) -> RepositorySizes:
    return RepositorySizes(parts.git, parts.journal, lambda: known, parts.annex.locks, parts.annex.perms, nobody)


def real(repo: Repo) -> dict[bytes, int]:
    """What the real git-annex finds, empty repositories left out."""
    found = json.loads(repo.annex("info", "--json", "--bytes"))["annex sizes of repositories"]
    return {line["uuid"].encode(): int(line["size"]) for line in found if int(line["size"])}


def cache(parts: Parts) -> Path:
    return Path(os.fsdecode(parts.paths.annex_dir)) / "annexshell" / "sizes"


def record(parts: Parts, key: str, status: bytes, *uuids: bytes) -> None:
    parts.journal.set_locations(parts.annex.layout.location_log(parse_key(key.encode())), uuids, status)


def test_follows_the_real_one(repo: Repo, parts: Parts) -> None:
    uuid = repo.uuid.encode()
    sizes = sizes_of(parts, OTHER)
    assert sizes.now() == {OTHER: 0}
    for number in range(5):
        repo.add(f"file{number}", b"x" * 10**number)
        assert sizes.now() == {OTHER: 0, uuid: int("1" * (number + 1))}
    assert real(repo) == {uuid: 11111}
    repo.annex("drop", "--force", "file3")
    assert sizes.now()[uuid] == real(repo)[uuid] == 10111
    assert sizes_of(parts).now() == {uuid: 10111}, "from the file"
    cache(parts).unlink()
    assert sizes_of(parts).now() == {uuid: 10111}, "from the beginning"


def test_the_journal_counts_once(repo: Repo, parts: Parts) -> None:
    uuid = repo.uuid.encode()
    key = repo.add("file", b"x" * 100)
    sizes = sizes_of(parts)
    record(parts, key, b"1", OTHER)
    record(parts, "SHA256E-s7--abc", b"1", OTHER, uuid)
    expected = {uuid: 107, OTHER: 107}
    assert sizes.now() == expected
    assert sizes.now() == expected
    record(parts, key, b"0", uuid)
    assert sizes.now() == {uuid: 7, OTHER: 107}
    repo.annex("merge")
    assert parts.journal.names() == []
    assert sizes.now() == {uuid: 7, OTHER: 107}
    assert real(repo) == {uuid: 7, OTHER: 107}


def test_keys_without_a_size_count_nothing(parts: Parts) -> None:
    record(parts, "URL--http&c%%x", b"1", OTHER)
    record(parts, "SHA256-s5-S3-C1--x", b"1", OTHER)
    record(parts, "WORM-m5--s9", b"1", OTHER)
    assert sizes_of(parts).now() == {OTHER: 5}


def test_odd_lines(repo: Repo, parts: Parts) -> None:
    log = os.fsdecode(parts.annex.layout.location_log(parse_key(b"SHA256-s5--x")))
    text = f"1700000300s 0 {repo.uuid}\n1700000100s 1 {repo.uuid}\nbroken\n1s X {OTHER.decode()}\n2s 1 u v"
    tip = repo.git("rev-parse", "git-annex").strip()
    stream = f"commit refs/heads/git-annex\ncommitter t <t> 1 +0000\ndata 0\nfrom {tip}\nM 644 inline {log}\n"
    stream += f"data {len(text)}\n{text}\nM 644 inline odd\ndata 1\nx\n"
    run("git", "fast-import", "--quiet", cwd=repo.path, input=stream.encode())
    assert sizes_of(parts).now() == {b"u v": 5}


@pytest.mark.parametrize("damage", [b"", b"garbage", b"annexshell sizes 1 abc\n5 x\n00000000"])
def test_a_damaged_file_is_made_anew(repo: Repo, parts: Parts, damage: bytes) -> None:
    repo.add("file", b"x" * 100)
    assert sizes_of(parts).now() == {repo.uuid.encode(): 100}
    whole = cache(parts).read_bytes()
    cache(parts).write_bytes(damage)
    assert sizes_of(parts).now() == {repo.uuid.encode(): 100}
    assert cache(parts).read_bytes() == whole


def test_history_that_is_gone(repo: Repo, parts: Parts) -> None:
    repo.add("file", b"x" * 100)
    sizes = sizes_of(parts)
    sizes.now()
    repo.annex("forget", "--force")
    repo.git("reflog", "expire", "--expire=all", "--all")
    repo.git("gc", "-q", "--prune=now")
    assert sizes.now() == {repo.uuid.encode(): 100}


@pytest.mark.parametrize("name", ["", "/sizes", "/sizes.lck", "/sizes.new"])
@pytest.mark.parametrize("kind", ["directory", "file"])
def test_what_cannot_be_kept_is_added_up_each_time(repo: Repo, parts: Parts, name: str, kind: str) -> None:
    repo.add("file", b"x" * 100)
    place = cache(parts).parents[1] / f"annexshell{name}"
    place.parent.mkdir(exist_ok=True)
    if kind == "directory":
        (place / "in the way").mkdir(parents=True)
    else:
        place.write_bytes(b"annexshell sizes 1 ")
    for _ in range(2):
        assert sizes_of(parts).now() == {repo.uuid.encode(): 100}


def test_who_only_looks_keeps_nothing(repo: Repo, parts: Parts) -> None:
    repo.add("file", b"x" * 100)
    looking = RepositorySizes(parts.git, parts.journal, list, parts.annex.locks, parts.annex.perms, nobody, keeps=False)
    assert looking.now() == {repo.uuid.encode(): 100}
    assert not cache(parts).parent.exists()


def test_others_that_take_too_long_are_not_waited_for(
    repo: Repo, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.add("file", b"x" * 100)
    monkeypatch.setattr("annexshell.annexlog.sizes._PATIENCE", 0.01)
    sizes_of(parts).now()
    cache(parts).unlink()
    with parts.annex.locks.exclusive(os.fsencode(cache(parts)) + b".lck", 1):
        assert sizes_of(parts).now() == {repo.uuid.encode(): 100}
