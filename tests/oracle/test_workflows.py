"""What users do with git-annex every day, old and new clients, one job at a time and several."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.oracle.clients import Clone
from tests.oracle.servers import Server
from tests.support.real import run
from tests.support.sshd import Account

NAMES = ("plain", "with blank", "ünïcödé.txt", "sub/nested.tar.gz", "'quoted' $(file)", "large", "empty", "last")


def add_files(there: Clone) -> dict[str, str]:
    """Commits files with all kinds of names and sizes; their keys by name."""
    (there.path / "empty").touch()
    keys = there.add([name for name in NAMES if name not in ("large", "empty")])
    keys |= there.add(["large"], size=3_000_000)
    there.annex("add", "-q", "empty")
    there.git("commit", "-q", "-m", "an empty one")
    return keys | {"empty": there.key("empty")}


@pytest.mark.parametrize(
    ("client_programs", "shape", "jobs"),
    [("new", "bare", []), ("new", "worktree", ["-J4"]), ("old", "bare", ["-J4"])],
    indirect=["client_programs"],
)
def test_the_life_of_files(
    shape: str,
    jobs: list[str],
    account: Callable[..., Account],
    server: Callable[..., Server],
    clone: Callable[..., Clone],
    client_programs: Path,
) -> None:
    """Copy, get, move, drop and check, with two servers, so that a drop finds two copies to lock."""
    here = server(shape)
    me = account(shared=False)
    there = clone(me.url(here.path), client=client_programs)
    if jobs:  # as by default, git-annex has its sessions share a connection
        there.git("config", "annex.sshcaching", "true")
    keys = add_files(there)
    everything = set(keys.values())

    there.annex("copy", "-q", "--to", "origin", *jobs)
    assert here.objects() == everything
    there.annex("fsck", "-q", "--from", "origin", *jobs)
    refused = there.json("drop", "plain", "-N2")
    assert [result["success"] for result in refused] == [False]
    assert there.has("plain")

    other = server(shape, "other")
    run("git", "fetch", "-q", here.path, "git-annex:refs/remotes/origin/git-annex", cwd=other.path)
    there.git("remote", "add", "other", me.url(other.path))
    there.annex("copy", "-q", "--to", "other", *jobs)
    assert other.objects() == everything
    there.annex("drop", "-q", "-N2", *jobs)
    assert not any(there.has(name) for name in NAMES)

    there.annex("get", "-q", "--from", "origin", *jobs)
    assert all(there.has(name) for name in NAMES)
    there.annex("drop", "-q", "--from", "origin", "-N2", "plain", "large", *jobs)
    assert here.objects() == everything - {keys["plain"], keys["large"]}
    there.annex("move", "-q", "--from", "other", *jobs)
    assert other.objects() == set()
    there.annex("move", "-q", "--to", "origin", *jobs)
    assert here.objects() == everything
    assert not any(there.has(name) for name in NAMES)

    there.annex("sync", "-q", "--no-content")
    there.annex("fsck", "-q", "--from", "origin", "--fast", *jobs)
    for checked in (here, other):
        checked.check()
        for key in everything:
            assert checked.repo.location_log(key).get(checked.uuid, "0") == str(int(checked is here))
    assert all(there.whereis(name) == {here.uuid} for name in NAMES)


@pytest.mark.parametrize(("client_programs", "jobs"), [("new", ["-J4"]), ("old", [])], indirect=["client_programs"])
def test_sync_content(
    jobs: list[str],
    account: Callable[..., Account],
    server: Callable[..., Server],
    clone: Callable[..., Clone],
    client_programs: Path,
    programs: Path,
) -> None:
    """Contents go from clone to clone by way of the server; the clones' git-annexes differ in age."""
    here = server("bare")
    one = clone(account().url(here.path), "one", client=client_programs)
    keys = add_files(one)
    one.annex("sync", "-q", "--content", *jobs)
    assert here.objects() == set(keys.values())
    two = clone(account().url(here.path), "two", client=programs)
    two.annex("sync", "-q", "--content", *jobs)
    assert all((two.path / name).read_bytes() == (one.path / name).read_bytes() for name in NAMES)
    keys |= two.add(["from two"])
    two.annex("sync", "-q", "--content", *jobs)
    one.annex("sync", "-q", "--content", *jobs)
    assert one.has("from two")
    here.check()
    for key in keys.values():
        assert here.repo.location_log(key) == dict.fromkeys((here.uuid, one.uuid, two.uuid), "1")


def test_fsck_finds_a_bad_object(
    account: Callable[..., Account],
    server: Callable[..., Server],
    clone: Callable[..., Clone],
) -> None:
    """A client sees bad content on the server, and can replace it."""
    here = server("worktree")
    there = clone(account().url(here.path))
    keys = there.add(["good", "bad"])
    there.annex("copy", "-q", "--to", "origin")
    (stored,) = (path for path in (here.annex_dir / "objects").rglob(keys["bad"]) if path.is_file())
    stored.chmod(0o644)
    content = stored.read_bytes()
    stored.write_bytes(bytes(len(content)))
    stored.chmod(0o444)
    results = {result["file"]: result["success"] for result in there.json("fsck", "--from", "origin")}
    assert results == {"good": True, "bad": False}
    there.annex("drop", "-q", "--from", "origin", "bad")
    assert here.objects() == {keys["good"]}
    there.annex("copy", "-q", "--to", "origin")
    assert here.objects() == set(keys.values())
    there.annex("fsck", "-q", "--from", "origin")
    here.check()


def test_an_interrupted_copy_goes_on(
    account: Callable[..., Account],
    server: Callable[..., Server],
    clone: Callable[..., Clone],
) -> None:
    """What had arrived before is not sent again."""
    here = server("bare")
    there = clone(account().url(here.path))
    key = there.add(["file"], size=2_000_000)["file"]
    (here.annex_dir / "tmp").mkdir()
    partial = here.annex_dir / "tmp" / key
    content = (there.path / "file").read_bytes()
    partial.write_bytes(content[:1_500_000])
    inode = os.stat(partial).st_ino
    there.annex("copy", "-q", "--to", "origin")
    (stored,) = (path for path in (here.annex_dir / "objects").rglob(key) if path.is_file())
    assert os.stat(stored).st_ino == inode
    assert stored.read_bytes() == content
    here.check()
