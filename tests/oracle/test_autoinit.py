"""Repositories that nobody has initialised: ours does it over configlist, and the real git-annex goes on from there.

The server has neither a git-annex on its PATH nor, in its git config, anybody to commit as.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.oracle.clients import Clone
from tests.oracle.servers import Server
from tests.support.real import Repo, run
from tests.support.sshd import Account


@pytest.fixture
def stranger(account: Callable[..., Account], tmp_path: Path) -> Account:
    """An account on a machine where nobody has set up anything."""
    made = account(has_git_annex=False)
    (made.home / ".gitconfig").unlink()
    return made


def annex_with_a_file(path: Path, url: str, programs: Path) -> Clone:
    """A repository of the client's that has just heard of the server."""
    repo = Repo(path)
    repo.add("file", b"content")
    repo.git("remote", "add", "origin", url)
    return Clone(path, programs)


def check_made_by_us(here: Server, there: Clone) -> None:
    """The real git-annex uses the server's repository as one of its own."""
    assert here.uuid
    assert here.repo.git("config", "annex.version") == "10\n"
    info = here.repo.annex("info", "--json", "--fast")
    assert f'"here":true,"uuid":"{here.uuid}"' in info
    assert here.path.name in here.repo.git("cat-file", "blob", "git-annex:uuid.log").split(here.uuid)[1].split("\n")[0]
    there.annex("sync", "-q")
    assert there.whereis("file") == {here.uuid, there.uuid}
    here.check()


@pytest.mark.parametrize(
    ("client_programs", "first"), [("new", "sync"), ("new", "push"), ("old", "sync")], indirect=["client_programs"]
)
def test_a_fresh_bare_repository(first: str, stranger: Account, client_programs: Path, tmp_path: Path) -> None:
    """Whether the client asks for the initialisation, or shows with its branch that it uses git-annex."""
    path = stranger.home / "fresh.git"
    run("git", "init", "-q", "--bare", path)
    there = annex_with_a_file(tmp_path / "client", stranger.url(path), client_programs)
    if first == "sync":
        there.annex("sync", "-q")
    else:
        there.git("push", "-q", "origin", "master", "git-annex")
        there.annex("info", "-q")
    there.annex("copy", "-q", "file", "--to", "origin")
    here = Server(path, stranger.home)
    assert here.objects() == {there.key("file")}
    check_made_by_us(here, there)


def test_only_who_asks_and_may(account: Callable[..., Account], stranger: Account) -> None:
    """Nothing is made of a plain git repository unless the client asks for it, and is allowed to change anything."""
    path = stranger.home / "fresh.git"
    run("git", "init", "-q", "--bare", path)
    before = sorted(path.rglob("*"))
    asked = "git-annex-shell 'configlist' '/~/fresh.git' '--' 'autoinit=1' '--'"
    refused = account(GIT_ANNEX_SHELL_READONLY="1").run(asked)
    assert (refused.returncode, refused.stdout) == (1, b"")
    assert b"Action blocked by GIT_ANNEX_SHELL_READONLY" in refused.stderr
    unasked = stranger.run("git-annex-shell 'configlist' '/~/fresh.git'")
    assert (unasked.returncode, unasked.stdout) == (0, b"annex.uuid=\ncore.gcrypt-id=\n")
    assert sorted(path.rglob("*")) == before
    made = stranger.run(asked)
    assert (made.returncode, made.stderr) == (0, b"")
    uuid = Server(path, stranger.home).uuid
    assert len(uuid) == 36
    assert made.stdout == f"annex.uuid={uuid}\ncore.gcrypt-id=\n".encode()
    assert stranger.run(asked).stdout == made.stdout


def test_a_clone_with_a_work_tree(stranger: Account, programs: Path, tmp_path: Path) -> None:
    """A clone on the server has a git-annex branch of its origin's only."""
    source = Repo(tmp_path / "source")
    source.add("file", b"content")
    path = stranger.home / "cloned"
    run("git", "clone", "-q", source.path, path)
    run("git", "config", "receive.denyCurrentBranch", "updateInstead", cwd=path)
    source.git("remote", "add", "origin", stranger.url(path))
    there = Clone(source.path, programs)
    there.annex("copy", "-q", "file", "--to", "origin")
    here = Server(path, stranger.home)
    here.wait_for_sessions()
    assert (path / "file").read_bytes() == b"content"

    here.repo.git("config", "annex.thin", "false")
    here.repo.annex("init", "-q")  # of which sessions know nothing, so that they don't have git call it
    (path / "added").write_bytes(b"added here")
    here.repo.annex("add", "-q", "added")
    here.repo.git("commit", "-q", "-m", "added")
    here.repo.annex("unlock", "-q", "added")
    (path / "added").write_bytes(b"edited here")
    here.repo.git("add", "added")
    here.repo.git("commit", "-q", "-m", "edited")
    assert here.repo.git("cat-file", "blob", "HEAD:added").startswith("/annex/objects/")
    assert here.repo.git("status", "--porcelain") == ""
    check_made_by_us(here, there)
    there.annex("get", "-q", "added")
    assert (there.path / "added").read_bytes() == b"edited here"


def test_a_tuned_sibling(stranger: Account, programs: Path, tmp_path: Path) -> None:
    """The tunings of the branch that was pushed are taken over."""
    run("git", "init", "-q", tmp_path / "client")
    run("git", "annex", "init", "-q", "-c", "annex.tune.objecthash1=true", "-c", "annex.tune.branchhash1=true",
        cwd=tmp_path / "client")  # fmt: skip
    there = Clone(tmp_path / "client", programs)
    there.add(["file"])
    path = stranger.home / "fresh.git"
    run("git", "init", "-q", "--bare", path)
    there.git("remote", "add", "origin", stranger.url(path))
    there.git("push", "-q", "origin", "master", "git-annex")
    there.annex("copy", "-q", "file", "--to", "origin")
    here = Server(path, stranger.home)
    assert here.objects() == {there.key("file")}
    check_made_by_us(here, there)
