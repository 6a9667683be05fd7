"""Facts are on disk before anybody is kept waiting, and are true when they are published."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from annexshell.annexlog.lines import MISSING, PRESENT, PresenceLog
from annexshell.disk.filelock import FileLocks
from tests.support.branch import Ours, in_branch, log_path
from tests.support.real import Repo

KEY = "WORM-s1-m1--a_file__name"
PATH = log_path(KEY).encode()
A, B = (b"11111111-1111-4111-8111-%012d" % n for n in (1, 2))

Process = Callable[..., Ours]


def note_in(repo: Repo) -> bytes:
    return os.fsencode(repo.annex_dir / "annexshell/unrecorded" / KEY)


def commit(process: Ours) -> None:
    assert process.committer.commit()


def present(text: bytes) -> set[bytes]:
    return set(PresenceLog(text).with_status(PRESENT))


def test_nobody_waits_for_the_lock_while_the_disk_is_waited_for(
    repo: Repo, ours: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed, lock = [], os.fsencode(repo.annex_dir / "journal.lck")

    def fsync(fd: int) -> None:
        flushed.append(FileLocks().is_locked(lock))

    monkeypatch.setattr(os, "fsync", fsync)
    journal = ours(now=7, durable=True).journal
    for status in (PRESENT, MISSING):
        journal.set_locations(PATH, [A], status, note=note_in(repo), ready=lambda: os.fsync(0))
    assert flushed == [False] * 6  # each time the text, what is ready, and the directory
    assert journal.read(PATH) == b"8s 0 %b\n" % A


def test_it_is_on_disk_before_others_see_it(repo: Repo, ours: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    rename = os.rename
    monkeypatch.setattr(os, "fsync", lambda fd: order.append("directory" if os.fstat(fd).st_mode & 0o40000 else "text"))

    def renamed(*names: bytes) -> None:
        order.append("rename")
        rename(*names)

    monkeypatch.setattr(os, "rename", renamed)
    ours(durable=True).journal.set_locations(
        PATH, [A], PRESENT, lambda: order.append("before"), note_in(repo), lambda: order.append("ready")
    )
    assert order == ["text", "ready", "before", "rename", "directory"]


@pytest.mark.parametrize("committed", [False, True])
def test_what_others_write_meanwhile_is_not_lost(repo: Repo, ours: Process, committed: bool) -> None:
    other = ours(now=3)

    def disturb() -> None:
        other.journal.set_locations(PATH, [B], PRESENT)
        if committed:
            other.committer.commit()

    mine = ours(now=5, durable=True)
    mine.journal.set_locations(PATH, [A], PRESENT, note=note_in(repo), ready=disturb)
    assert present(mine.journal.read(PATH)) == {A, B}
    assert not os.path.exists(note_in(repo))
    mine.committer.commit()
    assert present(in_branch(repo, PATH.decode())) == {A, B}


def test_a_commit_of_something_else_meanwhile(repo: Repo, ours: Process) -> None:
    other = ours(now=3)
    other.journal.set_locations(log_path("WORM--other").encode(), [B], PRESENT)
    mine = ours(now=5, durable=True)
    mine.journal.set_locations(PATH, [A], PRESENT, note=note_in(repo), ready=lambda: commit(other))
    assert mine.journal.read(PATH) == b"5s 1 %b\n" % A


def test_somebody_settles_the_note_meanwhile(repo: Repo, ours: Process) -> None:
    called: list[str] = []
    journal = ours(now=5, durable=True).journal
    journal.set_locations(
        PATH, [A], PRESENT, lambda: called.append("before"), note_in(repo), lambda: os.unlink(note_in(repo))
    )
    assert called == ["before"]
    assert journal.read(PATH) == b"5s 1 %b\n" % A


def test_two_at_once_about_one_key(repo: Repo, ours: Process) -> None:
    """The second finds the note of the first, and leaves it alone."""
    first, second = ours(now=5, durable=True).journal, ours(now=6, durable=True).journal

    def both() -> None:
        second.set_locations(PATH, [B], PRESENT, note=note_in(repo))

    first.set_locations(PATH, [A], PRESENT, note=note_in(repo), ready=both)
    assert present(first.read(PATH)) == {A, B}
    assert not os.path.exists(note_in(repo))


@pytest.mark.parametrize("durable", [False, True])
def test_what_is_called_off_leaves_nothing(repo: Repo, ours: Process, durable: bool) -> None:
    def call_off() -> None:
        raise InterruptedError

    journal = ours(durable=durable).journal
    for how in ({"before": call_off}, {"ready": call_off}):
        with pytest.raises(InterruptedError):
            journal.set_locations(PATH, [A], PRESENT, note=note_in(repo), **how)
    assert not os.path.exists(note_in(repo))
    assert journal.read(PATH) == b""


def test_what_is_done_and_not_recorded_leaves_a_note(
    repo: Repo, ours: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise PermissionError

    journal = ours(durable=True).journal
    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(PermissionError):
        journal.set_locations(PATH, [A], PRESENT, lambda: None, note_in(repo))
    assert os.path.exists(note_in(repo))
