"""The real git-annex, new and old, as a client of ours over a real sshd."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.oracle.clients import OLD_VERSION, Clone, old_git_annex
from tests.oracle.servers import Server, make_server
from tests.support import sshd as sshds
from tests.support.sshd import Account, Sshd


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """One for all tests; each has accounts of its own."""
    reason = sshds.missing()
    if reason:
        pytest.skip(reason)
    server = Sshd(tmp_path_factory.mktemp("sshd"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def old_programs(pytestconfig: pytest.Config) -> Path:
    """A directory with an old git-annex; without one the tests that need it are skipped."""
    cache = pytestconfig.cache
    found = None if cache is None else old_git_annex(Path(str(cache.mkdir("old-git-annex"))))
    if found is None:
        pytest.skip(f"git-annex {OLD_VERSION} can't be had here")
    return found


@pytest.fixture(params=["new", "old"])
def client_programs(request: pytest.FixtureRequest) -> Path:
    """Where the client's git-annex is: every test that asks for this runs with both."""
    found: Path = request.getfixturevalue("programs" if request.param == "new" else "old_programs")
    return found


@pytest.fixture
def account(
    sshd: Sshd, shell: Path, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Account]]:
    """account(VARIABLE=value...) is an account on the server, restricted by these variables of the environment. HOME
    there is the test's own; git-annex is on the PATH for git's hooks, unless has_git_annex is False."""
    monkeypatch.setenv("PATH", f"{sshd.ssh_directory}:{os.environ['PATH']}")
    home = tmp_path / "server"
    home.mkdir()
    (home / ".gitconfig").write_text((tmp_path / "home" / ".gitconfig").read_text())
    accounts = []

    def make(program: Path = shell, has_git_annex: bool = True, shared: bool = True, **env: str) -> Account:
        accounts.append(sshd.account(program, home, programs if has_git_annex else None, env, shared))
        return accounts[-1]

    yield make
    for each in accounts:
        each.close()


@pytest.fixture
def server(account: Callable[..., Account], tmp_path: Path) -> Callable[..., Server]:
    """server(shape) makes a repository on the server, in its home directory."""

    def make(shape: str = "bare", name: str = "repo") -> Server:
        return make_server(shape, tmp_path / "server", name)

    return make


@pytest.fixture
def clone(programs: Path, tmp_path: Path) -> Iterator[Callable[..., Clone]]:
    """clone(url) is a client's clone; its git-annex is the new one unless told otherwise."""
    clones = []

    def make(url: str, name: str = "clone", client: Path = programs) -> Clone:
        clones.append(Clone.of(url, tmp_path / name, client))
        return clones[-1]

    yield make
    for each in clones:
        each.close()
