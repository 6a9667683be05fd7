"""What git may say for a page, and how long it may take, has a bound."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from annexshell.errors import ChildFailed
from annexshell.serve.http.browse import objects
from annexshell.serve.http.browse.objects import GitObjects
from tests.support.census import children


def played_by(directory: Path, script: str) -> GitObjects:
    """The objects of a repository, where git is a script."""
    program = directory / "git"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return GitObjects(b"/nowhere", dict(os.environb))


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


@pytest.fixture
def _no_child_stays() -> Iterator[None]:
    before = set(children(os.getpid()))
    yield
    assert set(children(os.getpid())) <= before


@pytest.mark.usefixtures("_no_child_stays")
def test_a_git_that_hangs_is_ended(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "_PATIENCE", 0.2)
    reader = played_by(directory, "exec sleep 1000")
    with pytest.raises(ChildFailed, match="takes too long"):
        reader.entries(b"1")


@pytest.mark.usefixtures("_no_child_stays")
def test_a_git_that_never_ends_talking_is_cut_off(directory: Path) -> None:
    reader = played_by(directory, "exec yes 100644 blob 1")
    assert len(reader.beginning(b"1", 100_000)) == 100_000
    assert reader.entries(b"1") == []


def test_a_git_that_fails(directory: Path) -> None:
    with pytest.raises(ChildFailed, match="git ls-tree failed"):
        played_by(directory, "exit 128").entries(b"1")


def test_nothing_is_asked_for_nothing(directory: Path) -> None:
    played_by(directory, "exit 1").look_into([])
