"""The journal, shared with git-annex processes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annexshell.annexlog.journal import decode_name, encode_name
from annexshell.annexlog.lines import MISSING, PRESENT, PresenceLog
from tests.support.branch import Ours, in_branch, log_path, put_files
from tests.support.real import Repo

KEY = "WORM-s1-m1--a_file__name"
PATH = log_path(KEY)
A, B = (b"11111111-1111-4111-8111-%012d" % n for n in (1, 2))


def journal_file(repo: Repo, private: bool = False, path: str = PATH) -> bytes | None:
    file = repo.annex_dir / ("journal-private" if private else "journal") / os.fsdecode(encode_name(path.encode()))
    return file.read_bytes() if file.exists() else None


@given(st.lists(st.sampled_from([b"_", b"/", b"a", b"\xff"]), min_size=1).map(b"".join))
def test_names_of_journal_files(path: bytes) -> None:
    """An underscore behind a slash is ambiguous, for git-annex too; no kind of key that it knows begins with one."""
    name = encode_name(path)
    assert b"/" not in name
    if b"/_" not in path and b"//" not in path:
        assert decode_name(name) == path


@pytest.mark.parametrize(
    ("name", "path"),
    [(b"a_b", b"a/b"), (b"a__b", b"a_b"), (b"a___b", b"a_/b"), (b"a____b", b"a__b"), (b"uuid.log", b"uuid.log")],
)
def test_names_are_read_from_left_to_right(name: bytes, path: bytes) -> None:
    assert decode_name(name) == path


def test_git_annex_names_its_files_so(repo: Repo) -> None:
    repo.annex("setpresentkey", KEY, A.decode(), "1")
    assert os.listdir(repo.annex_dir / "journal") == [os.fsdecode(encode_name(PATH.encode()))]


def test_a_fact_is_read_back_by_us_and_by_git_annex(repo: Repo, ours: Callable[..., Ours]) -> None:
    journal = ours(now=7).journal
    journal.set_locations(PATH.encode(), [A, B], PRESENT)
    assert journal_file(repo) == b"7s 1 %b\n7s 1 %b\n" % (A, B) == journal.read(PATH.encode())
    found = json.loads(repo.annex("whereis", "--json", "--key", KEY))
    assert {place["uuid"].encode() for place in found["whereis"]} == {A, B}


def test_we_go_on_from_what_git_annex_wrote(repo: Repo, ours: Callable[..., Ours]) -> None:
    journal = ours(now=7).journal
    repo.annex("setpresentkey", KEY, A.decode(), "1")
    journal.set_locations(PATH.encode(), [B], PRESENT)
    repo.annex("setpresentkey", KEY, repo.uuid, "0")
    log = PresenceLog(journal.read(PATH.encode()))
    assert [log.status(uuid) for uuid in (A, B, repo.uuid.encode())] == [PRESENT, PRESENT, MISSING]


def test_the_journal_supersedes_the_branch(repo: Repo, ours: Callable[..., Ours]) -> None:
    journal = ours(now=7).journal
    put_files(repo, {PATH: b"1s 1 %b\n" % A})
    assert journal.read(PATH.encode()) == b"1s 1 %b\n" % A
    journal.set_locations(PATH.encode(), [B], PRESENT)
    assert journal_file(repo) == b"1s 1 %b\n7s 1 %b\n" % (A, B)
    put_files(repo, {PATH: b"2s 0 %b\n" % A})
    assert journal.read(PATH.encode()) == journal_file(repo)


def test_a_last_line_of_the_branch_needs_no_newline(repo: Repo, ours: Callable[..., Ours]) -> None:
    put_files(repo, {PATH: b"1s 1 %b" % A})
    ours(now=7).journal.set_locations(PATH.encode(), [B], PRESENT)
    assert journal_file(repo) == b"1s 1 %b\n7s 1 %b\n" % (A, B)


def test_what_is_being_appended_just_now_is_not_read(repo: Repo, ours: Callable[..., Ours]) -> None:
    """With annex.alwayscompact=false git-annex appends; a half-written line can look like a whole one."""
    journal = ours(now=9).journal
    journal.set_locations(PATH.encode(), [A], PRESENT)
    file = repo.annex_dir / "journal" / os.fsdecode(encode_name(PATH.encode()))
    file.write_bytes(b"7s 1 %b\n8s 0 %b" % (A, A))
    assert journal.read(PATH.encode()) == b"7s 1 %b\n" % A
    journal.set_locations(PATH.encode(), [B], PRESENT)
    assert journal_file(repo) == b"7s 1 %b\n9s 1 %b\n" % (A, B)


def test_no_branch_no_journal(repo: Repo, ours: Callable[..., Ours]) -> None:
    repo.git("update-ref", "-d", "refs/heads/git-annex")
    journal = ours(now=7).journal
    os.rmdir(repo.annex_dir / "journal")
    assert journal.read(PATH.encode()) == b""
    assert journal.names() == []
    journal.set_locations(PATH.encode(), [A], PRESENT)
    assert journal_file(repo) == b"7s 1 %b\n" % A


def test_a_repository_without_an_annex_directory(repo: Repo, ours: Callable[..., Ours]) -> None:
    journal = ours(now=7).journal
    (repo.annex_dir).rename(repo.git_dir / "elsewhere")
    journal.set_locations(PATH.encode(), [A], PRESENT)
    assert journal_file(repo) == b"7s 1 %b\n" % A


def test_what_is_known_is_not_written_again(repo: Repo, ours: Callable[..., Ours]) -> None:
    put_files(repo, {PATH: b"1s 1 %b\n" % A})
    journal = ours(now=7).journal
    called: list[str] = []
    journal.set_locations(PATH.encode(), [A], PRESENT, lambda: called.append("before"))
    assert journal_file(repo) is None
    assert called == ["before"]


@pytest.mark.parametrize("uuids", [[A], [B], [A, B], []])
def test_before_is_called_once_and_before_anything_shows(
    repo: Repo, ours: Callable[..., Ours], uuids: list[bytes]
) -> None:
    seen: list[tuple[bytes | None, bytes | None]] = []
    ours(private=[B], now=7).journal.set_locations(
        PATH.encode(), uuids, PRESENT, lambda: seen.append((journal_file(repo), journal_file(repo, private=True)))
    )
    assert seen == [(None, None)]


def test_what_before_raises_leaves_nothing(repo: Repo, ours: Callable[..., Ours]) -> None:
    journal = ours(now=7).journal

    def fail() -> None:
        raise KeyError("no")

    with pytest.raises(KeyError):
        journal.set_locations(PATH.encode(), [A], PRESENT, fail)
    assert journal_file(repo) is None
    assert os.listdir(repo.annex_dir / "othertmp") == []
    journal.set_locations(PATH.encode(), [A], PRESENT)  # the lock is free again
    assert journal_file(repo) is not None


class TestPrivate:
    """Facts about private repositories stay on this machine."""

    def test_they_have_a_journal_of_their_own(self, repo: Repo, ours: Callable[..., Ours]) -> None:
        put_files(repo, {PATH: b"1s 1 %b\n" % A})
        journal = ours(private=[B], now=7).journal
        journal.set_locations(PATH.encode(), [B], PRESENT)
        assert journal_file(repo) is None
        assert b"7s 1 %b\n" % B in (journal_file(repo, private=True) or b"")
        assert set(PresenceLog(journal.read(PATH.encode())).with_status(PRESENT)) == {A, B}

    def test_public_facts_never_carry_them_along(self, repo: Repo, ours: Callable[..., Ours]) -> None:
        mine = ours(private=[B], now=7)
        mine.journal.set_locations(PATH.encode(), [A, B], PRESENT)
        mine.journal.set_locations(PATH.encode(), [A], MISSING)
        assert journal_file(repo) == b"8s 0 %b\n" % A
        assert mine.committer.commit()
        assert in_branch(repo, PATH) == b"8s 0 %b\n" % A
        assert b"1 %b\n" % B in (journal_file(repo, private=True) or b"")

    def test_without_a_newline_before_them(self, repo: Repo, ours: Callable[..., Ours]) -> None:
        put_files(repo, {PATH: b"1s 1 %b" % A})
        directory = repo.annex_dir / "journal-private"
        directory.mkdir()
        (directory / os.fsdecode(encode_name(PATH.encode()))).write_bytes(b"1s 1 %b\n" % B)
        assert set(PresenceLog(ours().journal.read(PATH.encode())).with_status(PRESENT)) == {A, B}

    def test_git_annex_keeps_them_with_us(self, repo: Repo, ours: Callable[..., Ours]) -> None:
        repo.git("config", "annex.private", "true")
        uuid = repo.uuid.encode()
        journal = ours(private=[uuid], now=7).journal
        journal.set_locations(PATH.encode(), [uuid], PRESENT)
        assert repo.annex("whereis", "--key", KEY).count(repo.uuid) == 1
        repo.annex("setpresentkey", KEY, repo.uuid, "0")
        assert journal_file(repo) is None
        assert PresenceLog(journal.read(PATH.encode())).status(uuid) == MISSING


def test_only_files_count_as_the_journals(repo: Repo, ours: Callable[..., Ours]) -> None:
    journal = ours(now=7).journal
    (repo.annex_dir / "journal" / "directory").mkdir()
    assert journal.names() == []
    journal.set_locations(PATH.encode(), [A], PRESENT)
    assert journal.names() == [encode_name(PATH.encode())]


def test_replacing_a_file_under_the_lock(repo: Repo, ours: Callable[..., Ours]) -> None:
    put_files(repo, {"uuid.log": b"a\n"})
    one, other = ours().journal, ours().journal
    one.change(b"uuid.log", A, lambda text: text)
    assert one.names() == []  # there is nothing to commit then
    one.change(b"uuid.log", A, lambda text: text + b"b\n")
    other.change(b"uuid.log", A, lambda text: text + b"c\n")
    assert one.read(b"uuid.log") == b"a\nb\nc\n"


def append(line: bytes, text: bytes) -> bytes:
    return b"%b\n%b" % (text, line)


def test_replacing_a_file_about_a_private_repository(repo: Repo, ours: Callable[..., Ours]) -> None:
    put_files(repo, {"uuid.log": b"a"})
    journal = ours(private=[B]).journal
    for line in (b"b\n", b"c\n"):
        journal.change(b"uuid.log", B, partial(append, line))
    assert journal_file(repo, path="uuid.log") is None
    assert {b"a", b"b", b"c"} <= set(journal.read(b"uuid.log").split(b"\n"))


def test_many_at_once_lose_nothing(repo: Repo, ours: Callable[..., Ours]) -> None:
    """All write to one log, the real git-annex among them."""
    journals = [ours(now=7).journal for _ in range(4)]
    uuids = [[b"%04d-%d" % (n, writer) for n in range(10)] for writer in range(len(journals))]
    real = [f"9999-{n}" for n in range(4)]

    def write(writer: int) -> None:
        for uuid in uuids[writer]:
            journals[writer].set_locations(PATH.encode(), [uuid], PRESENT)

    with ThreadPoolExecutor(6) as pool:
        jobs: list[Future[Any]] = [pool.submit(write, writer) for writer in range(len(journals))]
        jobs += [pool.submit(repo.annex, "setpresentkey", KEY, uuid, "1") for uuid in real]
        for job in jobs:
            job.result()
    written = PresenceLog(journals[0].read(PATH.encode())).with_status(PRESENT)
    assert sorted(written) == sorted([*chain(*uuids), *map(os.fsencode, real)])
