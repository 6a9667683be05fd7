"""Reading the git-annex branch in whatever form git keeps it, at a cost that does not grow with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from annexshell.annexlog.branch import Branch, sibling_refs
from annexshell.git.program import Git
from tests.support.branch import BRANCH, Ours, log_path, put_files
from tests.support.real import Repo, run


class CountingGit(Git):
    """Notes which objects it is asked for."""

    def __init__(self, repo: Repo) -> None:
        super().__init__(os.fsencode(repo.git_dir), dict(os.environb))
        self.asked: list[bytes] = []

    def object(self, name: bytes, kind: bytes = b"") -> tuple[bytes, bytes] | None:
        self.asked.append(name)
        return super().object(name, kind)


@pytest.fixture
def git(repo: Repo) -> Iterator[CountingGit]:
    git = CountingGit(repo)
    yield git
    git.close()


@pytest.fixture
def branch(repo: Repo, git: CountingGit) -> Branch:
    return Branch(git, os.fsencode(repo.git_dir))


def tip(branch: Branch) -> bytes:
    found = branch.tip()
    assert found is not None
    return found


def test_a_loose_ref_needs_no_git(repo: Repo, branch: Branch, git: CountingGit) -> None:
    assert tip(branch) == repo.git("rev-parse", BRANCH).strip().encode()
    assert git.asked == []


def test_the_ref_is_read_anew_each_time(repo: Repo, branch: Branch) -> None:
    before = tip(branch)
    after = put_files(repo, {"uuid.log": b"x\n"})
    assert before != tip(branch) == after.encode()
    assert (branch.read(b"uuid.log", before), branch.read(b"uuid.log", tip(branch))) != (b"x\n", b"x\n")
    assert branch.read(b"uuid.log", tip(branch)) == b"x\n"


def test_a_packed_ref(repo: Repo, branch: Branch) -> None:
    commit = tip(branch)
    repo.git("pack-refs", "--all")
    assert not (repo.git_dir / BRANCH).exists()
    assert tip(branch) == commit


@pytest.mark.parametrize("target", ["refs/heads/elsewhere", "refs/heads/a-name-that-long-exactly"])
def test_a_symbolic_ref(repo: Repo, branch: Branch, target: str) -> None:
    """The second one's file is as long as one that holds the id of a commit."""
    commit = tip(branch)
    repo.git("update-ref", target, BRANCH)
    repo.git("symbolic-ref", BRANCH, target)
    assert tip(branch) == commit


def test_no_branch(repo: Repo, branch: Branch) -> None:
    repo.git("update-ref", "-d", BRANCH)
    assert branch.tip() is None


def test_a_directory_in_the_place_of_the_branch(repo: Repo, branch: Branch) -> None:
    commit = tip(branch)
    repo.git("update-ref", "-d", BRANCH)
    repo.git("update-ref", f"{BRANCH}/below", commit)
    assert branch.tip() is None


def test_a_tag_of_the_same_name_does_not_confuse(repo: Repo, branch: Branch) -> None:
    commit = tip(branch)
    put_files(repo, {"uuid.log": b"tagged\n"}, "refs/tags/git-annex", parent=None)
    repo.git("pack-refs", "--all")
    assert tip(branch) == commit


def test_a_repository_with_sha256(tmp_path: Path) -> None:
    run("git", "init", "-q", "--object-format=sha256", tmp_path / "sha256")
    repo = Repo.__new__(Repo)
    repo.path, repo.git_dir = tmp_path / "sha256", tmp_path / "sha256" / ".git"
    commit = put_files(repo, {"abc/def/X--y.log": b"1s 1 u\n"}, parent=None)
    git = CountingGit(repo)
    try:
        branch = Branch(git, os.fsencode(repo.git_dir))
        assert tip(branch) == commit.encode()
        assert len(commit) == 64
        assert branch.read(b"abc/def/X--y.log", tip(branch)) == b"1s 1 u\n"
    finally:
        git.close()


FILES = {
    "uuid.log": b"top\n",
    "abc/def/KEY--1.log": b"two levels\n",
    "abc/KEY--2.log": b"one level\n",
    "abc/def/KEY--'\"\\ \udcff.log": b"odd name\n",
    "a/b/c/d/e.log": b"deep\n",
    "empty": b"",
    "no-newline": b"x",
    "binary": bytes(range(256)) * 300,
}


def test_reads_files_wherever_they_are(repo: Repo, branch: Branch) -> None:
    put_files(repo, {name: text for name, text in FILES.items() if '"' not in name})
    # fast-import needs quotes for this one.
    put_files(repo, {'"abc/def/KEY--\'\\"\\\\ \udcff.log"': b"odd name\n"})
    commit = tip(branch)
    for name, text in FILES.items():
        assert branch.read(os.fsencode(name), commit) == text, name


