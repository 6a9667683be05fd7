"""Many sessions at once on the same few keys, ours and the original's: locks hold, and no fact is lost."""

from __future__ import annotations

import os
import random
import subprocess
import threading
from pathlib import Path

import pytest

from tests.conftest import CLIENT_UUID
from tests.faults.test_faults import location_log, objects
from tests.support.client import Client, sha256_key
from tests.support.real import Repo, run

CONTENTS = [b"contended content %d" % number for number in range(3)]
ROUNDS = 40


class Worker(threading.Thread):
    """A client that stores, locks and removes the same contents as everybody else.

    The original's sessions die where ours answer FAILURE, so that it connects anew.
    """

    def __init__(self, program: Path, repo: Path, seed: int) -> None:
        super().__init__()
        self._argv = (program, "p2pstdio", str(repo), CLIENT_UUID)
        self._repo = repo
        self._random = random.Random(seed)
        self.problems: list[str] = []
        self.done = {"PUT": 0, "REMOVE": 0, "LOCK": 0}

    def run(self) -> None:
        client = self._connect()
        for _ in range(ROUNDS):
            try:
                self._step(client)
            except (BrokenPipeError, ConnectionError):
                client.kill()
                client = self._connect()
            except AssertionError as error:
                self.problems.append(str(error))
        client.close()

    def _connect(self) -> Client:
        client = Client(*self._argv)
        client.ask("VERSION 4")
        return client

    def _step(self, client: Client) -> None:
        content = self._random.choice(CONTENTS)
        key = sha256_key(content)
        what = self._random.choice(["PUT", "PUT", "REMOVE", "LOCK"])
        if what == "PUT":
            answer = client.put(key, content)
            self._count(what, answer in ("SUCCESS", "ALREADY-HAVE"), answer)
        elif what == "REMOVE":
            answer = client.ask(f"REMOVE {key}")
            self._count(what, answer == "SUCCESS", answer)
        else:
            answer = client.ask(f"LOCKCONTENT {key}")
            self._count(what, answer == "SUCCESS", answer)
            if answer == "SUCCESS":
                for _ in range(20):
                    if key not in objects(self._repo):
                        self.problems.append(f"{key} was removed while it was locked")
                client.send("UNLOCKCONTENT")

    def _count(self, what: str, worked: bool, answer: str) -> None:
        if answer == "":
            raise BrokenPipeError
        self.done[what] += worked


@pytest.mark.timeout(180)
@pytest.mark.parametrize("originals", [0, 3], ids=["ours", "mixed"])
def test_locks_hold_and_no_fact_is_lost(originals: int, repo: Repo, shell: Path, programs: Path) -> None:
    original = programs / "git-annex-shell"
    workers = [Worker(original if n < originals else shell, repo.path, n) for n in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [problem for worker in workers for problem in worker.problems] == []
    for what in ("PUT", "REMOVE", "LOCK"):
        assert sum(worker.done[what] for worker in workers) > 5, f"hardly any {what} worked"
    with Client(shell, "p2pstdio", str(repo.path), CLIENT_UUID) as client:
        assert client.close() == (0, "")
    assert os.listdir(repo.annex_dir / "journal") == []
    present = objects(repo.path)
    for content in CONTENTS if not originals else []:  # the original stores without a lock, and may log too late
        key = sha256_key(content)
        assert f" {int(key in present)} {repo.uuid}" in location_log(repo.path, key)
    repo.annex("fsck", "-q")
    run("git", "fsck", "--no-dangling", "--strict", cwd=repo.path)


@pytest.mark.timeout(120)
def test_pushed_commits_survive(repo: Repo, shell: Path, tmp_path: Path) -> None:
    """A client pushes straight to the git-annex branch while sessions commit to it."""
    clone = tmp_path / "clone"
    run("git", "clone", "-q", repo.path, clone)
    run("git", "checkout", "-q", "-b", "git-annex", "origin/git-annex", cwd=clone)
    stored: list[str] = []
    stop = threading.Event()

    def sessions() -> None:
        while not stop.wait(0.05):  # a breath, in which a push has a chance
            content = b"committed while others push %d" % len(stored)
            with Client(shell, "p2pstdio", str(repo.path), CLIENT_UUID) as client:
                client.ask("VERSION 4")
                assert client.put(sha256_key(content), content) == "SUCCESS"
                assert client.close() == (0, "")
            stored.append(sha256_key(content))

    thread = threading.Thread(target=sessions)
    thread.start()
    try:
        pushed = [push(clone, number) for number in range(8)]
    finally:
        stop.set()
        thread.join()
    names = run("git", "ls-tree", "-r", "--name-only", "git-annex", cwd=repo.path).split()
    contained = run("git", "rev-list", "git-annex", cwd=repo.path).split()
    for number, commit in enumerate(pushed):
        assert commit in contained
        assert f"pushed{number}.log" in names
    assert len(stored) > 3
    for key in stored:
        assert f" 1 {repo.uuid}" in location_log(repo.path, key)


def push(clone: Path, number: int) -> str:
    """Pushes a file to the git-annex branch, again and again until nothing else came between; returns the commit."""
    for _ in range(100):
        run("git", "fetch", "-q", "origin", cwd=clone)
        run("git", "reset", "-q", "--hard", "origin/git-annex", cwd=clone)
        (clone / f"pushed{number}.log").write_text(f"1s {number}\n")
        run("git", "add", ".", cwd=clone)
        run("git", "commit", "-qm", f"push {number}", cwd=clone)
        if subprocess.run(["git", "push", "-q", "origin", "git-annex"], cwd=clone, capture_output=True).returncode == 0:
            return run("git", "rev-parse", "HEAD", cwd=clone).strip()
    raise AssertionError("no push ever succeeded")
