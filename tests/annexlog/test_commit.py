"""Commits to the git-annex branch, beside whoever else changes it: nothing may be lost."""

from __future__ import annotations

import json
import os
import subprocess
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from annexshell.annexlog import commit, journal
from annexshell.annexlog.commit import Committer
from annexshell.annexlog.journal import encode_name
from annexshell.annexlog.lines import MISSING, PRESENT, PresenceLog
from annexshell.errors import ChildFailed
from annexshell.repo.local.parts import nobody
from tests.repo.places import existing
from tests.support.branch import BRANCH, Ours, in_branch, log_path, put_files
from tests.support.real import Repo, run

KEY = "WORM-s1-m1--a_file"
PATH = log_path(KEY)
A, B, C = (b"11111111-1111-4111-8111-%012d" % n for n in (1, 2, 3))


def logged(repo: Repo, path: str = PATH) -> set[bytes]:
    """Who has the content, as committed; the web apart."""
    return set(PresenceLog(in_branch(repo, path)).with_status(PRESENT)) - {b"00000000-0000-0000-0000-000000000001"}


def commits(repo: Repo) -> list[str]:
    return repo.git("rev-list", BRANCH).split()


def test_the_journal_becomes_one_commit(repo: Repo, ours: Callable[..., Ours]) -> None:
    mine = ours(now=7)
    before = commits(repo)
    mine.journal.set_locations(PATH.encode(), [A], PRESENT)
    mine.journal.set_locations(log_path("WORM--other").encode(), [B], PRESENT)
    assert mine.committer.commit()
    assert commits(repo)[1:] == before
    assert in_branch(repo, PATH) == b"7s 1 %b\n" % A
    assert logged(repo, log_path("WORM--other")) == {B}
    assert os.listdir(repo.annex_dir / "journal") == []
    assert repo.git("log", "-1", "--format=%s: %an <%ae>", BRANCH) == "update: Test <test@example.com>\n"
    assert repo.git("fsck", "--strict", "--no-dangling") == ""


def test_who_waits_is_told_how_far_it_is(
    repo: Repo, ours: Callable[..., Ours], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "_OFTEN", 2)
    mine = ours(now=7)
    for number in range(5):
        mine.journal.set_locations(log_path(f"WORM--{number}").encode(), [A], PRESENT)
    told: list[tuple[int, int | None]] = []
    tell = lambda _what, done, total: told.append((done, total))  # noqa: E731
    assert Committer(mine.git, mine.journal, b"update", tell).commit()
    assert told == [(done, 15) for done in (0, 2, 4, 7, 9, 10, 12, 14, 15)]
    assert all(logged(repo, log_path(f"WORM--{number}")) == {A} for number in range(5))


def test_without_a_journal_nothing_happens(repo: Repo, ours: Callable[..., Ours]) -> None:
    before = commits(repo)
    assert not ours().committer.commit()
    assert commits(repo) == before
    assert (repo.annex_dir / "index").exists()


def test_whoever_commits_takes_everybodys_journal(repo: Repo, ours: Callable[..., Ours]) -> None:
    repo.annex("setpresentkey", KEY, A.decode(), "1")
    ours(now=7).journal.set_locations(log_path("WORM--other").encode(), [B], PRESENT)
    assert ours().committer.commit()
    assert logged(repo) == {A}
    assert logged(repo, log_path("WORM--other")) == {B}


def test_git_annex_commits_ours(repo: Repo, ours: Callable[..., Ours]) -> None:
    mine = ours(now=7)
    mine.journal.set_locations(PATH.encode(), [A], PRESENT)
    repo.annex("merge")
    assert in_branch(repo, PATH) == b"7s 1 %b\n" % A
    assert not mine.committer.commit()


NAMES = [
    b"uuid.log",
    b"abc/def/WORM--with blank.log",
    b"abc/def/WORM--\"quoted\" \\ 'so'.log",
    b"abc/def/WORM--\nline.log",
    b"abc/def/WORM--\xff\xfe.log",
    b"abc/def/WORM--under_score__s.log",
    b"abc/def/WORM--&a%.log.met",
    b"-option.log",
]


def numbered(number: int) -> Callable[[bytes], bytes]:
    """A change that makes a number of whatever was there."""
    return lambda _: b"%d\n" % number


