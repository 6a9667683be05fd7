"""Repositories whose refs are in a reftable, as git 2.45 and newer can have them and git 3 makes them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from annexshell.annexlog.facts import Facts
from annexshell.cli.admin.watching.doctor.finding import OK
from annexshell.git.config import read_config
from annexshell.git.paths import locate
from annexshell.git.program import Git
from annexshell.repo.local.closing import close
from annexshell.repo.local.parts import Parts, Use
from tests.repo.places import existing
from tests.support.admin import ours
from tests.support.branch import BRANCH, in_branch, log_path, put_files
from tests.support.client import Client
from tests.support.real import Repo, run

KEY = "WORM-s1-m1--key"


@pytest.fixture(params=["work tree", "bare"])
def repo(tmp_path: Path, request: pytest.FixtureRequest) -> Repo:
    options = ["--bare"] if request.param == "bare" else []
    made = ["git", "init", "-q", "--ref-format=reftable", *options, str(tmp_path / "repo")]
    if subprocess.run(made, capture_output=True).returncode != 0:
        pytest.skip("this git knows no reftable")
    run("git", "annex", "init", "-q", cwd=tmp_path / "repo")
    return existing(tmp_path / "repo")


@pytest.fixture
def open_parts(repo: Repo) -> Iterator[Callable[[], Parts]]:
    """Each call stands for another process."""
    opened: list[Parts] = []

    def open_one() -> Parts:
        paths = locate(bytes(repo.path))
        git = Git(paths.git_dir, dict(os.environb))
        opened.append(Parts(paths, read_config(git), git, Use(print)))
        return opened[-1]

    yield open_one
    for parts in opened:
        parts.git.close()


def test_commits(repo: Repo, open_parts: Callable[[], Parts]) -> None:
    parts = open_parts()
    path = log_path(KEY)
    for uuid in (b"one", b"two"):
        parts.journal.set_locations(path.encode(), [uuid], b"1")
        close(parts, changed=False)
        assert uuid in in_branch(repo, path)
    assert parts.journal.branch.tip() == repo.git("rev-parse", BRANCH).strip().encode()
    assert repo.git("fsck", "--strict", "--no-dangling") == ""


def test_a_running_process_sees_what_is_pushed(repo: Repo, open_parts: Callable[[], Parts]) -> None:
    parts = open_parts()
    facts = Facts(parts.git, parts.journal)
    for number in range(3):
        state = facts.refs_state()
        text = b"%d group timestamp=1s\n" % number
        put_files(repo, {"group.log": text}, "refs/heads/synced/git-annex")
        assert facts.refs_state() != state
        assert facts.read(b"group.log").split() == text.split()
    tip = parts.journal.branch.tip()
    put_files(repo, {"uuid.log": b"x\n"})
    assert parts.journal.branch.tip() != tip
    assert parts.journal.read(b"uuid.log") == b"x\n"


def test_who_listens_hears_of_changes(repo: Repo, shell: Path) -> None:
    with Client(shell, "notifychanges", str(repo.path), greeting=False) as client:
        assert client.line() == "READY"
        for ref in ("refs/heads/one", "refs/heads/two/three"):
            value = commit(repo, ref)
            repo.git("update-ref", ref, value)
            assert client.line() == f"CHANGED {value}"
        repo.git("update-ref", "-d", "refs/heads/one")  # of which nobody hears
        last = commit(repo, "last")
        repo.git("update-ref", "refs/heads/last", last)
        assert client.line() == f"CHANGED {last}"


def commit(repo: Repo, message: str) -> str:
    return repo.git("commit-tree", "-m", message, f"{BRANCH}^{{tree}}").strip()


def test_the_doctor(repo: Repo) -> None:
    found = checks(repo)
    assert {found[check][0] for check in ("permissions", "branch", "stale-locks", "journal")} == {OK}
    lock = repo.git_dir / "reftable/tables.list.lock"
    lock.touch()
    os.utime(lock, (0, 0))
    assert checks(repo)["stale-locks"][1].endswith(f"rm {lock}")


def checks(repo: Repo) -> dict[str, tuple[str, str]]:
    said = json.loads(ours(repo.path, "doctor", "--json").out)
    return {check["check"]: (check["status"], check["text"]) for check in said["checks"]}
