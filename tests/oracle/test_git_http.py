"""git and its contents from one url: the real git, and the real git-annex, new and old, against our server alone."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.oracle.clients import Clone
from tests.support.httpserver import Server
from tests.support.real import Repo, run


@pytest.fixture(autouse=True)
def _without_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TERMINAL_PROMPT", "0")
    monkeypatch.setenv("GIT_ASKPASS", "true")


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    servers = []

    def make(place: Path, *options: str, env: dict[str, str] | None = None) -> Server:
        servers.append(Server(place, "--git", *options, env=env))
        return servers[-1]

    yield make
    for server in servers:
        assert server.stop() == ""


def published(path: Path, **files: bytes) -> Repo:
    """A bare repository with files on its branch, whose contents it has."""
    work = Repo(path.with_name(path.name + "-work"))
    bare = Repo(path, bare=True)
    for name, content in files.items():
        work.add(name, content)
    branch = work.git("symbolic-ref", "--short", "HEAD").strip()
    bare.git("symbolic-ref", "HEAD", f"refs/heads/{branch}")
    work.git("remote", "add", "server", str(path))
    work.annex("sync", "--content", "server")
    return bare


def clone_of(url: str, path: Path, programs: Path) -> Clone:
    """A clone by the url alone: nothing is configured in it but that addresses of this machine are no secret."""
    made = Clone(path, programs)
    run("git", "clone", "-q", url, path, env=made.env)
    made.git("config", "annex.security.allowed-ip-addresses", "127.0.0.1")
    made.annex("init", "-q", path.name)
    return made


def test_a_url_is_all_that_is_needed(tmp_path: Path, start: Callable[..., Server], client_programs: Path) -> None:
    published(tmp_path / "srv" / "photos.git", small=b"some content\n", large=b"x" * 3_000_000)
    server = start(tmp_path, "--unauth-readonly", "--directory", str(tmp_path / "srv"))
    for name in ("photos", "photos.git", "photos/", "/photos"):
        clone = clone_of(
            f"http://127.0.0.1:{server.port}/{name}", tmp_path / f"clone {name.strip('/')}", client_programs
        )
        clone.annex("get", "-q", "small", "large")
        assert (clone.path / "small").read_bytes() == b"some content\n"
        assert (clone.path / "large").stat().st_size == 3_000_000
        clone.annex("fsck", "-q", "--fast", "--from", "origin")
        clone.annex("drop", "-q", "large")
        subprocess.run(["rm", "-rf", clone.path], check=True)


def test_all_goes_back_to_the_same_url(tmp_path: Path, start: Callable[..., Server], programs: Path) -> None:
    bare = published(tmp_path / "srv" / "photos.git", small=b"some content\n")
    server = start(tmp_path, "--wideopen", "--directory", str(tmp_path / "srv"))
    clone = clone_of(f"http://127.0.0.1:{server.port}/photos", tmp_path / "clone", programs)
    key = clone.add(["new"], size=2_000_000)["new"]
    clone.annex("push", "-q")
    branch = clone.git("symbolic-ref", "--short", "HEAD").strip()
    assert bare.git("rev-parse", branch) == clone.git("rev-parse", "HEAD")
    assert key in bare.annex("find", "--branch", branch, "--format=${key}\\n", "--in=here")
    assert clone.git("config", "remote.origin.annexurl").strip() == f"annex+http://127.0.0.1:{server.port}"