def test_odd_names(repo: Repo, ours: Callable[..., Ours]) -> None:
    mine = ours()
    for name in NAMES:
        mine.journal.change(name, A, numbered(NAMES.index(name)))
    assert mine.committer.commit()
    for number, name in enumerate(NAMES):
        assert in_branch(repo, os.fsdecode(name)) == b"%d\n" % number
    assert repo.git("fsck", "--strict", "--no-dangling") == ""


def test_large_and_short_files(repo: Repo, ours: Callable[..., Ours]) -> None:
    mine = ours()
    large = b"".join(b"%d\n" % n for n in range(200_000))
    mine.journal.change(b"large.log", A, lambda _: large)
    mine.journal.change(b"short.log", A, lambda _: b"\n")
    assert mine.committer.commit()
    assert in_branch(repo, "large.log") == large
    assert in_branch(repo, "short.log") == b"\n"


def test_a_subdirectory_of_the_journal_is_left_alone(repo: Repo, ours: Callable[..., Ours]) -> None:
    (repo.annex_dir / "journal" / "directory").mkdir()
    mine = ours(now=7)
    assert not mine.committer.commit()
    mine.journal.set_locations(PATH.encode(), [A], PRESENT)
    assert mine.committer.commit()
    assert os.listdir(repo.annex_dir / "journal") == ["directory"]


@pytest.mark.parametrize("name", ["_x", "x_", ".._x", "._x", "a_.git_b", ".GIT"])
def test_what_no_tree_can_have_is_left_alone(repo: Repo, ours: Callable[..., Ours], name: str) -> None:
    """And keeps nobody from committing the rest."""
    file = repo.annex_dir / "journal" / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"x\n")
    mine = ours(now=7)
    assert not mine.committer.commit()
    mine.journal.set_locations(PATH.encode(), [A], PRESENT)
    assert mine.committer.commit()
    assert file.read_bytes() == b"x\n"
    assert logged(repo) == {A}


class TestNoBranch:
    """A repository that has none yet."""

    def test_it_is_created(self, repo: Repo, ours: Callable[..., Ours]) -> None:
        repo.git("update-ref", "-d", BRANCH)
        mine = ours(now=7)
        mine.journal.set_locations(PATH.encode(), [A], PRESENT)
        assert mine.committer.commit()
        assert repo.git("log", "--format=%s", BRANCH) == "update\nbranch created\n"
        assert logged(repo) == {A}

    def test_a_clone_begins_with_its_origins(self, repo: Repo, ours: Callable[..., Ours]) -> None:
        put_files(repo, {PATH: b"1s 1 %b\n" % B})
        origin = commits(repo)[0]
        repo.git("update-ref", "refs/remotes/origin/git-annex", origin)
        repo.git("update-ref", "-d", BRANCH)
        mine = ours(now=7)
        mine.journal.set_locations(PATH.encode(), [A], PRESENT)
        assert mine.committer.commit()
        assert commits(repo)[1] == origin
        assert logged(repo) == {A, B}


def interfering(mine: Ours, push: Callable[[], object], times: int = 1) -> Committer:
    """A committer during whose first attempts somebody pushes, between reading the branch and moving it."""

    class Interfered(Committer):
        attempts = 0

        def _import(self, tip: bytes | None, files: list[tuple[bytes, bytes]]) -> bool:
            self.attempts += 1
            if self.attempts <= times:
                push()
            return super()._import(tip, files)

    return Interfered(mine.git, mine.journal, b"update", nobody)


