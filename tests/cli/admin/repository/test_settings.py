"""annexshell settings: what can be set, and what is set in a repository."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from annexshell.cli.admin.repository import settings
from tests.conftest import ROOT
from tests.support.admin import ours, succeed
from tests.support.real import Repo


def test_all_settings(tmp_path: Path) -> None:
    output = succeed(ours(tmp_path, "settings", GIT_ANNEX_SHELL_READONLY="1"))
    for name, _, _ in settings.GIT_CONFIG:
        assert f"  {name} (default: " in output
    for name, _ in (*settings.HOOKS, *settings.ENVIRONMENT):
        assert f"  {name}" in output
    assert "  GIT_ANNEX_SHELL_READONLY (set to '1')" in output


def test_settings_of_a_repository(repo: Repo) -> None:
    """Also those in what its configuration includes."""
    repo.git("config", "annex.verify", "false")
    (repo.path / "included").write_text("[annexshell]\nlog = /var/log/it's a log\n")
    repo.git("config", "include.path", "../included")
    for directory, cwd in ((str(repo.path), Path("/")), (".", repo.path), (".git", repo.path)):
        output = succeed(ours(cwd, "settings", directory))
        assert "  annex.verify (set to 'false')" in output
        assert '  annexshell.log (set to "/var/log/it\'s a log")' in output
        assert "  annex.thin (default: false)" in output


def test_settings_of_nothing(tmp_path: Path) -> None:
    for directory in (".", "nothing"):
        done = ours(tmp_path, "settings", directory)
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith("annexshell: ")
        assert done.err.count("\n") == 1


def test_a_reader_that_has_seen_enough() -> None:
    command = f"{sys.executable} {ROOT}/bin/annexshell settings | head -c 10"
    done = subprocess.run(command, shell=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.stderr == b""
    assert len(done.stdout) == 10
