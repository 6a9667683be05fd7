"""The real git-annex as a client of our HTTP server."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.oracle.clients import Clone
from tests.oracle.servers import leftovers
from tests.support.httpserver import Server
from tests.support.real import Repo

_FAILING = {"removeKey", "storeKey", "checkPresent"}  # of "unavailable remote": these fail with every server, it does


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    servers = []

    def make(place: Path, *options: str, env: dict[str, str] | None = None) -> Server:
        servers.append(Server(place, *options, env=env))
        return servers[-1]

    yield make
    for server in servers:
        assert server.stop() == ""


@pytest.fixture
def pair(tmp_path: Path, start: Callable[..., Server], programs: Path) -> tuple[Repo, Clone]:
    """A repository that is served to everybody, and a clone that uses it over HTTP."""
    repo = Repo(tmp_path / "served")
    repo.add("first", b"first content\n")
    server = start(repo.path, "--wideopen")
    return repo, connect(repo, server.url, tmp_path / "clone", programs)


def connect(repo: Repo, url: str, path: Path, programs: Path) -> Clone:
    clone = Clone.of(str(repo.path), path, programs)
    clone.git("config", "annex.security.allowed-ip-addresses", "all")
    clone.git("config", "remote.origin.annexUrl", url)
    return clone


def present(repo: Repo, key: str) -> bool:
    done = subprocess.run(["git", "annex", "contentlocation", key], cwd=repo.path, capture_output=True)
    return done.returncode == 0


def test_contents_come_and_go(pair: tuple[Repo, Clone]) -> None:
    repo, clone = pair
    clone.annex("get", "first")
    assert (clone.path / "first").read_bytes() == b"first content\n"
    keys = clone.add(["small", "large"], size=3_000_000)
    clone.annex("copy", "--to", "origin", "small", "large")
    assert all(present(repo, key) for key in keys.values())
    clone.annex("drop", "small", "large")
    assert not clone.has("large")
    clone.annex("get", "large")
    clone.annex("move", "--to", "origin", "large")
    clone.annex("move", "--from", "origin", "large")
    assert clone.has("large")
    assert not present(repo, keys["large"])
    clone.annex("get", "small")
    clone.annex("drop", "--from", "origin", "small")
    assert not present(repo, keys["small"])
    clone.annex("fsck", "--fast", "--from", "origin")


def test_with_the_library_that_debian_has(tmp_path: Path, start: Callable[..., Server], programs: Path) -> None:
    fakes = tmp_path / "fakes"
    fakes.mkdir()
    (fakes / "httptools.py").write_text("__version__ = '0.1.1'\n")  # too old: h11 it is
    repo = Repo(tmp_path / "served")
    repo.add("first", b"first content\n")
    server = start(repo.path, "--wideopen", env={"PYTHONPATH": f"{fakes}:{ROOT}"})
    test_contents_come_and_go((repo, connect(repo, server.url, tmp_path / "clone", programs)))


def test_many_at_once(pair: tuple[Repo, Clone]) -> None:
    repo, clone = pair
    keys = clone.add([f"file{number}" for number in range(40)])
    for command in ("copy --to origin", "drop", "get", "move --to origin"):
        clone.annex(*command.split(), "-J8")
    assert all(present(repo, key) for key in keys.values())


def test_the_last_copy_is_locked_while_another_is_dropped(pair: tuple[Repo, Clone]) -> None:
    repo, clone = pair
    clone.annex("get", "first")
    assert "locking origin" in clone.annex("drop", "first")
    assert clone.try_annex("drop", "--from", "origin", "first").returncode != 0
    assert present(repo, clone.key("first"))


def test_git_annex_testremote(pair: tuple[Repo, Clone]) -> None:
    _, clone = pair
    done = clone.try_annex("testremote", "--fast", "origin")
    failed = set(re.findall(r"^ +(\w+): +FAIL", done.stdout, re.MULTILINE))
    assert failed <= _FAILING, done.stdout[-5000:]
    assert re.search(r"3 out of \d{3} tests failed|All \d{3} tests passed", done.stdout), done.stdout[-1000:]


def test_a_password_is_needed(
    tmp_path: Path, start: Callable[..., Server], programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = Repo(tmp_path / "served")
    repo.add("first", b"first content\n")
    env = {"GIT_ANNEX_P2PHTTP_PASSWORD_me": "~~~?"}
    server = start(repo.path, "--authenv-http", env=env)
    monkeypatch.setenv("GIT_TERMINAL_PROMPT", "0")
    clone = connect(repo, server.url, tmp_path / "clone", programs)
    assert clone.try_annex("get", "first").returncode != 0
    clone.git("config", "credential.helper", "!f() { echo username=me; echo 'password=~~~?'; }; f")
    clone.annex("get", "first")
    clone.add(["more"])
    clone.annex("copy", "--to", "origin", "more")


def test_nothing_is_left_behind(tmp_path: Path, start: Callable[..., Server], programs: Path) -> None:
    repo = Repo(tmp_path / "served")
    server = start(repo.path, "--wideopen")
    clone = connect(repo, server.url, tmp_path / "clone", programs)
    keys = clone.add(["one", "two"])
    clone.annex("copy", "--to", "origin")
    clone.annex("drop", "one")
    server.stop()
    assert [path for path in leftovers(repo.annex_dir) if not path.startswith("annexshell")] == []
    assert all(repo.location_log(key).get(repo.uuid) == "1" for key in keys.values())
    repo.annex("fsck", "--all")
    assert os.listdir(repo.annex_dir / "annexshell" / "locks") == []


def test_a_client_is_told_why_it_may_not_store_more(
    tmp_path: Path, start: Callable[..., Server], programs: Path
) -> None:
    repo = Repo(tmp_path / "served")
    repo.add("first", b"first content\n")
    clone = connect(repo, start(repo.path, "--wideopen", "--max-size=1MB").url, tmp_path / "clone", programs)
    keys = clone.add(["small", "large"], size=600_000)
    clone.annex("copy", "--to", "origin", "small")
    refused = subprocess.run(
        ["git", "annex", "copy", "--to", "origin", "large"], cwd=clone.path, capture_output=True, env=clone.env
    )
    assert b"the quota of this repository is used up: 600.0 kB of 1.0 MB are taken" in refused.stderr
    clone.annex("copy", "--to", "origin", "small")
    clone.annex("drop", "--from", "origin", "small", "--force")
    clone.annex("copy", "--to", "origin", "large")
    assert present(repo, keys["large"])
