"""Transfers as others see them: by their locks and files, side by side with the real git-annex-shell."""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from stat import S_ISDIR
from typing import Any

import pytest

from annexshell.disk.filelock import FileLocks
from annexshell.disk.perms import Perms
from annexshell.errors import TransferBusy
from annexshell.model.key import parse_key
from annexshell.store.layout import Layout
from annexshell.store.transfers import Transfers
from tests.conftest import CLIENT_UUID
from tests.repo.places import make_repo, waiting_for
from tests.store.conftest import Connect
from tests.support.client import Client, sha256_key
from tests.support.real import Repo

SIDES = ["ours", "real"]
LARGE = bytes(4_000_000)
KEY = sha256_key(LARGE)
SMALL = sha256_key(b"small")


def running(repo: Repo) -> list[tuple[str, str, str, str]]:
    """The transfers that the real git-annex knows of: direction, file, key and remote."""
    found = json.loads(repo.annex("info", "--fast", "--json"))["transfers in progress"]
    return [(each["transfer"], each.get("file") or "", each["key"], each["remote"]) for each in found]


def files(repo: Repo) -> dict[str, str]:
    """What lies in AD/transfer, with the contents of files but without times."""
    top = repo.annex_dir / "transfer"
    paths = [path for path in top.glob("**/*") if path.is_file()]
    return {str(path.relative_to(top)): re.sub(r"^[0-9.]+s", "TIME", path.read_text()) for path in paths}


def begin_upload(client: Client, repo: Repo, file: str = "a_file") -> None:
    """On return it shows."""
    assert client.ask(f"PUT {file} {KEY}") == "PUT-FROM 0"
    client.raw(b"DATA %d\n" % len(LARGE) + LARGE[:3_000_000])
    waiting_for(lambda: shows(repo, "download"))


def shows(repo: Repo, direction: str) -> bool:
    path = repo.annex_dir / "transfer" / direction / CLIENT_UUID / KEY
    return path.exists() and path.stat().st_size > 0


def begin_download(client: Client, repo: Repo, wait: bool = True) -> None:
    assert client.ask(f"GET 0 a_file {KEY}") == f"DATA {len(LARGE)}"
    client.data(2_500_000)
    if wait:
        waiting_for(lambda: shows(repo, "upload"))


@pytest.mark.parametrize("side", SIDES)
def test_an_upload_shows_while_it_runs(tmp_path: Path, connect: Connect, side: str) -> None:
    repo = make_repo(tmp_path / "repo")
    client = connect(side, repo)
    begin_upload(client, repo)
    assert running(repo) == [("download", "a_file", KEY, CLIENT_UUID)]
    own = f"download/{CLIENT_UUID}"
    found = files(repo)
    assert re.fullmatch(r"TIME( [0-9]+)?\na_file\n", found.pop(f"{own}/{KEY}"))
    assert found == {f"download/lck/lck.{KEY}": "", f"{own}/lck.{KEY}": ""}
    client.raw(LARGE[3_000_000:] + b"VALID\n")
    assert client.line() == "SUCCESS"
    assert running(repo) == []
    assert files(repo) == {}


@pytest.mark.parametrize("side", SIDES)
def test_a_download_shows_while_it_runs(tmp_path: Path, connect: Connect, side: str) -> None:
    """Several may run; one of each client shows."""
    repo = make_repo(tmp_path / "repo")
    client, other = connect(side, repo), connect("ours", repo)
    assert client.put(KEY, LARGE) == "SUCCESS"
    begin_download(client, repo)
    begin_download(other, repo, wait=False)
    assert running(repo) == [("upload", "a_file", KEY, CLIENT_UUID)]
    for each in (client, other):
        each.data(len(LARGE) - 2_500_000)
        assert each.line() == "VALID"
        assert each.ask("SUCCESS", f"CHECKPRESENT {SMALL}") == "FAILURE"
    assert running(repo) == []
    assert files(repo) == {}


@pytest.mark.parametrize("file", ["", "dir/file", "..", "ümläut", "%20", "-x"])
def test_the_name_of_the_file_is_only_shown(tmp_path: Path, connect: Connect, file: str) -> None:
    found = []
    for side in SIDES:
        repo = make_repo(tmp_path / side)
        client = connect(side, repo)
        begin_upload(client, repo, file)
        found.append([running(repo), files(repo).keys()])
        client.kill()
    assert found[0] == found[1]


def test_progress_is_counted_from_the_start_of_the_object(tmp_path: Path, connect: Connect) -> None:
    repo = make_repo(tmp_path / "repo")
    (repo.annex_dir / "tmp").mkdir()
    (repo.annex_dir / "tmp" / KEY).write_bytes(LARGE[:1_000_000])
    client = connect("ours", repo)
    assert client.ask(f"PUT  {KEY}") == "PUT-FROM 1000000"
    client.raw(b"DATA 3000000\n" + LARGE[:2_900_000])
    waiting_for(lambda: shows(repo, "download"))
    path = repo.annex_dir / "transfer/download" / CLIENT_UUID / KEY
    seconds, done = path.read_text().splitlines()[0].split("s ")
    assert abs(int(seconds) - time.time()) < 60
    assert 1_000_000 < int(done) <= 3_900_000


