"""git, as a program that is asked."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from hashlib import sha1
from pathlib import Path

import pytest

from annexshell.errors import ChildFailed
from annexshell.git import program as git_module
from annexshell.git.program import Git, trusts, with_config
from tests.support.branch import BRANCH, Ours, in_branch, put_files
from tests.support.real import Repo


@pytest.fixture
def git(repo: Repo) -> Iterator[Git]:
    git = Git(os.fsencode(repo.git_dir), dict(os.environb))
    yield git
    git.close()


def test_objects(repo: Repo, git: Git) -> None:
    large = bytes(range(256)) * 5000
    commit = put_files(repo, {"a b": b"text\n", "empty": b"", "large": large}).encode()
    for path, text in {b"a b": b"text\n", b"empty": b"", b"large": large}.items():
        name = b"%b:%b" % (commit, path)
        assert git.object(name) == (repo.git("rev-parse", name).strip().encode(), text)
    found = git.object(commit)
    assert found is not None
    assert found[1].startswith(b"tree ")


@pytest.mark.parametrize(
    "name",
    [b"0" * 40, b"refs/heads/none", BRANCH.encode() + b":none", b"HEAD:x missing", b"a b c", b"", b"--batch", b"x\ny"],
)
def test_what_is_not_there(git: Git, name: bytes) -> None:
    assert git.object(name) is None
    assert git.object(BRANCH.encode()) is not None


def test_an_abbreviation_of_several(repo: Repo, git: Git) -> None:
    begun: dict[str, bytes] = {}
    for number in range(10_000):
        text = b"%d" % number
        digest = sha1(b"blob %d\0%b" % (len(text), text)).hexdigest()
        if digest[:4] in begun:
            break
        begun[digest[:4]] = text
    put_files(repo, {"one": text, "other": begun[digest[:4]]})
    assert git.object(digest[:4].encode()) is None
    assert git.object(digest.encode()) == (digest.encode(), text)


def test_names_with_a_newline(repo: Repo, git: Git, ours: Callable[..., Ours]) -> None:
    """A key may have one. The answers to the next questions must not get mixed up."""
    path = b"abc/def/WORM--two\nlines.log"
    mine = ours()
    mine.journal.change(path, b"", lambda _: b"1s 1 u\n")
    assert mine.committer.commit()
    put_files(repo, {"uuid.log": b"x\n"})
    assert in_branch(repo, os.fsdecode(path)) == b"1s 1 u\n"
    commit = repo.git("rev-parse", BRANCH).strip().encode()
    for _ in range(2):
        found = git.object(b"%b:%b" % (commit, path))
        assert found is not None
        assert found[1] == b"1s 1 u\n"
        found = git.object(commit + b":uuid.log")
        assert found is not None
        assert found[1] == b"x\n"
        assert git.object(commit + b":no\nfile") is None


def test_what_is_written_meanwhile_is_found(repo: Repo, git: Git) -> None:
    assert git.object(b"refs/heads/new") is None
    commit = put_files(repo, {"x": b"y"}, "refs/heads/new", parent=None)
    found = git.object(b"refs/heads/new")
    assert found is not None
    assert found[0] == commit.encode()


def test_a_child_that_is_killed(git: Git) -> None:
    assert git.object(BRANCH.encode()) is not None
    assert git._reader is not None
    os.kill(git._reader.pid, signal.SIGKILL)
    with pytest.raises(ChildFailed, match="git cat-file ended unexpectedly"):
        git.object(BRANCH.encode())


def test_closing_twice(git: Git) -> None:
    assert git.object(BRANCH.encode()) is not None
    git.close()
    git.close()
    assert git.object(BRANCH.encode()) is not None


class TestContents:
    """Many objects at once."""

    def test_in_order(self, repo: Repo, git: Git) -> None:
        texts = [b"", b"one\n", b"x" * 100_000, b"one\n", b"last"]
        commit = put_files(repo, {f"f{n}": text for n, text in enumerate(texts)})
        ids = [repo.git("rev-parse", f"{commit}:f{n}").strip().encode() for n in range(len(texts))]
        assert list(git.contents([*ids, b"0" * 40, ids[1]])) == [*texts, b"", b"one\n"]
        assert list(git.contents([])) == []

    def test_more_than_a_pipe_holds(self, repo: Repo, git: Git) -> None:
        commit = put_files(repo, {"f": b"x" * 1000})
        name = repo.git("rev-parse", f"{commit}:f").strip().encode()
        assert sum(len(text) for text in git.contents([name] * 3000)) == 3_000_000

    def test_not_to_the_end(self, repo: Repo, git: Git) -> None:
        commit = put_files(repo, {"f": b"x" * 1000})
        contents = git.contents([repo.git("rev-parse", f"{commit}:f").strip().encode()] * 3000)
        assert next(contents) == b"x" * 1000
        contents.close()  # type: ignore[attr-defined]


def test_who_commits(git: Git) -> None:
    assert git.committer().startswith(b"Test <test@example.com> ")


def test_who_commits_on_a_server_that_was_not_set_up(
    repo: Repo, git: Git, ours: Callable[..., Ours], tmp_path: Path
) -> None:
    (tmp_path / "home" / ".gitconfig").unlink()
    repo.git("config", "user.useConfigOnly", "true")
    name = b"git-annex-shell <git-annex-shell@" + os.fsencode(socket.gethostname()) + b"> "
    assert git.committer().startswith(name)
    assert git.committer().startswith(name)
    mine = ours(now=7)
    mine.journal.set_locations(b"abc/def/X--y.log", [b"u"], b"1")
    assert mine.committer.commit()
    assert (
        repo.git("log", "-1", "--format=%an %ae %cn", BRANCH).encode().startswith(b"git-annex-shell git-annex-shell@")
    )


def test_exit_codes(git: Git) -> None:
    assert git.succeeds("rev-parse", "--verify", "-q", BRANCH)
    assert not git.succeeds("rev-parse", "--verify", "-q", "refs/none")
    assert git.run("config", "annex.test", "x") == 0
    assert git.output("config", "annex.test") == b"x\n"
    assert git.run("config", "--unset", "annex.none") == 5
    with pytest.raises(ChildFailed, match="git config failed with exit code 1"):
        git.output("config", "annex.none")


def test_a_repository_that_belongs_to_somebody_else(repo: Repo, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    """git's check of who owns it does not apply to a git directory that is named."""
    uuid = repo.uuid
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    theirs = Git(git.git_dir, dict(os.environb))
    try:
        assert theirs.object(BRANCH.encode()) is not None
        assert theirs.output("config", "annex.uuid") == uuid.encode() + b"\n"
    finally:
        theirs.close()


