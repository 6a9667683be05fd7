"""Small files are replaced as a whole, or not at all."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from annexshell.disk.durable import Durability
from annexshell.disk.filelock import FileLocks
from annexshell.disk.perms import Perms
from annexshell.disk.scratch import Scratch
from annexshell.errors import DiskError
from tests.repo.places import make_repo


def make_scratch(annex_dir: Path, shared: bytes | None = None, durable: bool = False) -> Scratch:
    perms = Perms(shared, False, False)
    return Scratch(os.fsencode(annex_dir), FileLocks(perms.new_file), perms, Durability(durable))


@pytest.fixture
def annex_dir(tmp_path: Path) -> Path:
    (tmp_path / "annex").mkdir()
    return tmp_path / "annex"


@pytest.mark.parametrize("data", [b"", b"new\n", b"x" * 1_000_000])
def test_a_file_is_created_or_replaced(annex_dir: Path, data: bytes) -> None:
    scratch = make_scratch(annex_dir)
    target = annex_dir / "file"
    for content in (b"old", data):
        scratch.replace(os.fsencode(target), content)
        assert target.read_bytes() == content
    assert os.listdir(annex_dir / "othertmp") == []


def test_others_see_the_old_or_the_new(annex_dir: Path) -> None:
    scratch = make_scratch(annex_dir)
    target = annex_dir / "file"
    scratch.replace(os.fsencode(target), b"old")
    seen: list[bytes] = []
    scratch.replace(os.fsencode(target), b"new", lambda: seen.append(target.read_bytes()))
    assert [*seen, target.read_bytes()] == [b"old", b"new"]


def test_it_is_on_disk_before_it_shows(annex_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    rename = os.rename
    monkeypatch.setattr(os, "fsync", lambda fd: order.append(f"fsync {os.fstat(fd).st_size}"))

    def noted_rename(old: bytes, new: bytes) -> None:
        order.append("rename")
        rename(old, new)

    monkeypatch.setattr(os, "rename", noted_rename)
    scratch = make_scratch(annex_dir, durable=True)
    scratch.replace(os.fsencode(annex_dir / "file"), b"12345", lambda: order.append("before"))
    assert order == ["fsync 5", "before", "rename"]


def failing(*_: object) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_draft_becomes_the_file(annex_dir: Path) -> None:
    scratch = make_scratch(annex_dir)
    draft, target = annex_dir / "notes/draft", annex_dir / "file"
    scratch.replace_by(os.fsencode(draft), os.fsencode(target), b"new", lambda: None)
    assert target.read_bytes() == b"new"
    assert not draft.exists()
    assert not (annex_dir / "othertmp").exists()


def test_the_draft_of_somebody_else_is_left_alone(annex_dir: Path) -> None:
    scratch = make_scratch(annex_dir)
    draft, target = annex_dir / "notes/draft", annex_dir / "file"
    draft.parent.mkdir()
    draft.write_bytes(b"another")
    scratch.replace_by(os.fsencode(draft), os.fsencode(target), b"new", lambda: None)
    assert (target.read_bytes(), draft.read_bytes()) == (b"new", b"another")


def test_a_draft_of_what_is_called_off_goes(annex_dir: Path) -> None:
    scratch = make_scratch(annex_dir)
    draft, target = annex_dir / "notes/draft", annex_dir / "file"
    with pytest.raises(OSError, match="Input"):
        scratch.replace_by(os.fsencode(draft), os.fsencode(target), b"new", failing)
    assert not draft.exists()
    assert not target.exists()


def test_a_draft_knows_whether_it_is_still_there(annex_dir: Path) -> None:
    name = annex_dir / "draft"
    draft = make_scratch(annex_dir).draft(os.fsencode(name), b"new")
    assert draft is not None
    with draft:
        assert draft.is_there()
        name.unlink()
        assert not draft.is_there()
        name.write_bytes(b"another")
        assert not draft.is_there()
    assert name.read_bytes() == b"another"


def test_a_draft_outlives_what_was_to_be_published(annex_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = make_scratch(annex_dir)
    draft, target = annex_dir / "notes/draft", annex_dir / "file"
    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(OSError, match="Input"):
        scratch.replace_by(os.fsencode(draft), os.fsencode(target), b"new", lambda: None)
    assert draft.read_bytes() == b"new"
    assert not target.exists()


def test_where_there_can_be_no_draft_there_is_none(annex_dir: Path) -> None:
    scratch = make_scratch(annex_dir)
    (annex_dir / "notes").write_text("no directory")
    target = annex_dir / "file"
    scratch.replace_by(os.fsencode(annex_dir / "notes/draft"), os.fsencode(target), b"new", lambda: None)
    assert target.read_bytes() == b"new"


def test_it_is_flushed_only_where_that_matters(annex_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", flushed.append)
    scratch = make_scratch(annex_dir, durable=True)
    scratch.replace(os.fsencode(annex_dir / "file"), b"12345", durably=False)
    assert not flushed


@pytest.mark.parametrize(("shared", "mode"), [(None, 0o644), (b"group", 0o664), (b"0640", 0o640)])
def test_modes(annex_dir: Path, shared: bytes | None, mode: int) -> None:
    before = os.umask(0o022)
    try:
        make_scratch(annex_dir, shared).replace(os.fsencode(annex_dir / "file"), b"x")
    finally:
        os.umask(before)
    assert (annex_dir / "file").stat().st_mode & 0o7777 == mode


def nothing_happened(annex_dir: Path) -> None:
    assert (annex_dir / "file").read_bytes() == b"old"
    assert os.listdir(annex_dir / "othertmp") == []
    with FileLocks().exclusive(os.fsencode(annex_dir / "othertmp.lck"), 0):
        pass  # nobody holds the lock any more


def test_a_callback_that_fails(annex_dir: Path) -> None:
    (annex_dir / "file").write_bytes(b"old")

    def fail() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_scratch(annex_dir).replace(os.fsencode(annex_dir / "file"), b"new", fail)
    nothing_happened(annex_dir)


@pytest.mark.parametrize(("call", "error"), [("write", errno.ENOSPC), ("fsync", errno.EIO), ("rename", errno.EROFS)])
def test_a_disk_that_fails(annex_dir: Path, monkeypatch: pytest.MonkeyPatch, call: str, error: int) -> None:
    (annex_dir / "file").write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises((OSError, DiskError)):
            make_scratch(annex_dir, durable=True).replace(os.fsencode(annex_dir / "file"), b"new")
    nothing_happened(annex_dir)


def test_short_writes(annex_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:3]))
    make_scratch(annex_dir).replace(os.fsencode(annex_dir / "file"), b"0123456789")
    assert (annex_dir / "file").read_bytes() == b"0123456789"


def test_the_directory_must_exist(annex_dir: Path) -> None:
    """A lock's file must not bring the directory of an object back."""
    with pytest.raises(FileNotFoundError):
        make_scratch(annex_dir).replace(os.fsencode(annex_dir / "gone" / "file"), b"new")
    assert os.listdir(annex_dir / "othertmp") == []
    assert not (annex_dir / "gone").exists()