class TestPushes:
    """The branch may move at any moment, without any lock."""

    def test_one_after_our_fact(self, repo: Repo, ours: Callable[..., Ours]) -> None:
        mine = ours(now=7)
        mine.journal.set_locations(PATH.encode(), [A], PRESENT)
        put_files(repo, {PATH: b"5s 1 %b\n" % B, "uuid.log": b"pushed\n"})
        assert mine.committer.commit()
        assert logged(repo) == {A, B}
        assert in_branch(repo, "uuid.log") == b"pushed\n"

    def test_during_the_commit(self, repo: Repo, ours: Callable[..., Ours]) -> None:
        mine = ours(now=7)
        mine.journal.set_locations(PATH.encode(), [A], PRESENT)
        pushed = iter([B, C])
        tips = []

        def push() -> None:
            old = in_branch(repo, PATH)
            tips.append(put_files(repo, {PATH: old + b"5s 1 %b\n" % next(pushed)}))

        assert interfering(mine, push, 2).commit()
        assert logged(repo) == {A, B, C}
        assert commits(repo)[1:3] == tips[::-1]
        assert os.listdir(repo.annex_dir / "journal") == []

    def test_the_newer_fact_wins_whoever_has_it(self, repo: Repo, ours: Callable[..., Ours]) -> None:
        mine = ours(now=7)
        mine.journal.set_locations(PATH.encode(), [A, B], PRESENT)
        put_files(repo, {PATH: b"9s 0 %b\n5s 0 %b\n" % (A, B)})
        assert mine.committer.commit()
        assert in_branch(repo, PATH) == b"9s 0 %b\n7s 1 %b\n" % (A, B)

    def test_a_history_that_was_forgotten_meanwhile(self, repo: Repo, ours: Callable[..., Ours]) -> None:
        """Not a fast-forward: we go on from the new root, and bring nothing of the old history back."""
        mine = ours(now=7)
        mine.journal.set_locations(PATH.encode(), [A], PRESENT)
        roots: list[str] = []

        def push() -> None:
            roots.append(put_files(repo, {PATH: b"5s 1 %b\n" % B, "transitions.log": b"x 1s\n"}, parent=None))

        assert interfering(mine, push).commit()
        assert commits(repo)[1:] == roots
        assert logged(repo) == {A, B}

    def test_the_branch_appears_meanwhile(self, repo: Repo, ours: Callable[..., Ours]) -> None:
        repo.git("update-ref", "-d", BRANCH)
        mine = ours(now=7)
        mine.journal.set_locations(PATH.encode(), [A], PRESENT)
        pushed = []

        def push() -> None:
            pushed.append(put_files(repo, {PATH: b"5s 1 %b\n" % B}, parent=None))

        assert interfering(mine, push).commit()
        assert commits(repo)[1:] == pushed
        assert logged(repo) == {A, B}


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that are made between tries, none of which takes time."""
    made: list[float] = []
    monkeypatch.setattr(commit, "time", SimpleNamespace(sleep=made.append))
    return made


class TestRefused:
    """git doesn't commit."""

    def test_a_ref_that_stays_locked(self, repo: Repo, ours: Callable[..., Ours], pauses: list[float]) -> None:
        mine = ours(now=7)
        mine.journal.set_locations(PATH.encode(), [A], PRESENT)
        lock = repo.git_dir / f"{BRANCH}.lock"
        lock.touch()
        before = files_in(repo.git_dir)
        with pytest.raises(
            ChildFailed, match=r"stay in the journal: its lock refs/heads/git-annex\.lock has been there"
        ):
            mine.committer.commit()
        assert sum(pauses) < 1
        assert files_in(repo.git_dir) == before
        assert logged(repo) == set()
        lock.unlink()
        assert mine.committer.commit()
        assert logged(repo) == {A}

    def test_others_do_not_wait_meanwhile(
        self, repo: Repo, ours: Callable[..., Ours], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """They record, and what they record is in the commit that works out after all."""
        mine, other = ours(now=7), ours(now=7)
        mine.journal.set_locations(PATH.encode(), [A], PRESENT)
        lock = repo.git_dir / f"{BRANCH}.lock"
        lock.touch()

        def sleep(_seconds: float) -> None:
            other.journal.set_locations(PATH.encode(), [B], PRESENT)
            lock.unlink()

        monkeypatch.setattr(journal, "_PATIENCE", 0.0)
        monkeypatch.setattr(commit, "time", SimpleNamespace(sleep=sleep))
        assert mine.committer.commit()
        assert logged(repo) == {A, B}

    def test_git_says_why(self, repo: Repo, ours: Callable[..., Ours], pauses: list[float]) -> None:
        """In one line, and without a path of the server."""
        hook = repo.git_dir / "hooks" / "reference-transaction"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\nexit 1\n")
        hook.chmod(0o755)
        mine = ours(now=7)
        mine.journal.set_locations(PATH.encode(), [A], PRESENT)
        with pytest.raises(ChildFailed, match=r"in the journal: \w+: .*hook[^\n]*$") as raised:
            mine.committer.commit()
        assert str(repo.path) not in str(raised.value)
        assert os.listdir(repo.annex_dir / "journal") == [os.fsdecode(encode_name(PATH.encode()))]
        assert len(pauses) == 2
        hook.unlink()
        assert mine.committer.commit()

    def test_nothing_stays_behind(self, repo: Repo, ours: Callable[..., Ours], pauses: list[float]) -> None:
        """Neither a report of git's nor temporary packs that nobody goes on with."""
        packs = repo.git_dir / "objects" / "pack"
        unfinished = b"PACK\0\0\0\2\0\0\0\0"
        theirs = {
            "tmp_pack_written": b"",
            "tmp_pack_begun": unfinished,
            "tmp_pack_full": unfinished[:-1] + b"\1",
            "tmp_pack_other": pack(b"another file"),
            "tmp_pack_broken": pack(b"another file")[:-5],
            "tmp_idx_full": b"\xfftOc",
            "pack-1.pack": b"",
        }
        ours_too = {"tmp_pack_empty": b"", "tmp_pack_abandoned": unfinished, "tmp_idx_empty": b""}
        ours_too["tmp_pack_finished"] = pack(b"7s 1 %b\n" % A)
        for name, text in {**theirs, **ours_too}.items():
            (packs / name).write_bytes(text)
            (packs / name).chmod(0o444)

        class Broken(Committer):
            def _stream(self, tip: bytes | None, files: list[tuple[bytes, bytes]]) -> Iterator[bytes]:
                yield b"nonsense\n"

        mine = ours(now=7)
        mine.journal.set_locations(PATH.encode(), [A], PRESENT)
        (packs / "tmp_pack_written").chmod(0o644)
        (packs / "tmp_pack_begun").chmod(0o644)
        written, begun = ((packs / name).open("ab") for name in ("tmp_pack_written", "tmp_pack_begun"))
        with written, begun, pytest.raises(ChildFailed, match=r"nsupported command"):
            Broken(mine.git, mine.journal, b"update", nobody).commit()
        assert {path.name for path in packs.iterdir()} == set(theirs)
        assert not list(repo.git_dir.glob("fast_import_crash*"))


def pack(blob: bytes) -> bytes:
    """A pack of one object, without what follows it."""
    header = bytes([0xB0 | len(blob) & 15, len(blob) >> 4])
    return b"PACK\0\0\0\2\0\0\0\1" + header + zlib.compress(blob)


def files_in(directory: Path) -> set[Path]:
    return {path for path in directory.rglob("*") if path.is_file()}


def test_a_fact_computed_from_the_tip_replaces_its_file(repo: Repo, ours: Callable[..., Ours]) -> None:
    """Compacted, without the lines that it made obsolete; but not where git-annex wrote the journal file."""
    put_files(repo, {PATH: b"1s 0 %b\n2s 1 %b\n" % (A, A)})
    mine = ours(now=7)
    mine.journal.set_locations(PATH.encode(), [A], MISSING)
    assert mine.committer.commit()
    assert in_branch(repo, PATH) == b"7s 0 %b\n" % A


def index_tree(repo: Repo) -> str:
    done = subprocess.run(
        ["git", "write-tree"],
        cwd=repo.path,
        env={**os.environ, "GIT_INDEX_FILE": str(repo.annex_dir / "index")},
        capture_output=True,
        check=True,
    )
    return done.stdout.decode()


class TestIndex:
    """The index that git-annex commits from, and the note which commit it is for."""

    def commit_ours(self, mine: Ours) -> None:
        mine.journal.set_locations(PATH.encode(), [A], PRESENT)
        assert mine.committer.commit()

    @pytest.mark.parametrize("left", ["both", "neither", "index", "note"])
    def test_git_annex_goes_on_with_it(self, repo: Repo, ours: Callable[..., Ours], left: str) -> None:
        for name in ("index", "index.lck"):
            if left not in ("both", {"index": "index", "index.lck": "note"}[name]):
                (repo.annex_dir / name).unlink()
        self.commit_ours(ours(now=7))
        if left in ("both", "index"):
            assert index_tree(repo) == repo.git("rev-parse", f"{BRANCH}^{{tree}}")
        repo.annex("registerurl", KEY, "http://example.com/")
        assert logged(repo) == {A}
        assert index_tree(repo) == repo.git("rev-parse", f"{BRANCH}^{{tree}}")
        assert (repo.annex_dir / "index.lck").read_text() == repo.git("rev-parse", BRANCH)

    def test_odd_names_and_many(self, repo: Repo, ours: Callable[..., Ours]) -> None:
        mine = ours()
        for number, name in enumerate([*NAMES, *(log_path(f"WORM--{n}").encode() for n in range(1000))]):
            mine.journal.change(name, A, numbered(number))
        assert mine.committer.commit()
        assert index_tree(repo) == repo.git("rev-parse", f"{BRANCH}^{{tree}}")

    def test_what_others_pushed_is_merged_into_it(self, repo: Repo, ours: Callable[..., Ours]) -> None:
        """The note must not say that it is there already."""
        put_files(repo, {"pushed.log": b"x\n"})
        self.commit_ours(ours(now=7))
        repo.annex("registerurl", KEY, "http://example.com/")
        assert in_branch(repo, "pushed.log") == b"x\n"
        assert logged(repo) == {A}

    def test_a_transition_carries_our_facts_over(self, repo: Repo, ours: Callable[..., Ours]) -> None:
        """git-annex makes the new branch from the index as it is."""
        self.commit_ours(ours(now=7))
        forgotten = {"transitions.log": b"ForgetGitHistory 5s\n", "pushed.log": b"x\n"}
        put_files(repo, forgotten, "refs/heads/synced/git-annex", parent=None)
        repo.annex("merge", "-q")
        assert in_branch(repo, "pushed.log") == b"x\n"
        assert in_branch(repo, "transitions.log")
        assert logged(repo) == {A}

    def test_a_broken_one_is_deleted(self, repo: Repo, ours: Callable[..., Ours]) -> None:
        (repo.annex_dir / "index").write_bytes(b"broken")
        self.commit_ours(ours(now=7))
        assert not (repo.annex_dir / "index").exists()
        repo.annex("registerurl", KEY, "http://example.com/")
        assert logged(repo) == {A}

    def test_one_of_sha256(self, tmp_path: Path, ours: Callable[..., Ours]) -> None:
        run("git", "init", "-q", "--object-format=sha256", tmp_path / "sha256")
        run("git", "annex", "init", "-q", cwd=tmp_path / "sha256")
        other = existing(tmp_path / "sha256")
        self.commit_ours(ours(now=7, repo=other))
        assert index_tree(other) == other.git("rev-parse", f"{BRANCH}^{{tree}}")
        assert logged(other) == {A}

    def test_obsolete_lines_do_not_come_back(self, repo: Repo, ours: Callable[..., Ours]) -> None:
        put_files(repo, {PATH: b"1s 0 %b\n" % A})
        repo.annex("merge")  # into its index
        self.commit_ours(ours(now=7))
        repo.annex("registerurl", KEY + "2", "http://example.com/")
        assert in_branch(repo, PATH) == b"7s 1 %b\n" % A

    @pytest.mark.parametrize("done", ["commit", "index"])
    def test_a_crash_between_the_steps(self, repo: Repo, ours: Callable[..., Ours], done: str) -> None:
        """Killed after the commit, or with all done but the journal."""
        mine = ours(now=7)
        stale = (repo.annex_dir / "index").read_bytes()
        mine.journal.set_locations(PATH.encode(), [A], PRESENT)
        name = repo.annex_dir / "journal" / os.fsdecode(encode_name(PATH.encode()))
        text = name.read_bytes()
        assert mine.committer.commit()
        name.write_bytes(text)
        if done == "commit":
            (repo.annex_dir / "index").write_bytes(stale)
            (repo.annex_dir / "index.lock").touch()
        assert mine.committer.commit()
        assert index_tree(repo) == repo.git("rev-parse", f"{BRANCH}^{{tree}}")
        repo.annex("registerurl", KEY, "http://example.com/")
        assert logged(repo) == {A}
        assert index_tree(repo) == repo.git("rev-parse", f"{BRANCH}^{{tree}}")


class Batch:
    """A git-annex that stays alive and answers line by line."""

    def __init__(self, repo: Repo, *command: str) -> None:
        argv = ["git-annex", *command]
        self.process = subprocess.Popen(
            argv, cwd=repo.path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def ask(self, line: str) -> bytes:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def end(self) -> None:
        _, errors = self.process.communicate(timeout=60)
        assert (self.process.returncode, errors) == (0, b"")


def metadata(key: str, value: str) -> str:
    return f'{{"key":"{key}","fields":{{"{value}":["{value}"]}}}}'


class TestLongRunning:
    """A git-annex process that is alive while we commit, and has seen the index before."""

    def test_neither_loses_what_the_other_wrote(self, repo: Repo, ours: Callable[..., Ours]) -> None:
        mine = ours(now=7)
        with Batch(repo, "metadata", "--batch", "--json") as theirs:
            theirs.ask(metadata(KEY, "one"))
            mine.journal.set_locations(PATH.encode(), [A], PRESENT)
            assert mine.committer.commit()  # theirs as well
            assert b"one" in in_branch(repo, f"{PATH}.met")
            assert b'"one"' in theirs.ask(metadata(KEY, "two"))
            mine.journal.set_locations(PATH.encode(), [B], PRESENT)
            theirs.end()  # commits
        assert {word for word in (b"one", b"two") if word in in_branch(repo, f"{PATH}.met")} == {b"one", b"two"}
        assert logged(repo) == {A, B}
        assert index_tree(repo) == repo.git("rev-parse", f"{BRANCH}^{{tree}}")
        assert repo.git("fsck", "--strict", "--no-dangling") == ""

    def test_it_adds_files(self, repo: Repo, ours: Callable[..., Ours]) -> None:
        mine = ours(now=7)
        keys = []
        with Batch(repo, "add", "--batch", "--json") as theirs:
            for number, uuid in enumerate([A, B, C]):
                (repo.path / f"file{number}").write_bytes(b"%d" % number)
                keys.append(json.loads(theirs.ask(f"file{number}"))["key"])
                mine.journal.set_locations(PATH.encode(), [uuid], PRESENT)
                assert mine.committer.commit()
            theirs.end()
        assert logged(repo) == {A, B, C}
        for key in keys:
            assert logged(repo, log_path(key)) == {repo.uuid.encode()}

    def test_it_is_killed(self, repo: Repo, ours: Callable[..., Ours]) -> None:
        mine = ours(now=7)
        with Batch(repo, "metadata", "--batch", "--json") as theirs:
            theirs.ask(metadata(KEY, "one"))
        (repo.annex_dir / "index.lock").touch()  # as if a git of its own had been killed with it
        mine.journal.set_locations(PATH.encode(), [A], PRESENT)
        assert mine.committer.commit()
        repo.annex("registerurl", KEY, "http://example.com/")
        assert b"one" in in_branch(repo, f"{PATH}.met")
        assert logged(repo) == {A}


def test_everybody_at_once(repo: Repo, ours: Callable[..., Ours]) -> None:
    """Two of ours commit again and again, beside git-annex processes of which each commits once."""
    writers = [ours(now=7) for _ in range(2)]
    urls = [f"http://example.com/{n}" for n in range(5)]

    def write(writer: int) -> None:
        for n in range(8):
            writers[writer].journal.set_locations(PATH.encode(), [b"%d-%d" % (writer, n)], PRESENT)
            writers[writer].committer.commit()

    with ThreadPoolExecutor(4) as pool:
        jobs: list[Future[Any]] = [pool.submit(write, writer) for writer in range(2)]
        jobs += [pool.submit(repo.annex, "registerurl", KEY, url) for url in urls]
        for job in jobs:
            job.result()
    writers[0].committer.commit()
    assert logged(repo) == {b"%d-%d" % (writer, n) for writer in (0, 1) for n in range(8)}
    web = in_branch(repo, f"{PATH}.web").decode()
    assert {line.split(" ")[2] for line in web.splitlines()} == set(urls)
    assert repo.git("fsck", "--strict", "--no-dangling") == ""


def test_beside_somebody_who_pushes_all_the_time(repo: Repo, ours: Callable[..., Ours]) -> None:
    """git push moves the branch from the commit that it knows, as we do; so neither may lose anything."""
    mine = ours(now=7)
    count = 10

    def push(n: int) -> bool:
        old = repo.git("rev-parse", BRANCH).strip()
        new = put_files(repo, {f"pushed{n}.log": b"x\n"}, "refs/heads/new", parent=old)
        done = subprocess.run(["git", "update-ref", BRANCH, new, old], cwd=repo.path, capture_output=True)
        return done.returncode == 0

    def push_all() -> None:
        for n in range(count):
            while not push(n):
                pass

    with ThreadPoolExecutor(1) as pool:
        pushing = pool.submit(push_all)
        for n in range(count):
            mine.journal.set_locations(PATH.encode(), [b"%d" % n], PRESENT)
            mine.committer.commit()
        pushing.result()
    assert logged(repo) == {b"%d" % n for n in range(count)}
    assert all(in_branch(repo, f"pushed{n}.log") == b"x\n" for n in range(count))
