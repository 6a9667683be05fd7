"""What the doctor says of a file system, and of the clock."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from annexshell.cli.admin.watching.doctor import filesystem
from annexshell.cli.admin.watching.doctor.clock import check_clock
from annexshell.cli.admin.watching.doctor.filesystem import Features, check_features, check_locks, look
from annexshell.disk.filelock import FileLocks, Lock
from annexshell.git.config import Config

ALL: dict[str, Any] = {
    "kind": "ext4",
    "locks": True,
    "hard_links": True,
    "symlinks": True,
    "modes": True,
    "flushes": True,
    "lag": 0.0,
}


def features(**but: Any) -> Features:
    return Features(**{**ALL, **but})


def config(text: str) -> Config:
    """Words such as annex.pidlock=true."""
    return Config((name, value.encode()) for name, _, value in (word.partition("=") for word in text.split()))


@pytest.mark.parametrize(
    ("facts", "settings", "status", "text"),
    [
        (features(), "", "ok", "work on ext4"),
        (features(kind="nfs4"), "", "ok", "all hosts"),
        (features(kind="nfs4"), "annex.pidlock=true", "ok", "annex.pidlock on nfs4"),
        (features(), "annex.pidlock=true", "warning", "git config --unset annex.pidlock"),
        (features(locks=False, kind=""), "", "error", "git config annex.pidlock true"),
        (features(locks=False), "annex.pidlock=true", "ok", "annex.pidlock"),
    ],
)
def test_locks(facts: Features, settings: str, status: str, text: str) -> None:
    (found,) = check_locks(facts, config(settings))
    assert found.status == status
    assert text in found.text


@pytest.mark.parametrize(
    ("facts", "settings", "status", "text"),
    [
        (features(), "", "ok", "all that is needed"),
        (features(hard_links=False), "", "ok", ""),
        (features(hard_links=False), "annex.thin=true", "warning", "annex.thin"),
        (features(symlinks=False), "", "warning", "core.symlinks false"),
        (features(symlinks=False), "core.symlinks=false", "ok", ""),
        (features(symlinks=False), "core.bare=true", "ok", ""),
        (features(modes=False), "", "warning", "annex.crippledfilesystem true"),
        (features(modes=False), "annex.crippledfilesystem=true", "ok", ""),
        (features(), "annex.crippledfilesystem=true", "warning", "--unset annex.crippledfilesystem"),
        (features(flushes=False), "", "error", "core.fsync none"),
        (features(flushes=False), "core.fsync=none", "ok", ""),
    ],
)
def test_features(facts: Features, settings: str, status: str, text: str) -> None:
    (found,) = check_features(facts, config(settings))
    assert found.status == status
    assert text in found.text


def test_several_problems() -> None:
    assert len([*check_features(features(flushes=False, modes=False), config(""))]) == 2


def test_it_is_tried_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = look(str(tmp_path))
    assert (facts.locks, facts.hard_links, facts.symlinks, facts.modes, facts.flushes) == (True,) * 5
    assert abs(facts.lag) < 5
    assert facts.kind
    assert look("/dev/shm").kind == "tmpfs"

    def fail(*_args: object) -> None:
        raise PermissionError

    class NoLocks(FileLocks):
        def try_shared(self, path: bytes, create: bool = True) -> Lock | None:
            return Lock(os.open(path, os.O_RDONLY), path)

    for name in ("link", "symlink", "fsync", "chmod"):
        monkeypatch.setattr(os, name, fail)
    monkeypatch.setattr(filesystem, "FileLocks", NoLocks)
    facts = look(str(tmp_path))
    monkeypatch.undo()
    assert (facts.locks, facts.hard_links, facts.symlinks, facts.modes, facts.flushes) == (False,) * 5
    assert [path.name for path in tmp_path.iterdir()] == ["home"], "the probes are gone"


@pytest.mark.parametrize(
    ("now", "newest", "lag", "status"),
    [
        (1.8e9, None, 0.0, "ok"),
        (1.8e9, 1.8e9 + 200, -5.0, "ok"),
        (1e9, None, 0.0, "error"),
        (1.8e9, 1.8e9 + 4000, 0.0, "warning"),
        (1.8e9, 1.7e9, 3600.0, "warning"),
        (1.8e9, 1.7e9, -3600.0, "warning"),
    ],
)
def test_the_clock(now: float, newest: float | None, lag: float, status: str) -> None:
    (found,) = check_clock(now, newest, lag)
    assert found.status == status
    assert (status == "ok") != ("timedatectl" in found.text)
