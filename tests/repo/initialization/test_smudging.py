"""git and git-annex in one work tree, on servers with and without git-annex."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from annexshell.git.config import Config, read_config
from annexshell.git.paths import locate
from annexshell.git.program import Git
from annexshell.repo.initialization import smudging
from annexshell.repo.initialization.smudging import Dangling, bypassing, dangling, lacks_filter, set_up, take_away
from tests.support.admin import config, git, ours, succeed, theirs
from tests.support.real import Repo, run

CALLING = ["filter.annex.clean", "filter.annex.process", "filter.annex.smudge"]
UNCONDITIONAL = ["post-checkout", "post-merge", "pre-commit"]


@pytest.fixture
def without(tmp_path: Path) -> str:
    """A PATH on which there is no git-annex."""
    directory = tmp_path / "git only"
    directory.mkdir()
    for name in ("git", "git-shell", "git-upload-pack", "git-receive-pack", "git-upload-archive", "sh"):
        (directory / name).symlink_to(shutil.which(name) or "")
    return str(directory)


@pytest.fixture
def push(shell: Path, tmp_path: Path, without: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """push(there, *params) pushes through git-annex-shell to a repository of a server without git-annex."""
    script = tmp_path / "ssh"
    script.write_text(f'#!/bin/sh\nshift\nPATH="{without}" exec "{shell}" -c "$*"\n')
    script.chmod(0o755)
    monkeypatch.setenv("GIT_SSH", str(script))
    monkeypatch.setenv("GIT_SSH_VARIANT", "simple")
    return lambda repo, there, *params: git(repo, "push", "-q", f"server:{there}", *params)


def used(directory: Path) -> list[str]:
    return [name for name in CALLING if any(line.startswith(name) for line in config(directory))]


def hooks(directory: Path) -> list[str]:
    return sorted(path.name for path in (directory / ".git/hooks").iterdir() if path.suffix != ".sample")


def look(directory: Path, path: str) -> tuple[Dangling, bool]:
    paths = locate(os.fsencode(directory))
    here = Git(paths.git_dir, {**os.environb, b"PATH": path.encode()})
    return dangling(paths, here, read_config(here)), lacks_filter(here, read_config(here))


def works(directory: Path, path: str) -> bool:
    """Whether people can use git in the work tree."""
    (directory / "new").write_text(path)
    for command in (["add", "."], ["status"], ["commit", "-q", "-m", "new"], ["checkout", "-q", "-B", "other"]):
        run("git", *command, cwd=directory, env={**os.environ, "PATH": path})
    return git(directory, "status", "--porcelain") == ""


def test_a_new_work_tree(tmp_path: Path, without: str) -> None:
    """What git-annex is needed for is set up where it is."""
    repo = tmp_path / "repo"
    git(tmp_path, "init", "-q", repo)
    succeed(ours(repo, "init", "x", PATH=without))
    assert (used(repo), hooks(repo)) == ([], ["post-receive", "pre-push"])
    assert not (repo / ".git/info/attributes").exists() or "annex" not in (repo / ".git/info/attributes").read_text()
    assert works(repo, without)
    assert look(repo, os.environ["PATH"])[1]
    succeed(ours(repo, "init"))
    assert (used(repo), hooks(repo)) == (
        CALLING,
        ["post-checkout", "post-merge", "post-receive", "pre-commit", "pre-push"],
    )
    assert not look(repo, os.environ["PATH"])[1]


def test_a_first_visit(shell: Path, tmp_path: Path, without: str) -> None:
    repo = tmp_path / "repo"
    git(tmp_path, "init", "-q", repo)
    run(str(shell), "configlist", str(repo), "--", "autoinit=1", "--", env={**os.environ, "PATH": without})
    assert len(git(repo, "config", "annex.uuid")) == 37
    assert works(repo, without)


def test_what_git_calls_in_a_shared_repository(tmp_path: Path) -> None:
    """All of its accounts can read and run it, whatever umask the first one has."""
    repo = tmp_path / "repo"
    before = os.umask(0o077)
    try:
        git(tmp_path, "init", "-q", "--shared=group", "--template=", repo)
        succeed(ours(repo, "init"))
    finally:
        os.umask(before)
    assert (repo / ".git/info/attributes").stat().st_mode & 0o040
    assert (repo / ".git/hooks").stat().st_mode & 0o070 == 0o070
    assert {path.stat().st_mode & 0o050 for path in (repo / ".git/hooks").iterdir()} == {0o050}


def test_hooks_of_another_account(repo: Repo, without: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that this one may not read are left alone, and hold nothing up."""

    def read_file(path: bytes) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    paths = locate(os.fsencode(repo.path))
    here = Git(paths.git_dir, {**os.environb, b"PATH": without.encode()})
    monkeypatch.setattr(smudging, "read_file", read_file)
    found = dangling(paths, here, Config())
    assert (found.hooks, found.others) == ([], [])
    warned: list[str] = []
    set_up(paths, here, Config(), warned.append)
    assert warned == [
        f"a {name} hook already exists, and was not replaced by the one that git-annex uses"
        for name in ("pre-push", "post-receive")
    ]