@pytest.mark.parametrize("side", SIDES)
def test_a_failed_upload_is_remembered_until_it_succeeds(tmp_path: Path, connect: Connect, side: str) -> None:
    repo = make_repo(tmp_path / "repo")
    client = connect(side, repo)
    failed = f"failed/download/{CLIENT_UUID}/{SMALL}"
    assert client.put(SMALL, b"wrong", file="a_file") == "FAILURE"
    assert files(repo) == {failed: "TIME\na_file\n"}
    assert client.put(SMALL, b"small") == "SUCCESS"
    assert files(repo) == {}
    assert client.close()[0] == 0


@pytest.mark.parametrize("side", SIDES)
def test_an_upload_that_never_began_has_not_failed(tmp_path: Path, connect: Connect, side: str) -> None:
    """Nor does it end the memory of one that has."""
    repo = make_repo(tmp_path / "repo")
    client = connect(side, repo)
    assert client.ask(f"PUT  {SMALL}", "DATA-PRESENT") == "PUT-FROM 0"
    assert client.line() == "FAILURE"
    assert files(repo) == {}
    assert client.put(SMALL, b"wrong") == "FAILURE"
    failed = files(repo)
    assert len(failed) == 1
    assert client.ask(f"PUT  {SMALL}", "DATA-PRESENT") == "PUT-FROM 0"
    assert client.line() == "FAILURE"
    assert files(repo) == failed
    assert client.close()[0] == 0


@pytest.mark.parametrize("dead", SIDES)
@pytest.mark.parametrize("next_", SIDES)
def test_what_the_dead_leave_hinders_nobody(tmp_path: Path, connect: Connect, dead: str, next_: str) -> None:
    repo = make_repo(tmp_path / "repo")
    client = connect(dead, repo)
    begin_upload(client, repo)
    client.kill()
    assert len(files(repo)) == 3
    assert running(repo) == []
    client = connect(next_, repo)
    offset = int(client.ask(f"PUT  {KEY}").split()[1])
    assert offset > 0
    client.raw(b"DATA %d\n%bVALID\n" % (len(LARGE) - offset, LARGE[offset:]))
    assert client.line() == "SUCCESS"
    assert files(repo) == {}


