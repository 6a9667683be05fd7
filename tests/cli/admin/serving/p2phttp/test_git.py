"""Serving git needs a program that some systems have in a package of its own."""

from __future__ import annotations

from pathlib import Path

from tests.support.admin import ours
from tests.support.real import Repo


def test_git_without_http_backend(tmp_path: Path) -> None:
    Repo(tmp_path / "srv" / "repo")
    (tmp_path / "core").mkdir()
    done = ours(tmp_path, "p2phttp", "--git", "--directory=srv", "--port=0", GIT_EXEC_PATH=str(tmp_path / "core"))
    assert done.code == 1
    assert "--git needs git http-backend, which is not installed" in done.err
