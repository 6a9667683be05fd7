"""init, side by side with the real one."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from tests.support.admin import config, git, log, make, ours, succeed, theirs, tip, value


def settings(directory: Path) -> list[str]:
    """The git config, but for the uuid."""
    return [re.sub("^annex.uuid=.*", "annex.uuid", line) for line in config(directory)]


def files(directory: Path) -> dict[str, tuple[int, bytes]]:
    """The files with which git calls git-annex, with their modes."""
    git_dir = Path(git(directory, "rev-parse", "--absolute-git-dir").strip())
    found = [path for path in (git_dir / "hooks").iterdir() if path.suffix != ".sample"]
    attributes = git_dir / "info" / "attributes"
    return {
        path.name: (path.stat().st_mode & 0o777, path.read_bytes().splitlines()[0])
        for path in [*found, *([attributes] if attributes.exists() else [])]
    }


def described(directory: Path) -> list[str]:
    uuid = value(directory, "annex.uuid")
    assert len(uuid) == 36
    return [line.replace(uuid, "UUID") for line in log(directory, "uuid.log")]


@pytest.mark.parametrize("options", [[], ["--bare"], ["--shared=group"]], ids=["plain", "bare", "shared"])
def test_a_new_repository(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    mine, real = tmp_path / "a" / "repo", tmp_path / "b" / "repo"
    for params in (["my", "repository"], [], ["another", "name"], ["--json"], ["line\nfeed"], ["-q", b"\xff"]):
        for directory in (mine, real):
            git(tmp_path, "init", "-q", *options, directory)
        theirs_done, done = theirs(real, "init", *params), ours(mine, "init", *params)
        assert (done.code, done.out) == (theirs_done.code, theirs_done.out), params
        assert described(mine) == described(real)
    assert settings(mine) == settings(real)
    assert files(mine) == files(real)
    assert git(mine, "log", "--format=%s", "git-annex") == git(real, "log", "--format=%s", "git-annex")
    uuid, before = value(mine, "annex.uuid"), tip(mine)
    facts = json.loads(succeed(theirs(mine, "info", "--fast", "--json")))
    assert [found["uuid"] for found in facts["semitrusted repositories"] if found["here"]] == [uuid]
    assert succeed(theirs(mine, "init")) == "init  ok\n"
    assert succeed(ours(real, "init")) == "init  ok\n"
    assert (tip(mine), value(mine, "annex.uuid")) == (before, uuid)


def test_without_a_description(tmp_path: Path) -> None:
    """It is made up, in the same way."""
    for name, init in (("mine", ours), ("real", theirs)):
        directory = tmp_path / "home" / name / "repo"
        directory.mkdir(parents=True)
        git(directory, "init", "-q")
        succeed(init(directory, "init", USER="somebody"))
    mine, real = (tmp_path / "home" / name / "repo" for name in ("mine", "real"))
    assert described(mine) == [described(real)[0].replace("real", "mine")]
    assert described(mine)[0] == f"UUID somebody@{os.uname().nodename}:~/mine/repo"


def test_a_clone(tmp_path: Path) -> None:
    """It goes on with the branch of its origin, whose description is known."""
    origin = make(tmp_path / "origin", "the origin")
    git(origin, "commit", "-q", "--allow-empty", "-m", "a commit")
    git(tmp_path, "clone", "-q", origin, tmp_path / "clone")
    clone = tmp_path / "clone"
    assert succeed(ours(clone, "init", "the clone")) == "init the clone ok\n(recording state in git...)\n"
    expected = [f"{value(origin, 'annex.uuid')} the origin", f"{value(clone, 'annex.uuid')} the clone"]
    assert log(clone, "uuid.log") == sorted(expected)
    git(clone, "merge-base", "--is-ancestor", "origin/git-annex", "git-annex")
    succeed(theirs(clone, "sync", "-q"))
    assert log(origin, "uuid.log") == sorted(expected)


def test_a_repository_in_use(tmp_path: Path) -> None:
    """What it has is left as it is: its version, its contents, and what it has remembered of them."""
    repo = make(tmp_path / "repo", "a repository")
    (repo / "file").write_text("content")
    succeed(theirs(repo, "add", "-q", "file"))
    git(repo, "commit", "-q", "-m", "a file")
    sentinal = (repo / ".git/annex/sentinal.cache").read_bytes()
    (repo / ".git/hooks/pre-commit").write_text("#!/bin/sh\n")
    before = config(repo)
    done = ours(repo, "init", "a better name")
    assert succeed(done) == "init a better name \nok\n(recording state in git...)\n"
    assert "a pre-commit hook already exists" in done.err
    assert (repo / ".git/hooks/pre-commit").read_text() == "#!/bin/sh\n"
    assert (repo / ".git/annex/sentinal.cache").read_bytes() == sentinal
    assert config(repo) == before
    assert described(repo) == ["UUID a better name"]
    assert "ok" in succeed(theirs(repo, "fsck"))


def test_what_prevents_it(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    git(tmp_path, "init", "-q", repo)
    (repo / ".noannex").touch()
    done = ours(repo, "init", "x")
    assert (done.code, done.out) == (1, "init x \nfailed\n")
    assert done.err == "annexshell: initialization prevented by the .noannex file\n"
    done = ours(repo, "init", "--json")
    assert (done.code, json.loads(done.out)["success"]) == (theirs(repo, "init", "--json").code, False) == (1, False)
    assert value(repo, "annex.uuid") == ""
    (repo / ".noannex").unlink()
    assert ours(tmp_path, "init").err == f"annexshell: {tmp_path} is not in a git repository\n"
    (repo / "deep").mkdir()
    succeed(ours(repo / "deep", "init", "--", "-x"))
    assert described(repo) == ["UUID -x"]
