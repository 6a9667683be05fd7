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


@pytest.mark.parametrize("home", ["", "/", ".", "./"])
def test_a_home_is_recognised_in_the_description(home: str, tmp_path: Path) -> None:
    """`home` is below the directory above the repository if it begins with a dot."""
    mine, real = (tmp_path / name / "repo" for name in ("mine", "real"))
    for directory, init in ((mine, ours), (real, theirs)):
        git(tmp_path, "init", "-q", directory)
        place = f"{directory.parent}{home[1:]}" if home.startswith(".") else home
        succeed(init(directory, "init", USER="somebody", HOME=place or str(directory)))
    assert described(mine) == [described(real)[0].replace("/real/", "/mine/")]


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


WISHES = ("preferred-content.log", "required-content.log", "group.log")


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ('initwanted = standard\ninitrequired = "include=*.important"\ninitgroups = backup', ""),
        ('initwanted = x\ninitwanted = "not copies=2"\ninitgroups = y\ninitgroups = "b  a b"', ""),
        ("initwanted = no(such\ninitrequired =\ninitgroups = ", "annex.initwanted can't be understood: "),
        ("initwanted\ninitrequired\ninitgroups", ""),
        ("private = true\ninitwanted = standard\ninitgroups = a", ""),
        ("initrequired = anything", ""),
    ],
    ids=["usual", "several", "wrong", "without values", "private", "one"],
)
def test_what_new_repositories_want(text: str, failure: str, tmp_path: Path) -> None:
    """Git config says it; once it is git-annex's, a repository wants what its log says."""
    with (tmp_path / "home/.gitconfig").open("a") as file:
        file.write(f"[annex]\n{text}\n")
    mine, real = tmp_path / "mine", tmp_path / "real"
    for directory in (mine, real):
        git(tmp_path, "init", "-q", "--bare", directory)
    succeed(theirs(real, "init", "x"))
    done = ours(mine, "init", "x")
    succeed(done)
    assert (failure in done.err) if failure else not done.err
    for name in WISHES:
        recorded = [[line.replace(value(x, "annex.uuid"), "UUID") for line in log(x, name)] for x in (mine, real)]
        assert recorded[0] == recorded[1]
    git(mine, "config", "annex.initwanted", "nothing")
    before = tip(mine)
    succeed(ours(mine, "init"))
    assert tip(mine) == before


def test_groups_that_it_is_in_already_stay(tmp_path: Path) -> None:
    """As when annex.version was lost, and with it what says that the repository is not new."""
    git(tmp_path, "init", "-q", "--bare", tmp_path / "repo")
    succeed(ours(tmp_path / "repo", "init", "x"))
    succeed(ours(tmp_path / "repo", "group", "here", "backup"))
    git(tmp_path / "repo", "config", "--unset", "annex.version")
    git(tmp_path / "repo", "config", "annex.initgroups", "archive")
    succeed(ours(tmp_path / "repo", "init"))
    assert log(tmp_path / "repo", "group.log")[0].endswith(" archive backup")


@pytest.mark.parametrize("kind", ["first", "pushed", "other tunings", "shared", "no unlocked files"])
def test_what_else_is_heeded(kind: str, tmp_path: Path) -> None:
    """Of git config, of a branch that was pushed, and of how a clone was made."""
    origin = make(tmp_path / "origin", "the origin")
    if kind == "other tunings":
        git(tmp_path, "init", "-q", tmp_path / "tuned")
        git(tmp_path / "tuned", "config", "annex.tune.branchhash1", "true")
        succeed(theirs(tmp_path / "tuned", "init", "the origin"))
        origin = tmp_path / "tuned"
    git(origin, "commit", "-q", "--allow-empty", "-m", "a commit")
    mine, real = tmp_path / "mine", tmp_path / "real"
    for directory in (mine, real):
        if kind == "shared":
            git(tmp_path, "clone", "-q", "--shared", origin, directory)
        else:
            git(tmp_path, "init", "-q", directory)
        if kind in ("pushed", "other tunings"):
            git(origin, "push", "-q", directory, "git-annex")
        if kind in ("first", "pushed", "other tunings"):
            git(directory, "config", "annex.tune.objecthash1", "true")
        if kind == "no unlocked files":
            git(directory, "config", "annex.supportunlocked", "false")
    succeed(theirs(real, "init", "x"))
    succeed(ours(mine, "init", "x"))
    assert [line for line in settings(mine) if not line.startswith("remote.")] == [
        line for line in settings(real) if not line.startswith("remote.")
    ]
    noted = {"difference.log": ("first", "other tunings"), "trust.log": ("shared",)}
    for name, kinds in noted.items():
        recorded = [[line.replace(value(x, "annex.uuid"), "UUID") for line in log(x, name)] for x in (mine, real)]
        assert sorted(recorded[0]) == sorted(line for line in recorded[1] if line != "UUID fromList []")
        assert bool(recorded[0]) == (kind in kinds)