@pytest.mark.parametrize(
    "path", ["none.log", "abc/none.log", "none/def/KEY--1.log", "abc/none/KEY--1.log", "abc", "ab"]
)
def test_what_is_not_there_is_empty(repo: Repo, branch: Branch, path: str) -> None:
    put_files(repo, {"abc/def/KEY--1.log": b"x\n", "abcd/def/KEY--1.log": b"y\n"})
    assert branch.read(path.encode(), tip(branch)) == b""


def test_what_is_no_file_is_empty(repo: Repo, branch: Branch) -> None:
    """A directory, a submodule or a file in the way, which somebody pushed; a link is read like a file, as upstream."""
    submodule = repo.git("rev-parse", BRANCH).strip()
    link = run("git", "hash-object", "-w", "--stdin", cwd=repo.path, input=b"1s 1 x\n").strip()
    put_files(repo, {"uuid.log/x": b"x\n", "abc": b"x\n"})
    commit = committed_with(repo, f"160000 {submodule} 0\ttrust.log", f"120000 {link} 0\tgroup.log")
    for path in (b"uuid.log", b"abc/def/KEY--1.log", b"trust.log"):
        assert branch.read(path, commit) == b""
    assert branch.read(b"group.log", commit) == b"1s 1 x\n"


def test_weird_entries_do_not_keep_us_from_committing(repo: Repo, ours: Callable[..., Ours]) -> None:
    mine = ours(now=7)
    path = log_path("WORM--x")
    put_files(repo, {path + "/x": b"x\n", log_path("WORM--y")[:3]: b"x\n"})
    for key in ("WORM--x", "WORM--y"):
        mine.journal.set_locations(log_path(key).encode(), [b"uuid"], b"1")
    assert mine.committer.commit()
    for key in ("WORM--x", "WORM--y"):
        assert mine.journal.read(log_path(key).encode()) == b"7s 1 uuid\n"


def committed_with(repo: Repo, *entries: str) -> bytes:
    """A commit with entries of an index on top of the branch."""
    env = {**os.environ, "GIT_INDEX_FILE": str(repo.git_dir / "weird")}
    run("git", "read-tree", BRANCH, cwd=repo.path, env=env)
    for entry in entries:
        mode, blob, _, path = entry.replace("\t", " ").split(" ")
        run("git", "update-index", "--add", "--cacheinfo", f"{mode},{blob},{path}", cwd=repo.path, env=env)
    tree = run("git", "write-tree", cwd=repo.path, env=env).strip()
    return repo.git("commit-tree", tree, "-p", BRANCH, "-m", "weird").strip().encode()


def test_the_top_tree_is_asked_for_once_per_commit(repo: Repo, branch: Branch, git: CountingGit) -> None:
    keys = [f"WORM-s1-m1--{n}" for n in range(50)]
    put_files(repo, {log_path(key): f"1s 1 {key}\n".encode() for key in keys})
    commit = tip(branch)
    for key in keys:
        assert branch.read(log_path(key).encode(), commit) == f"1s 1 {key}\n".encode()
    assert len(git.asked) == 1 + len(keys)
    branch.read(log_path(keys[0]).encode(), put_files(repo, {"uuid.log": b"x\n"}).encode())
    assert len(git.asked) == 1 + len(keys) + 2


def written_by_a_commit(repo: Repo, ours: Ours, key: str) -> list[str]:
    """The kinds of the objects that one more fact and its commit add to the repository."""

    def everything() -> dict[str, str]:
        listed = repo.git("cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objecttype)")
        return dict(line.split(" ") for line in listed.splitlines())

    before = everything()
    ours.journal.set_locations(log_path(key).encode(), [key.encode()], b"1")
    assert ours.committer.commit()
    return sorted(kind for name, kind in everything().items() if name not in before)


def test_the_cost_of_a_commit_does_not_grow_with_the_branch(repo: Repo, ours: Callable[..., Ours]) -> None:
    mine = ours()
    few = written_by_a_commit(repo, mine, "WORM-s1-m1--first")
    put_files(repo, {log_path(key): b"1s 1 u\n" for key in (f"WORM-s1-m1--{n}" for n in range(5000))})
    many = written_by_a_commit(repo, mine, "WORM-s1-m1--second")
    assert few == many == ["blob", "commit", "tree", "tree", "tree"]


def test_refs_that_others_pushed_or_we_fetched(repo: Repo, git: CountingGit) -> None:
    commit = repo.git("rev-parse", BRANCH).strip()
    names = ["refs/heads/synced/git-annex", "refs/remotes/a/b/git-annex", "refs/synced/u/git-annex"]
    for name in [*names, "refs/heads/not-git-annex", "refs/heads/git-annex-not"]:
        repo.git("update-ref", name, commit)
    found = sibling_refs(git)
    assert sorted(os.fsdecode(name) for _, name in found) == sorted([BRANCH, *names])
    assert {os.fsdecode(commit) for commit, _ in found} == {commit}