@pytest.mark.parametrize("explicit", [False, True])
def test_whom_git_trusts(
    bare: Repo, repo: Repo, explicit: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """safe.bareRepository is no reason to mistrust anybody."""
    if explicit:
        repo.git("config", "--global", "safe.bareRepository", "explicit")
    for directory in (bare.path, repo.path):
        path = os.fsencode(directory)
        assert trusts(path, os.environb)
        monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
        assert not trusts(path, os.environb)
        repo.git("config", "--global", "safe.directory", str(directory))
        assert trusts(path, os.environb)
        monkeypatch.delenv("GIT_TEST_ASSUME_DIFFERENT_OWNER")
    assert not trusts(os.fsencode(tmp_path), os.environb)


def test_settings_in_the_environment(git: Git) -> None:
    """Those that are there already stay, such as those of a forced command."""
    env = with_config(with_config(git.env, [(b"annex.one", b"1"), (b"annex.two", b"")]), [(b"annex.three", b"a 'b'")])
    several = Git(git.git_dir, env)
    found = [several.output("config", f"annex.{name}") for name in ("one", "two", "three")]
    assert found == [b"1\n", b"\n", b"a 'b'\n"]
    assert with_config({b"GIT_CONFIG_COUNT": b"x"}, [(b"a.b", b"c")]) == {b"GIT_CONFIG_COUNT": b"x"}


def test_an_object_that_is_too_large_for_a_log(repo: Repo, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not read into memory, and other objects can be read afterwards."""
    monkeypatch.setattr(git_module, "_LARGEST", 1000)
    commit = put_files(repo, {"large": b"x" * 1001, "largest": b"x" * 1000}).encode()
    with pytest.raises(ChildFailed, match=r"1001 bytes is in the place of a log"):
        git.object(commit + b":large")
    assert git.object(commit + b":largest") == (
        repo.git("rev-parse", commit + b":largest").strip().encode(), b"x" * 1000,
    )  # fmt: skip
    assert list(git.contents([commit + b":large", commit + b":largest"])) == [b"", b"x" * 1000]


def test_objects_of_another_kind(git: Git) -> None:
    assert git.object(BRANCH.encode(), b"blob") is None
    assert git.object(BRANCH.encode(), b"commit") is not None
