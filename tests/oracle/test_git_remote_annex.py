"""Git repositories inside of what we serve, by git-annex's annex:: urls: their parts are keys like any other."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.httpserver import Server
from tests.support.real import Repo, real_binary, run


@pytest.fixture
def programs_of_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """git-annex under the name by which git calls it, which not every package has."""
    directory = tmp_path / "programs of git"
    directory.mkdir()
    for name in ("git-annex", "git-remote-annex"):
        (directory / name).symlink_to(real_binary())
    monkeypatch.setenv("PATH", str(directory), prepend=":")
    return directory


def parts_of(directory: Path) -> list[str]:
    """The keys that a git repository in a special remote consists of."""
    return sorted(path.name for path in directory.rglob("GIT*") if path.is_file())


def test_a_git_repository_of_bundles(tmp_path: Path, programs_of_git: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was pushed to a special remote, is copied to us, and cloned from the objects that we serve."""
    monkeypatch.setenv("GIT_TERMINAL_PROMPT", "0")
    work, served = Repo(tmp_path / "work"), Repo(tmp_path / "srv" / "served.git", bare=True)
    work.add("file", b"content")
    store = tmp_path / "store"
    store.mkdir()
    work.annex("initremote", "-q", "store", "type=directory", "encryption=none", f"directory={store}", "--with-url")
    branch = work.git("symbolic-ref", "--short", "HEAD").strip()
    work.git("push", "-q", "store", branch, "git-annex")
    keys = parts_of(store)
    assert any(key.startswith("GITBUNDLE-s") for key in keys)
    assert any(key.startswith("GITMANIFEST--") for key in keys)
    server = Server(tmp_path, "--git", "--wideopen", "--directory", str(tmp_path / "srv"))
    try:
        work.git("remote", "add", "served", f"http://127.0.0.1:{server.port}/served")
        work.git("config", "annex.security.allowed-ip-addresses", "127.0.0.1")
        for key in keys:
            work.annex("move", "-q", f"--key={key}", "--from=store", "--to=served")
        assert parts_of(served.annex_dir / "objects") == keys
        assert parts_of(store) == []
        uuid = work.git("config", "remote.store.annex-uuid").strip()
        url = f"annex::{uuid}?type=httpalso&encryption=none&url=http://127.0.0.1:{server.port}/served/annex/objects"
        env = {**os.environ, "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "annex.security.allowed-ip-addresses",
               "GIT_CONFIG_VALUE_0": "127.0.0.1"}  # fmt: skip
        run("git", "clone", "-q", url, tmp_path / "cloned", env=env, timeout=60)
        assert run("git", "rev-parse", "HEAD", cwd=tmp_path / "cloned") == work.git("rev-parse", "HEAD")
    finally:
        server.stop()
