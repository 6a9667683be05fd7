"""What is set because a file system lacks something."""

from __future__ import annotations

import errno
import os

import pytest

from annexshell.disk.filelock import FileLocks
from annexshell.git.config import Config
from annexshell.git.paths import locate
from annexshell.repo.initialization.probing import probe
from tests.support.real import Repo


def refuse(*_: object, **__: object) -> None:
    raise OSError(errno.EOPNOTSUPP, "not there")


def found(repo: Repo, **values: str) -> dict[str, str]:
    config = Config((name.replace("_", "."), text.encode()) for name, text in values.items())
    before = os.listdir(repo.path / ".git")
    warned: list[str] = []
    settings = probe(locate(os.fsencode(repo.path)), config, warned.append)
    assert os.listdir(repo.path / ".git") == before
    assert bool(warned) == bool(settings)
    return settings


def test_nothing_is_missing(repo: Repo) -> None:
    assert found(repo) == {}


CRIPPLED = {"annex.crippledfilesystem": "true", "core.symlinks": "false"}


@pytest.mark.parametrize(
    ("function", "settings"), [("symlink", CRIPPLED), ("fchmod", CRIPPLED), ("mkfifo", {"annex.sshcaching": "false"}),
                               ("link", {"annex.sshcaching": "false"})]
)  # fmt: skip
def test_what_is_missing(repo: Repo, function: str, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, function, refuse)
    assert found(repo) == settings


def test_symlinks_are_off_already(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "symlink", refuse)
    assert found(repo, core_symlinks="false") == {"annex.crippledfilesystem": "true"}


def test_objects_that_a_hook_protects(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """They need no modes."""
    monkeypatch.setattr(os, "fchmod", refuse)
    config = {"annex.freezecontent-command": "true"}
    assert found(repo, **config) == {}


def test_locks(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FileLocks, "exclusive", refuse)
    assert found(repo) == {"annex.pidlock": "true"}
    assert found(repo, annex_pidlock="true") == {}
