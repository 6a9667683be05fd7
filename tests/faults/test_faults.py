"""Death and disk errors at every point of a session: what was acknowledged is there, and nothing half done shows."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.conftest import CLIENT_UUID
from tests.support.client import Client, sha256_key
from tests.support.faulty import faulty_shell
from tests.support.real import Repo, run

NEW = [b"first new content", b"x" * 200_000]
OLD = b"content that is to be removed"
LOCKED = b"content that is to be locked"
KEYS = {sha256_key(content): content for content in (*NEW, OLD, LOCKED)}
# What a system call fails with: each with one of them, unless FAULTS_IN_FULL is set.
ERRORS = ("ENOSPC", "EIO", "EACCES")


class Session:
    """One session that does a bit of everything, and what the client was told in it."""

    def __init__(self, program: Path, repo: Path, fault: str, trace: Path | None = None) -> None:
        self.answers: dict[str, str] = {}
        env = {"FAULT": fault} | ({"FAULT_TRACE": str(trace)} if trace else {})
        with Client(program, "p2pstdio", str(repo), CLIENT_UUID, env=env) as client:
            try:
                self._talk(client)
            except (AssertionError, BrokenPipeError, OSError) as error:
                self.broken = repr(error)
            else:
                self.broken = ""
            self.code, self.errors = client.close()

    def _talk(self, client: Client) -> None:
        assert client.ask("VERSION 4") == "VERSION 4"
        for content in NEW:
            self.answers[sha256_key(content)] = client.put(sha256_key(content), content)
        self.answers[sha256_key(OLD)] = client.ask(f"REMOVE {sha256_key(OLD)}")
        self.answers[sha256_key(LOCKED)] = client.ask(f"LOCKCONTENT {sha256_key(LOCKED)}")

    def stored(self) -> list[str]:
        return [key for key in map(sha256_key, NEW) if self.answers.get(key) in ("SUCCESS", "ALREADY-HAVE")]


@pytest.fixture()
def template(repo: Repo, shell: Path, tmp_path: Path) -> Path:
    """A repository with the old contents, to be copied for each fault."""
    with Client(shell, "p2pstdio", str(repo.path), CLIENT_UUID) as client:
        assert client.ask("VERSION 4") == "VERSION 4"
        for content in (OLD, LOCKED):
            assert client.put(sha256_key(content), content) == "SUCCESS"
        assert client.close()[0] == 0
    return repo.path


def objects(repo: Path) -> dict[str, Path]:
    """The objects that any git-annex would take for present."""
    found = {}
    for directory, _, names in os.walk(repo / ".git/annex/objects"):
        for name in names:
            if name == Path(directory).name:
                found[name] = Path(directory) / name
    return found


def check(repo: Path, session: Session) -> None:
    """What must be true whatever happened."""
    present = objects(repo)
    for name, path in present.items():
        assert path.read_bytes() == KEYS[name], "a partial object shows"
    for key in session.stored():
        assert key in present, "stored content is missing"
    if session.answers.get(sha256_key(OLD)) == "SUCCESS":
        assert sha256_key(OLD) not in present
    assert sha256_key(LOCKED) in present
    if session.answers.get(sha256_key(LOCKED)) == "SUCCESS":
        assert present[sha256_key(LOCKED)].with_name(sha256_key(LOCKED) + ".rtm").exists(), "the retention is lost"


def location_log(repo: Path, key: str) -> str:
    paths = run("git", "ls-tree", "-r", "--name-only", "git-annex", cwd=repo).splitlines()
    (path,) = [path for path in paths if path.endswith(f"/{key}.log")]
    return run("git", "cat-file", "blob", f"git-annex:{path}", cwd=repo)


def check_after_next_session(repo: Path, shell: Path, session: Session) -> None:
    """The next session commits what the dead one left, and the real git-annex is content with it all."""
    with Client(shell, "p2pstdio", str(repo), CLIENT_UUID) as client:
        code, errors = client.close()
    assert (code, errors) == (0, "")
    assert os.listdir(repo / ".git/annex/journal") == []
    for key in session.stored():
        assert " 1 " in location_log(repo, key)
    if session.answers.get(sha256_key(OLD)) == "SUCCESS":
        assert " 0 " in location_log(repo, sha256_key(OLD))


def copy_of(template: Path, directory: Path, number: int) -> Path:
    copy = directory / f"copy{number}"
    shutil.copytree(template, copy, symlinks=True)
    return copy


def discard(repo: Path) -> None:
    run("chmod", "-R", "u+w", repo)
    shutil.rmtree(repo)


def points(template: Path, program: Path, directory: Path) -> int:
    """How many points an undisturbed session has."""
    trace = directory / "trace"
    repo = copy_of(template, directory, 0)
    session = Session(program, repo, "NONE:0", trace)
    assert session.answers == {**dict.fromkeys(KEYS, "SUCCESS")}
    check(repo, session)
    discard(repo)
    return len(trace.read_text().splitlines())


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["KILL", *ERRORS])
def test_every_point_of_a_session(kind: str, template: Path, shell: Path, tmp_path: Path) -> None:
    program = faulty_shell(shell, tmp_path)
    total = points(template, program, tmp_path)
    assert total > 50
    for number in range(1, total + 1):
        if kind != "KILL" and ERRORS[number % len(ERRORS)] != kind and "FAULTS_IN_FULL" not in os.environ:
            continue
        repo = copy_of(template, tmp_path, number)
        session = Session(program, repo, f"{kind}:{number}")
        assert "internal error" not in session.errors, (number, session.errors)
        check(repo, session)
        if kind == "KILL":
            assert session.code == -9, (number, session.errors)
        else:
            assert not session.broken, (number, session.broken, session.errors)
            assert session.errors or session.answers == dict.fromkeys(KEYS, "SUCCESS"), "a failure without a reason"
        check_after_next_session(repo, shell, session)
        if number % 10 == 0:
            run("git", "annex", "fsck", "-q", cwd=repo)
            run("git", "fsck", "--no-dangling", "--strict", cwd=repo)
        discard(repo)
