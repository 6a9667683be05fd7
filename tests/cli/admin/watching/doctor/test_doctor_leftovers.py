"""What the doctor says of what earlier sessions have left."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from annexshell.cli.admin.watching.doctor.leftovers import check_journal, check_locks, check_partial, look
from annexshell.git.paths import GitPaths, locate
from tests.support.real import Repo, run

HOUR, DAY = 3600, 86400


@pytest.fixture
def bare_repo(tmp_path: Path) -> Path:
    run("git", "init", "-q", "--bare", tmp_path / "bare.git")
    return tmp_path / "bare.git"


def left(directory: Path) -> GitPaths:
    return locate(bytes(directory))


def write(path: Path, age: float, size: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (time.time() - age,) * 2)


def test_nothing(repo: Repo, bare_repo: Path) -> None:
    for directory in (repo.path, bare_repo):
        facts = look(left(directory))
        for (found,) in (check_journal(facts, True), check_locks(facts), check_partial(facts)):
            assert found.status == "ok"


def test_the_journal(bare_repo: Path) -> None:
    write(bare_repo / "annex/journal/a.log", HOUR / 2)
    (found,) = check_journal(look(left(bare_repo)), True)
    assert (found.status, found.text) == ("ok", "1 changes to be committed")
    write(bare_repo / "annex/journal/b.log", 5 * HOUR)
    facts = look(left(bare_repo))
    (found,) = check_journal(facts, True)
    assert found.status == "warning"
    assert found.text.startswith("2 changes have not been committed for 5 hours")
    (found,) = check_journal(facts, False)
    assert found.status == "ok"


def test_locks_of_git(bare_repo: Path) -> None:
    write(bare_repo / "index.lock", 30)
    write(bare_repo / "annex/index.lock", 2 * DAY)
    (found,) = check_locks(look(left(bare_repo)))
    assert found.status == "warning"
    assert found.text.endswith(f"rm {bare_repo}/annex/index.lock")
    assert "for 2 days" in found.text


@pytest.mark.parametrize(
    "name",
    ["refs/heads/git-annex.lock", "refs/heads/synced/git-annex.lock", "packed-refs.lock", "reftable/tables.list.lock"],
)
def test_locks_of_refs(bare_repo: Path, name: str) -> None:
    """Each of them keeps everybody from committing or pushing, and git holds none for a minute."""
    write(bare_repo / name, 10)
    (found,) = check_locks(look(left(bare_repo)))
    assert (found.status, found.text) == ("ok", f"{bare_repo}/{name} has been there for 10 seconds, as while git works")
    write(bare_repo / name, 119)
    (found,) = check_locks(look(left(bare_repo)))
    assert found.status == "warning"
    assert found.text.endswith(
        f"has been there for 119 seconds; if no git is running there, use: rm {bare_repo}/{name}"
    )


def test_locks_in_a_linked_work_tree(repo: Repo, tmp_path: Path) -> None:
    """Some are its own, and some are those of its main repository."""
    repo.git("commit", "-q", "--allow-empty", "-m", "a commit")
    repo.git("-c", "core.hooksPath=/dev/null", "worktree", "add", "-q", str(tmp_path / "linked"))
    write(repo.git_dir / "worktrees/linked/index.lock", DAY)
    write(repo.git_dir / "packed-refs.lock", DAY)
    found = [*check_locks(look(left(tmp_path / "linked")))]
    assert [each.text.rpartition("/")[2] for each in found] == ["packed-refs.lock", "index.lock"]


def test_the_pid_lock(bare_repo: Path) -> None:
    path = bare_repo / "annex/pidlock"
    path.parent.mkdir()
    ours = 'PidLock {lockingPid = %d, lockingHost = "%s"}'
    gone = 2**22 + 1  # no process has such an id
    for pid, host, is_gone in (
        (os.getpid(), os.uname().nodename, False),
        (gone, os.uname().nodename, True),
        (gone, "elsewhere", False),
    ):
        path.write_text(ours % (pid, host))
        (found,) = check_locks(look(left(bare_repo)))
        assert found.status == "ok"
        assert (f"the process {gone}" in found.text) == is_gone


def test_partial_and_damaged_contents(bare_repo: Path) -> None:
    annex = bare_repo / "annex"
    write(annex / "tmp/new", DAY, 100)
    (found,) = check_partial(look(left(bare_repo)))
    assert found.status == "ok"
    write(annex / "tmp/old", 8 * DAY, 1500)
    write(annex / "tmp/older", 20 * DAY, 1500)
    write(annex / "bad/SHA256--x", 0, 70)
    partial, bad = check_partial(look(left(bare_repo)))
    assert (partial.status, bad.status) == ("warning", "warning")
    assert partial.text.startswith("2 files of 3 kB, up to 20 days old;")
    assert "1 damaged contents of 70 B" in bad.text
