"""From what a client names to the directories of a repository."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annexshell.errors import NotARepository
from annexshell.git.paths import GitPaths, expand, locate, own_home
from annexshell.git.program import Git
from tests.support.real import Repo, run

HOME = b"/home/me"


def home_of(user: bytes) -> bytes | None:
    return {b"you": b"/home/you", b"": b"/home/nobody"}.get(user)


@pytest.mark.parametrize(
    ("directory", "path"),
    [
        (b"/srv/repo", b"/srv/repo"),
        (b"/srv//repo/./x/", b"/srv/repo/x"),
        (b"/srv/../repo", b"/srv/../repo"),
        (b"repo", b"/home/me/repo"),
        (b"./repo", b"/home/me/repo"),
        (b"", b"/home/me"),
        (b".", b"/home/me"),
        (b"~", b"/home/me"),
        (b"/~", b"/home/me"),
        (b"~/repo", b"/home/me/repo"),
        (b"/~/repo", b"/home/me/repo"),
        (b"/~//repo", b"/home/me/repo"),
        (b"~you/repo", b"/home/you/repo"),
        (b"/~you/repo", b"/home/you/repo"),
        (b"/~you", b"/home/you"),
        (b"~nobody/repo", b"/home/me/~nobody/repo"),
        (b"/~nobody/repo", b"/~nobody/repo"),
        (b"a/~/b", b"/home/me/a/~/b"),
        (b"//~/repo", b"/~/repo"),
        (b"\xff", b"/home/me/\xff"),
    ],
)
def test_directories(directory: bytes, path: bytes) -> None:
    assert expand(directory, HOME, home_of) == path


@given(st.binary(max_size=20))
def test_every_directory_becomes_absolute_and_tidy(directory: bytes) -> None:
    path = expand(directory, HOME, home_of)
    assert path.startswith(b"/")
    assert not {b"", b"."} & set(path[1:].split(b"/")) or path == b"/"


def found(path: Path, had_slash: bool = False) -> GitPaths:
    return locate(os.fsencode(path), had_slash)


def check(paths: GitPaths, git_dir: Path, work_tree: Path | None, common_dir: Path | None = None) -> None:
    assert paths.git_dir == os.fsencode(git_dir)
    assert paths.work_tree == (None if work_tree is None else os.fsencode(work_tree))
    assert paths.common_dir == os.fsencode(common_dir or git_dir)
    assert paths.annex_dir == paths.common_dir + b"/annex"
    assert paths.hooks_dir == paths.common_dir + b"/hooks"
    git = Git(paths.git_dir, dict(os.environb))
    assert os.path.realpath(git.output("rev-parse", "--git-common-dir").rstrip(b"\n")) == os.path.realpath(
        paths.common_dir
    )


def test_a_work_tree(repo: Repo) -> None:
    check(found(repo.path), repo.git_dir, repo.path)
    check(found(repo.git_dir), repo.git_dir, repo.path)


def test_a_bare_repository(bare: Repo) -> None:
    assert bare.path.name == "bare.git"
    check(found(bare.path), bare.path, None)
    check(found(bare.path.with_name("bare")), bare.path, None)
    with pytest.raises(NotARepository):
        found(bare.path.with_name("bare"), had_slash=True)


def test_a_name_without_its_suffix(bare: Repo, repo: Repo) -> None:
    """Only if there is nothing of that very name."""
    bare.path.rename(repo.path.with_name("repo.git"))
    check(found(repo.path), repo.git_dir, repo.path)


def test_a_git_directory_elsewhere(tmp_path: Path) -> None:
    run("git", "init", "-q", "--separate-git-dir", tmp_path / "elsewhere", tmp_path / "tree")
    check(found(tmp_path / "tree"), tmp_path / "elsewhere", tmp_path / "tree")
    (tmp_path / "tree" / ".git").write_bytes(b"gitdir: ../elsewhere\r\n")
    check(found(tmp_path / "tree"), tmp_path / "elsewhere", tmp_path / "tree")


def test_a_git_directory_behind_a_symlink(repo: Repo, tmp_path: Path) -> None:
    """As git-annex makes of a `.git` file."""
    repo.git_dir.rename(tmp_path / "elsewhere")
    (repo.path / ".git").symlink_to("../elsewhere")
    check(found(repo.path), tmp_path / "elsewhere", repo.path)


@pytest.mark.parametrize("used_by_git_annex", [False, True])
def test_a_linked_work_tree(repo: Repo, tmp_path: Path, used_by_git_annex: bool) -> None:
    repo.git("commit", "-q", "--allow-empty", "-m", "start")
    repo.git("worktree", "add", "-q", str(tmp_path / "linked"), "-b", "side")
    if used_by_git_annex:
        run("git", "annex", "info", "--fast", cwd=tmp_path / "linked")
        assert (tmp_path / "linked" / ".git").is_symlink()
    check(found(tmp_path / "linked"), repo.git_dir / "worktrees" / "linked", tmp_path / "linked", repo.git_dir)


@pytest.fixture
def submodule(repo: Repo, tmp_path: Path) -> Path:
    """The submodule `sub` of tmp_path/super."""
    repo.git("commit", "-q", "--allow-empty", "-m", "start")
    top = tmp_path / "super"
    run("git", "init", "-q", top)
    run("git", "submodule", "--quiet", "add", repo.path, "sub", cwd=top)
    return top / "sub"


def test_a_submodule(submodule: Path) -> None:
    assert (submodule / ".git").read_text().startswith("gitdir: ../")
    check(found(submodule), submodule.parent / ".git" / "modules" / "sub", submodule)


def test_a_submodule_behind_a_symlink(submodule: Path, tmp_path: Path) -> None:
    """Its relative path leads upwards from where it really is."""
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "short"
    link.symlink_to(submodule)
    check(found(link), submodule.parent / ".git" / "modules" / "sub", link)


def test_the_directory_of_a_linked_work_tree_behind_a_symlink(repo: Repo, tmp_path: Path) -> None:
    repo.git("commit", "-q", "--allow-empty", "-m", "start")
    repo.git("worktree", "add", "-q", str(tmp_path / "linked"), "-b", "side")
    link = tmp_path / "link"
    link.symlink_to(repo.git_dir / "worktrees" / "linked")
    assert found(link).common_dir == os.fsencode(repo.git_dir)


@pytest.mark.parametrize("text", ["", "gitdir:", "gitdir: ", "gitdir: /nowhere", "junk\n", "gitdir: \0", "gitdir: .."])
def test_a_git_file_that_leads_nowhere(tmp_path: Path, text: str) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / ".git").write_text(text)
    with pytest.raises(NotARepository):
        found(tmp_path / "tree")


def test_what_is_no_repository(repo: Repo, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "fake" / ".git").mkdir(parents=True)
    os.mkfifo(tmp_path / "empty" / ".git")
    (repo.path / "sub").mkdir()
    for path in ("file", "empty", "fake", "missing", "repo/sub", "repo/.git/objects", "x" * 5000, "a\0b"):
        with pytest.raises(NotARepository):
            found(tmp_path / path)


@pytest.mark.parametrize("home", [None, b""])
def test_a_home_that_nobody_tells(home: bytes | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is that of the account, or / where there is no such account."""
    assert own_home(home) == os.fsencode(pwd.getpwuid(os.getuid()).pw_dir)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    assert own_home(home) == b"/"
