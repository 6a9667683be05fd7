"""Refs as they are on disk: when they changed, and what keeps git from changing them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from annexshell.git.refs import obstacle, state, tables_of

REF = b"refs/heads/synced/git-annex"
TABLES = "reftable/tables.list"


def written(path: Path, text: str) -> None:
    """As git does, by a lock that takes the file's place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(path.name + ".lock")
    lock.write_text(text)
    lock.rename(path)


@pytest.mark.parametrize("name", [os.fsdecode(REF), "packed-refs", TABLES])
def test_what_changes_with_a_ref(tmp_path: Path, name: str) -> None:
    states = [state(bytes(tmp_path), REF)]
    for text in ("1\n", "2\n"):
        written(tmp_path / name, text)
        states.append(state(bytes(tmp_path), REF))
        assert states[-1] == state(bytes(tmp_path), REF)
    assert states[0] != states[1] != states[2]


def test_a_reftable_has_no_files_of_refs(tmp_path: Path) -> None:
    assert tables_of(bytes(tmp_path)) is None
    written(tmp_path / TABLES, "1\n")
    before = state(bytes(tmp_path), REF)
    assert before == tables_of(bytes(tmp_path)) is not None
    written(tmp_path / os.fsdecode(REF), "1\n")
    assert state(bytes(tmp_path), REF) == before


@pytest.mark.parametrize("name", [os.fsdecode(REF), TABLES])
def test_a_lock_in_the_way(tmp_path: Path, name: str) -> None:
    assert obstacle(bytes(tmp_path), REF) == ""
    lock = tmp_path / f"{name}.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    for age, said in ((0, "0 seconds"), (90, "90 seconds"), (3600, "60 minutes")):
        os.utime(lock, (time.time() - age,) * 2)
        text = obstacle(bytes(tmp_path), REF)
        assert f"{name}.lock has been there for {said[:-8]}" in text
        assert str(tmp_path) not in text