# git can't commit as somebody of this name, like on a host whose name has no domain, where nobody has set an address.
NOBODY = "[user]\n\tname = ,\n"


@pytest.mark.parametrize("how", ["configured", "author unknown", "unknown", "only configured"])
def test_who_commits(how: str, tmp_path: Path) -> None:
    """Where git can't tell, it is configured as the original's init does it, which can commit from then on."""
    env = {"USER": "somebody"}
    if how != "configured":
        with (tmp_path / "home/.gitconfig").open("a") as file:
            file.write(NOBODY + ("\tuseConfigOnly = true\n" if how == "only configured" else ""))
    if how == "author unknown":
        env |= {"GIT_COMMITTER_NAME": "c", "GIT_COMMITTER_EMAIL": "c@example.com"}
    mine, real = tmp_path / "mine", tmp_path / "real"
    for directory in (mine, real):
        git(tmp_path, "init", "-q", "--bare", directory)
    real_code = theirs(real, "init", "x", **env).code
    succeed(ours(mine, "init", "x", **env))
    assert real_code == (1 if how == "only configured" else 0)
    assert [value(mine, f"user.{name}") for name in ("name", "email")] == [
        value(real, f"user.{name}") for name in ("name", "email")
    ]
    if how != "only configured":
        assert value(mine, "user.name") == ("" if how == "configured" else "somebody")
        succeed(theirs(mine, "describe", "here", "y"))


def test_who_commits_to_a_branch_that_was_pushed(tmp_path: Path) -> None:
    origin = make(tmp_path / "origin", "the origin")
    git(tmp_path, "init", "-q", "--bare", tmp_path / "repo")
    git(origin, "push", "-q", tmp_path / "repo", "git-annex")
    with (tmp_path / "home/.gitconfig").open("a") as file:
        file.write(NOBODY)
    succeed(ours(tmp_path / "repo", "init", "x", USER="", LOGNAME="somebody"))
    assert value(tmp_path / "repo", "user.email") == "somebody"
    succeed(theirs(tmp_path / "repo", "describe", "here", "y"))


def test_bare_repositories_that_git_has_to_be_told_of(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", tmp_path / "repo.git")
    git(tmp_path, "config", "--global", "safe.bareRepository", "explicit")
    for name in ("pre-init-annex", "post-update-annex", "commitmessage-annex"):
        hook = tmp_path / "repo.git/hooks" / name
        hook.write_text(f"#!/bin/sh\ngit rev-parse --git-dir && echo {name} >> ran\n")
        hook.chmod(0o755)
    succeed(ours(tmp_path, "init", "--repo=repo.git", "x"))
    assert (tmp_path / "repo.git/ran").read_text().split() == [
        "pre-init-annex", "commitmessage-annex", "post-update-annex"
    ]  # fmt: skip
    succeed(ours(tmp_path / "repo.git", "init", "y"))
    done = ours(tmp_path, "init", "--repo=repo.git", "z", GIT_TEST_ASSUME_DIFFERENT_OWNER="1")
    assert done.code == 1
    assert "git refuses to operate on the repository" in done.err


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
