"""annex.diskreserve: arithmetic, and side by side with the real git-annex-shell."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from annexshell.disk.filelock import FileLocks
from annexshell.errors import DiskFull
from annexshell.store.layout import Layout
from annexshell.store.space import Space
from tests.repo.places import make_repo, waiting_for
from tests.store.conftest import Connect
from tests.support.client import Client
from tests.support.real import Repo

SIDES = ["ours", "real"]
FREE = 1000
GB = 10**9


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Space]:
    """space(reserve) is that of a file system with FREE bytes for ordinary users."""
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_bavail=FREE // 10, f_bfree=FREE, f_frsize=10))
    return lambda reserve: Space(Layout(os.fsencode(tmp_path), bare=True), FileLocks(), reserve)


@pytest.mark.parametrize(
    ("size", "already", "reserve", "missing"),
    [
        (FREE, 0, 0, 0),
        (FREE + 1, 0, 0, 1),
        (FREE - 100, 0, 100, 0),
        (FREE - 100, 0, 101, 1),
        (FREE + 50, 50, 0, 0),  # what is here already takes its space already
        (FREE + 50, 49, 0, 1),
        (10, 50, FREE, 0),
        (10, 50, FREE + 1, 1),  # not even what costs nothing, as upstream
        (None, 0, FREE - 1, 0),
        (None, 0, FREE, 1),
        (None, 1, FREE, 0),
        (10**30, 0, 0, 10**30 - FREE),
    ],
)
def test_what_fits(space: Callable[[int], Space], size: int | None, already: int, reserve: int, missing: int) -> None:
    if missing:
        with pytest.raises(DiskFull, match=rf"\b{missing} bytes more .* \({reserve} bytes"):
            space(reserve).check(size, already)
    else:
        space(reserve).check(size, already)


def info(directory: Path, peer: str, name: str, text: str) -> Path:
    path = directory / "transfer/download" / peer / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_what_others_still_need(space: Callable[[int], Space], tmp_path: Path) -> None:
    """By their files; whatever else lies there needs nothing."""
    paths = [
        info(tmp_path, "peer", "WORM-s300--a", "1700000000s 200\nname\n"),
        info(tmp_path, "peer", "WORM-s50--b", "1700000000.5s\n\n"),
        info(tmp_path, "other", "WORM-s7--c", "nonsense"),
        info(tmp_path, "other", "WORM-s60--d", "1700000000s x\n"),
        info(tmp_path, "other", "WORM--e", "1700000000s 5\n"),
        info(tmp_path, "other", "WORM-s70--f", "1700000000s 500\n"),
        info(tmp_path, "other", "no key", "1700000000s 1\n"),
    ]
    own = info(tmp_path, "peer", "WORM-s900--own", "1700000000s 0\n")
    info(tmp_path, "peer", "WORM-s900--abandoned", "1700000000s 0\n")
    (tmp_path / "transfer/download/stray").touch()
    (tmp_path / "transfer/download/lck").mkdir()
    held = [FileLocks().try_exclusive(os.fsencode(path.with_name(f"lck.{path.name}"))) for path in [*paths, own]]
    needed = 100 + 50 + 7
    space(0).check(FREE - needed, own_info=os.fsencode(own))
    with pytest.raises(DiskFull):
        space(0).check(FREE - needed + 1, own_info=os.fsencode(own))
    for lock in held:
        assert lock is not None
        lock.release()
    space(0).check(FREE)


# Side by side


def accepts(client: Client, key: str) -> bool:
    """Whether content of that key would be received, of which nothing is sent. Where it would not, the original dies of
    the announcement, and we ask for what is behind the end."""
    offset = client.ask(f"PUT  {key}")
    client.raw(b"DATA 0\nINVALID\n")
    return client.line() == "FAILURE" and offset != f"PUT-FROM {key.split('-')[1].removeprefix('s')}"


@pytest.mark.parametrize(
    ("reserve", "fits"),
    [
        (None, True),
        ("0", True),
        ("1 gigabyte", True),
        ("1000000", True),
        ("900 PB", False),
        ("900PB", False),
        ("0.9 exabytes", False),
        ("800 PiB", False),
        ("900000000000000000", False),
        ("nonsense", True),
        ("900 parsecs", True),
    ],
)
def test_sizes_as_the_original_reads_them(tmp_path: Path, connect: Connect, reserve: str | None, fits: bool) -> None:
    for side in SIDES:
        repo = make_repo(tmp_path / side)
        if reserve is not None:
            repo.git("config", "annex.diskreserve", reserve)
        assert accepts(connect(side, repo), "WORM-s5--x") == fits, side


def free(repo: Repo) -> int:
    info = os.statvfs(repo.annex_dir)
    return info.f_bavail * info.f_frsize


@pytest.mark.parametrize(("first", "second"), [("ours", "real"), ("real", "ours"), ("ours", "ours")])
def test_a_running_upload_keeps_its_space(tmp_path: Path, connect: Connect, first: str, second: str) -> None:
    """It announces nearly all there is. Once it has died, however, what it announced does not count any more; nor does
    it when the same upload is tried again."""
    repo = make_repo(tmp_path / "repo")
    if free(repo) < 4 * GB:
        pytest.skip("the disk is nearly full")
    large, small = f"WORM-s{free(repo) - GB}--large", f"WORM-s{2 * GB}--small"
    holder = connect(first, repo)
    assert holder.ask(f"PUT  {large}") == "PUT-FROM 0"
    holder.raw(b"DATA %d\n" % GB + bytes(2_500_000))
    info = repo.annex_dir / f"transfer/download/11111111-1111-4111-8111-111111111111/{large}"
    waiting_for(info.exists)
    assert not accepts(connect(second, repo), small)
    assert accepts(connect(second, repo), "WORM-s5--x")
    holder.kill()
    assert info.exists()
    assert accepts(connect(second, repo), large)
    assert accepts(connect(second, repo), small)