def test_a_lock_of_old_versions_is_honoured(tmp_path: Path, connect: Connect) -> None:
    """They have only the lock of the client's repository."""
    repo = make_repo(tmp_path / "repo")
    path = repo.annex_dir / "transfer/download" / CLIENT_UUID / f"lck.{SMALL}"
    path.parent.mkdir(parents=True)
    client = connect("ours", repo)
    with path.open("w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        client.send(f"PUT  {SMALL}")
        waiting_for(lambda: any((repo.annex_dir / "annexshell/wanted").glob("*")))
        assert connect("ours", repo, client=CLIENT_UUID.replace("1", "2")).put(SMALL, b"small") == "SUCCESS"
        assert client.line() == "ALREADY-HAVE"


# In this process


@pytest.fixture
def transfers(tmp_path: Path) -> Transfers:
    return Transfers(Layout(os.fsencode(tmp_path / "annex"), bare=True), FileLocks(), Perms(None, False, False))


def test_a_lock_file_that_is_deleted_meanwhile(
    transfers: Transfers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever deletes it has just received the content, and somebody else may be about to."""
    (tmp_path / "annex").mkdir()
    take = FileLocks.try_exclusive

    def delete(self: FileLocks, path: bytes, create: bool = True) -> object:
        lock = take(self, path, create)
        os.unlink(path)
        return lock

    with monkeypatch.context() as patch:
        patch.setattr(FileLocks, "try_exclusive", delete)
        with pytest.raises(TransferBusy, match="has just received"):
            transfers.receiving(parse_key(b"WORM--x"), b"", b"U")
        assert transfers.sending(parse_key(b"WORM--x"), b"", b"U") is None
    transfers.receiving(parse_key(b"WORM--x"), b"", b"U").end(succeeded=True)


def test_failing_to_lock_the_second_gives_up_the_first(transfers: Transfers, tmp_path: Path) -> None:
    (tmp_path / "annex").mkdir()
    key = parse_key(b"WORM--x")
    first, second = transfers.layout.transfer_locks(b"download", key, b"U")
    os.makedirs(second)
    with pytest.raises(IsADirectoryError):
        transfers.receiving(key, b"", b"U")
    assert not os.path.exists(first)
    os.rmdir(second)
    transfers.receiving(key, b"", b"U").end(succeeded=True)


def refuse(*args: object) -> None:
    raise PermissionError(13, "Permission denied")


def test_not_being_able_to_show_a_transfer_is_no_harm(
    transfers: Transfers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "annex").mkdir()
    receiving = transfers.receiving(parse_key(b"WORM--x"), b"file", b"U")
    os.makedirs(receiving.info_path)
    receiving.progress(5_000_000)
    receiving.end(succeeded=False)
    with monkeypatch.context() as patch:
        patch.setattr("annexshell.store.transfers.make_directories", refuse)
        assert transfers.sending(parse_key(b"WORM--x"), b"", b"U") is None


@pytest.mark.parametrize(("size", "step"), [("-s5000000", 50_000), ("", 100_000)])
def test_progress_is_written_now_and_then(
    transfers: Transfers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: str, step: int
) -> None:
    """At most a hundred times, and not for what is over before anybody could look."""
    (tmp_path / "annex").mkdir()
    written: list[int] = []
    write: Callable[..., None] = Transfers.write_info

    def count(self: Transfers, path: bytes, text: bytes) -> None:
        written.append(int(text.split()[1]))
        write(self, path, text)

    transfer = transfers.receiving(parse_key(b"WORM%b--x" % size.encode()), b"file", b"U")
    with monkeypatch.context() as patch:
        patch.setattr(Transfers, "write_info", count)
        for total in range(0, 5_000_000, 10_000):
            transfer.progress(total)
    assert written[0] >= 1 << 20
    assert {after - before for before, after in pairwise(written)} == {step}
    assert len(written) <= 100
    assert Path(os.fsdecode(transfer.info_path)).read_text().endswith("\nfile\n")
    transfer.end(succeeded=True)
    assert not os.path.exists(transfer.info_path)


def left(tmp_path: Path, kind: str) -> int:
    directory = tmp_path / "annex" / "transfer" / kind
    return len(list(directory.iterdir())) if directory.exists() else 0


@pytest.mark.parametrize("links", [None, 1])
def test_peers_leave_but_so_much_behind(
    transfers: Transfers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: int | None
) -> None:
    """There may be any number of them: whoever reads may give any uuid. Some file systems count no links."""
    (tmp_path / "annex").mkdir()
    key = parse_key(b"WORM--x")
    if links is not None:
        stat = os.stat

        def one_link(path: Any, **options: Any) -> os.stat_result:
            found = stat(path, **options)
            return os.stat_result((*found[:3], links, *found[4:])) if S_ISDIR(found.st_mode) else found

        monkeypatch.setattr(os, "stat", one_link)
    for number in range(200):
        sending = transfers.sending(key, b"", b"made-up-%d" % number)
        assert sending is not None
        sending.end(succeeded=True)
        transfers.receiving(key, b"", b"made-up-%d" % number).end(succeeded=False)
    assert left(tmp_path, "upload") <= 40
    assert left(tmp_path, "download") <= 40
    assert left(tmp_path, "failed/download") <= 40


def test_the_failures_of_one_peer_that_are_remembered(transfers: Transfers, tmp_path: Path) -> None:
    (tmp_path / "annex").mkdir()
    for number in range(150):
        transfers.receiving(parse_key(b"WORM--%d" % number), b"", b"U").end(succeeded=False)
    assert left(tmp_path, "failed/download/U") == 100


def test_a_directory_that_is_in_use_stays(transfers: Transfers, tmp_path: Path) -> None:
    (tmp_path / "annex").mkdir()
    key = parse_key(b"WORM--x")
    running = [transfers.sending(key, b"", b"made-up-%d" % number) for number in range(50)]
    other = transfers.sending(parse_key(b"WORM--y"), b"", b"made-up-7")
    assert other is not None
    other.end(succeeded=True)
    assert left(tmp_path, "upload/made-up-7") == 1
    for each in running:
        assert each is not None
        each.end(succeeded=True)
    assert left(tmp_path, "upload") <= 40


def test_what_was_left_long_ago_goes(transfers: Transfers, tmp_path: Path) -> None:
    upload = tmp_path / "annex" / "transfer" / "upload"
    for number in range(60):
        (upload / f"made-up-{number}").mkdir(parents=True)
        os.utime(upload / f"made-up-{number}", (1, 1))
    sending = transfers.sending(parse_key(b"WORM--x"), b"", b"U")
    assert sending is not None
    sending.end(succeeded=True)
    assert left(tmp_path, "upload") <= 40


def test_a_directory_that_is_removed_meanwhile(
    transfers: Transfers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "annex").mkdir()
    take = FileLocks.try_exclusive
    times: list[bytes] = []

    def remove(self: FileLocks, path: bytes, create: bool = True) -> Any:
        times.append(path)
        if len(times) == 2:
            os.rmdir(os.path.dirname(path))
        return take(self, path, create)

    monkeypatch.setattr(FileLocks, "try_exclusive", remove)
    transfers.receiving(parse_key(b"WORM--x"), b"", b"U").end(succeeded=True)
    assert len(times) == 5
