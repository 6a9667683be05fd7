"""What keys may do that annexshell authorized-keys made lines for: with an sshd, and the real git and git-annex."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.oracle.clients import Clone
from tests.oracle.servers import Server, existing
from tests.support.admin import ours, succeed
from tests.support.real import run
from tests.support.sshd import Account, Sshd


@pytest.fixture
def granted(
    account: Callable[..., Account], sshd: Sshd, shell: Path, tmp_path: Path
) -> Iterator[Callable[..., Account]]:
    """granted(option...) is an account with these options of authorized-keys, and the home that `account` makes."""
    accounts = []

    def make(*options: str) -> Account:
        def line(public: Path) -> str:
            return succeed(ours(tmp_path, "authorized-keys", f"--program={shell}", *options, str(public)))

        accounts.append(sshd.granted(line, tmp_path / "server"))
        return accounts[-1]

    yield make
    for each in accounts:
        each.close()


@pytest.fixture
def here(server: Callable[..., Server], clone: Callable[..., Clone]) -> Server:
    """A repository with something in it, whose name is as bad as can be."""
    here = server("bare", 'it\'s "a" $(repo) \\.git')
    owner = clone(str(here.path), "owner")
    owner.add(["old"])
    owner.annex("sync", "-q", "--content")
    return here


def test_read_only(
    granted: Callable[..., Account], here: Server, server: Callable[..., Server], clone: Callable[..., Clone]
) -> None:
    """git fetches and does not push; contents come and don't go."""
    other, secret = server("bare", "b & c.git"), server("bare", "secret.git")
    me = granted("--read-only", f"--directory={other.path}", f"--directory={here.path}")
    there = clone(me.url(here.path))
    there.annex("get", "-q", "old")
    there.add(["new"])
    before = here.repo.git("for-each-ref")
    for refs in ("HEAD:master", "+git-annex:synced/git-annex", "HEAD:refs/new", ":master"):
        assert "failed to push some refs" in there.fail_git("push", "origin", refs)
    assert there.try_annex("copy", "--to", "origin", "new").returncode != 0
    assert there.try_annex("drop", "--force", "--from", "origin", "old").returncode != 0
    here.wait_for_sessions()
    assert here.repo.git("for-each-ref") == before
    assert here.objects() == {there.key("old")}
    assert other.uuid.encode() in me.run(f"git-annex-shell 'configlist' '{other.path}'").stdout
    for command in ("git-upload-pack", "git-annex-shell 'configlist'"):
        assert b"Only allowed to access" in me.run(f"{command} '{secret.path}'").stderr


def test_append_only(granted: Callable[..., Account], here: Server, clone: Callable[..., Clone]) -> None:
    """Contents and commits can be added. Nothing is removed, and no history is rewritten."""
    there = clone(granted("--append-only", f"--directory={here.path}").url(here.path))
    there.add(["new"])
    there.annex("sync", "-q", "--content")
    assert here.objects() == {there.key("old"), there.key("new")}
    assert there.try_annex("drop", "--force", "--from", "origin", "new").returncode != 0
    there.git("commit", "-q", "--amend", "-m", "other history")
    for refs in ("+HEAD:master", ":master", ":git-annex"):
        assert "rejected" in there.fail_git("push", "origin", refs)
    assert here.objects() == {there.key("old"), there.key("new")}
    here.check()


def test_limited(granted: Callable[..., Account], server: Callable[..., Server]) -> None:
    here = server("bare", "b & c.git")
    me, path = granted("--limited"), here.path
    assert here.uuid.encode() in me.run(f"git-annex-shell 'configlist' '{path}'").stdout
    for command in ("git-upload-pack", "git-receive-pack"):
        assert b"Action blocked by GIT_ANNEX_SHELL_LIMITED" in me.run(f"{command} '{path}'").stderr


def test_a_push_makes_a_repository(
    granted: Callable[..., Account], server: Callable[..., Server], programs: Path, tmp_path: Path
) -> None:
    """Where the key may, and nowhere else."""
    secret = server("bare", "secret.git")
    top = tmp_path / "server" / "new"
    top.mkdir()
    me = granted(f"--create={top}", f"--directory={tmp_path}/server/other.git")
    work = Clone(tmp_path / "work", programs)
    run("git", "init", "-q", "-b", "trunk", work.path)
    work.annex("init", "-q", "work")
    key = work.add(["file"])["file"]
    for path in (tmp_path / "server" / "x.git", top / ".." / "x.git", secret.path, top / ".x", top):
        assert work.try_git("push", "-q", me.url(path), "trunk").returncode != 0
    work.git("remote", "add", "origin", me.url(top / "deep" / "one"))
    work.annex("push", "-q")
    made = existing(top / "deep" / "one.git")
    assert made.git("symbolic-ref", "HEAD") == "refs/heads/trunk\n"
    assert made.git("config", "annexshell.emptysince", check=False) == ""
    assert key in made.annex("find", "--branch", "trunk", "--format=${key}\\n", "--in=here")
    work.git("remote", "add", "two", me.url(top / "two.git"))
    work.git("push", "-q", "two", "trunk:main")
    assert existing(top / "two.git").git("symbolic-ref", "HEAD") == "refs/heads/main\n"
    assert work.try_git("push", "-q", me.url(top / "deep" / "one.git" / "x.git"), "trunk").returncode != 0