def test_what_a_git_annex_left_that_was_removed(repo: Repo, without: str) -> None:
    for path in (os.environ["PATH"], without):
        found, lacks = look(repo.path, path)
        assert (found.filter, found.hooks) == ((True, UNCONDITIONAL) if path == without else (False, []))
        assert (found.others, lacks) == ([], False)
    (repo.path / ".git/hooks/post-merge").write_text("#!/bin/sh\ndate\ngit annex smudge --update\n")
    attributes = repo.path / ".git/info/attributes"
    attributes.write_text("*.x -diff\n" + attributes.read_text())
    done = ours(repo.path, "init", PATH=without)
    succeed(done)
    assert "git-annex is not here: the filter and hooks" in done.err
    assert "the post-merge hook calls it" in done.err
    assert (used(repo.path), hooks(repo.path)) == ([], ["post-merge", "post-receive", "pre-push"])
    assert attributes.read_text().split("\n")[0] == "*.x -diff"
    assert "annex" not in attributes.read_text()
    assert works(repo.path, without)
    found, _ = look(repo.path, without)
    assert (found.filter, found.hooks, found.others) == (False, [], ["post-merge"])


def test_a_filter_of_the_account(repo: Repo, without: str) -> None:
    for name in CALLING:
        git(repo.path, "config", "--global", name, git(repo.path, "config", name).strip())
    git(repo.path, "config", "--global", "filter.annex.required", "true")
    (repo.path / ".gitattributes").write_text("* filter=annex\n")
    succeed(ours(repo.path, "init", PATH=without))
    assert works(repo.path, without)
    succeed(ours(repo.path, "init"))
    assert git(repo.path, "config", "filter.annex.process") == "git-annex filter-process\n"


def test_nothing_is_taken_from_bare_repositories(bare: Repo, without: str) -> None:
    before = config(bare.path)
    git(bare.path, "config", "--global", "filter.annex.process", "git-annex filter-process")
    paths = locate(os.fsencode(bare.path))
    here = Git(paths.git_dir, {**os.environb, b"PATH": without.encode()})
    take_away(paths, here, read_config(here), pytest.fail)
    assert config(bare.path) == before


@pytest.mark.parametrize("old", [True, False], ids=["old files", "files as young as the index"])
def test_pushes_into_a_work_tree(push: Callable[..., None], repo: Repo, old: bool, tmp_path: Path) -> None:
    """Pointer files stay pointer files there, and what git-annex had given its content is no obstacle."""
    there, here = repo.path, tmp_path / "here"
    git(there, "config", "receive.denyCurrentBranch", "updateInstead")
    git(there, "config", "annex.addunlocked", "true")
    (there / "unlocked").write_text("content")
    os.utime(there / "unlocked", (1, 1))
    succeed(theirs(there, "add", "-q", "unlocked"))
    git(there, "commit", "-q", "-m", "an unlocked file")
    if not old:
        os.utime(there / ".git/index", (1, 1))
    git(tmp_path, "clone", "-q", there, here)
    succeed(theirs(here, "init", "-q", "here"))
    for number in range(2):
        (here / f"file{number}").write_text("new")
        succeed(theirs(here, "add", "-q", f"file{number}"))
        git(here, "commit", "-q", "-m", "a file")
        push(here, there, "HEAD")
    assert (there / "file1").is_symlink()
    assert (there / "unlocked").read_text() == "content"
    succeed(theirs(here, "unlock", "-q", "file1"))
    git(here, "commit", "-q", "-a", "-m", "unlocked")
    push(here, there, "HEAD")
    assert (there / "file1").read_text().startswith("/annex/objects/")
    (there / "unlocked").write_text("edited!")
    with pytest.raises(AssertionError, match="unstaged changes"):
        push(here, there, "HEAD~1:master", "--force")
    assert (there / "unlocked").read_text() == "edited!"


def test_settings_of_a_forced_command_stay() -> None:
    env = {b"PATH": b"/nowhere", b"GIT_CONFIG_COUNT": b"1", b"GIT_CONFIG_KEY_0": b"a.b", b"GIT_CONFIG_VALUE_0": b"c"}
    found = bypassing(env)
    assert (found[b"GIT_CONFIG_KEY_0"], found[b"GIT_CONFIG_COUNT"]) == (b"a.b", b"5")
