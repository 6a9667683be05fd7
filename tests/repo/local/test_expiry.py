"""Partial files expire in one process at a time, and not more often than is needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from annexshell.model.key import parse_key
from annexshell.repo.local.closing import close
from annexshell.repo.local.expiry import expire_claims, expire_partials
from annexshell.repo.local.opening import local_repository, open_parts
from annexshell.repo.local.parts import Parts
from tests.support.real import Repo


@pytest.fixture(params=["fcntl", "pid"])
def parts(repo: Repo, request: pytest.FixtureRequest) -> Iterator[Parts]:
    """A repository, with the locks of most and with those where the file system has none."""
    repo.git("config", "annex.pidlock", "true" if request.param == "pid" else "false")
    told: list[str] = []
    parts = open_parts(os.fsencode(repo.path), dict(os.environb), told.append)
    yield parts
    close(parts, False)
    assert told == []


@pytest.fixture
def leave(repo: Repo) -> Callable[[], Path]:
    """Leaves a partial file."""

    def leave() -> Path:
        path = repo.annex_dir / "tmp" / "WORM-s10--abandoned"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"part")
        return path

    return leave


def test_what_was_abandoned_goes(parts: Parts, leave: Callable[[], Path]) -> None:
    for _ in range(2):
        path = leave()
        assert expire_partials(parts, 0.0) is False
        assert not path.exists()


def test_nobody_looks_again_soon(parts: Parts, leave: Callable[[], Path]) -> None:
    path = leave()
    assert expire_partials(parts, 1e9) is False
    stamp = Path(os.fsdecode(parts.paths.annex_dir)) / "annexshell/expiry"
    before = stamp.read_bytes()
    assert before.isdigit()
    stamp.write_bytes(b"%d" % (int(before) - 3))
    assert expire_partials(parts, 200.0) is False
    assert int(stamp.read_bytes()) == int(before) - 3, "it was done 3 seconds ago"
    assert expire_partials(parts, 0.0) is False
    assert not path.exists()


@pytest.mark.parametrize("version", ["8", "10"])
def test_claims_that_are_over_go(repo: Repo, version: str) -> None:
    """With all that lies beside the object, and whether that is still there or not; those in force stay."""
    repo.git("config", "annex.version", version)
    keys = [repo.add(name, name.encode()) for name in "abc"]
    parts = open_parts(os.fsencode(repo.path), dict(os.environb), print)
    repository = local_repository(parts, b"client")
    for key in keys:
        repository.lock(parse_key(key.encode())).abandon()
    claims = [Path(os.fsdecode(parts.annex.layout.claims)) / key for key in keys]
    claims[0].write_bytes(b"0 0\n")
    claims[1].write_bytes(b"0 0\n")
    (gone,) = repo.annex_dir.glob(f"objects/*/*/{keys[1]}")
    gone.chmod(0o755)
    for path in gone.iterdir():
        path.unlink()
    expire_claims(parts)
    assert [path.exists() for path in claims] == [True, True, True], "they are young"
    for path in claims:
        os.utime(path, (1, 1))
    (stamp,) = [*repo.annex_dir.glob(f"objects/*/*/{keys[0]}/*.rtm"), *[repo.path / "none"] * (version == "8")]
    if version == "10":
        stamp.parent.chmod(0o755)
        stamp.write_bytes(b"1s")
    expire_claims(parts)
    assert [path.exists() for path in claims] == [False, False, True]
    (kept,) = repo.annex_dir.glob(f"objects/*/*/{keys[0]}")
    assert [path.name for path in kept.iterdir()] == [keys[0]]
    close(parts, False)