def test_two_of_one_process_do_not_share_a_file(annex_dir: Path) -> None:
    """Nor do two of one object: one is begun while the other is not finished."""
    one, two = make_scratch(annex_dir), make_scratch(annex_dir)
    names = [os.fsencode(annex_dir / name) for name in "abc"]
    one.replace(names[0], b"a", lambda: two.replace(names[1], b"b", lambda: one.replace(names[2], b"c")))
    assert [Path(os.fsdecode(name)).read_bytes() for name in names] == [b"a", b"b", b"c"]


def test_git_annex_wipes_the_directory_only_when_we_are_done(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo")
    other = repo.annex_dir / "othertmp" / "somebodys"
    other.parent.mkdir(exist_ok=True)
    left: list[list[str]] = []

    def use_git_annex() -> None:
        other.touch()
        repo.annex("setpresentkey", "WORM--x", "u", "1")
        left.append(sorted(os.listdir(other.parent)))

    make_scratch(repo.annex_dir).replace(os.fsencode(repo.annex_dir / "file"), b"new", use_git_annex)
    assert len(left[0]) == 2
    assert (repo.annex_dir / "file").read_bytes() == b"new"
    repo.annex("setpresentkey", "WORM--x", "u", "0")
    assert not other.exists()


def test_we_wait_while_git_annex_wipes_it(annex_dir: Path) -> None:
    scratch = make_scratch(annex_dir)
    lock = FileLocks().exclusive(os.fsencode(annex_dir / "othertmp.lck"), 0)
    thread = threading.Thread(target=scratch.replace, args=(os.fsencode(annex_dir / "file"), b"new"))
    thread.start()
    try:
        thread.join(0.05)
        assert thread.is_alive()
        assert not (annex_dir / "file").exists()
    finally:
        lock.release()
        thread.join(20)
    assert (annex_dir / "file").read_bytes() == b"new"
