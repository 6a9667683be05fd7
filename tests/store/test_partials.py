"""Which partial files expire."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from annexshell.disk.filelock import FileLocks
from annexshell.disk.perms import Perms
from annexshell.model.key import Key, parse_key
from annexshell.store.layout import DOWNLOAD, Layout
from annexshell.store.partials import expire
from annexshell.store.transfers import Transfers

KEY, OTHER = parse_key(b"SHA256-s10--a/b"), parse_key(b"URL--http://x")
US, REMOTE = b"11111111-2222-4222-8222-222222222222", b"33333333-2222-4222-8222-222222222222"
LATER = 1000  # seconds from now; what has been written until then is old

Expire = Callable[..., bool]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(os.fsencode(tmp_path / "annex"), bare=True)
    os.makedirs(layout.tmp)
    for key in (KEY, OTHER):
        write(layout, key)
    return layout


@pytest.fixture
def transfers(layout: Layout) -> Transfers:
    return Transfers(layout, FileLocks(), Perms(None, False, False))


def write(layout: Layout, key: Key) -> None:
    Path(os.fsdecode(layout.partial(key))).write_bytes(b"part")


def remaining(layout: Layout) -> set[bytes]:
    return set(os.listdir(layout.tmp))


def run(layout: Layout, transfers: Transfers, since: float = LATER, limit: int = 10) -> bool:
    return expire(layout, transfers, FileLocks(), US, time.time() + since, limit)


def test_what_is_old_goes_with_its_work_directory(layout: Layout, transfers: Transfers) -> None:
    os.makedirs(layout.work_directory(KEY) + b"/deep")
    os.mkdir(layout.tmp + b"/a directory")
    Path(os.fsdecode(layout.tmp), "not a key").write_text("")
    assert run(layout, transfers) is False
    assert remaining(layout) == {b"a directory", b"not a key"}


def test_what_is_new_stays_whatever_its_time_says(layout: Layout, transfers: Transfers) -> None:
    os.utime(layout.partial(KEY), (1, 1))  # as rsync does with the time of its source
    run(layout, transfers, since=-1000)
    assert remaining(layout) == {KEY.file_name, OTHER.file_name}


def test_what_is_being_received_stays(layout: Layout, transfers: Transfers) -> None:
    running = transfers.receiving(KEY, b"", REMOTE)
    run(layout, transfers)
    assert remaining(layout) == {KEY.file_name}
    running.end(None)
    run(layout, transfers)
    assert remaining(layout) == set()


def test_what_an_old_git_annex_receives_stays(layout: Layout, transfers: Transfers) -> None:
    path = layout.transfer_locks(DOWNLOAD, KEY, REMOTE)[1]
    os.makedirs(os.path.dirname(path))
    lock = FileLocks().try_exclusive(path)
    assert lock is not None
    with lock:
        run(layout, transfers)
        assert remaining(layout) == {KEY.file_name}


def test_it_goes_in_steps_and_leaves_no_locks(layout: Layout, transfers: Transfers) -> None:
    assert run(layout, transfers, limit=1) is True
    assert len(remaining(layout)) == 1
    assert run(layout, transfers, limit=1) is False
    assert not [path for path in Path(os.fsdecode(layout.annex_dir), "transfer").rglob("*") if path.is_file()]


def test_nothing_is_to_be_done_where_nothing_was_received(tmp_path: Path) -> None:
    layout = Layout(os.fsencode(tmp_path), bare=True)
    assert run(layout, Transfers(layout, FileLocks(), Perms(None, False, False))) is False
