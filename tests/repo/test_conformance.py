"""The conformance suite on the repository on this disk, on the fake, and on guards around them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from annexshell.model import access
from annexshell.repo.guard import GuardedRepository
from annexshell.repo.memory import MemoryRepository
from annexshell.repo.port import Repository
from tests.repo.conformance import Backing, RepositoryConformance, User
from tests.repo.places import limited, make_repo, open_repo
from tests.support.real import Repo

UUID = b"22222222-2222-4222-8222-222222222222"


class Local(Backing):
    """A repository on this disk, which every user opens anew."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo

    def open(self) -> Repository:
        return open_repo(self._repo)


class Memory(Backing):
    """The fake, whose contents outlive it."""

    def __init__(self, plus: tuple[bytes, ...] = ()) -> None:
        self.plus = plus
        self._first = MemoryRepository(UUID)

    def open(self) -> Repository:
        another = MemoryRepository(UUID, plus=self.plus)
        for name in ("contents", "partial", "retained", "unfinished"):
            setattr(another, name, getattr(self._first, name))
        return another


class Guarded(Backing):
    """Another backing, seen through a guard that allows everything."""

    def __init__(self, inner: Backing) -> None:
        self.plus = inner.plus
        self._inner = inner

    def open(self) -> Repository:
        return GuardedRepository(self._inner.open(), access.READ_WRITE)


LOCAL: dict[str, Callable[[Path], Repo]] = {
    "worktree": make_repo,
    "bare": lambda path: make_repo(path, bare=True),
    "shared": lambda path: make_repo(path, bare=True, shared="group"),
}


class TestLocal(RepositoryConformance):
    @pytest.fixture(params=LOCAL)
    def backing(self, request: pytest.FixtureRequest, tmp_path: Path) -> Backing:
        return Local(LOCAL[request.param](tmp_path / "repo"))


class TestMemory(RepositoryConformance):
    @pytest.fixture(params=[(), (b"node-1", b"node-2")], ids=["alone", "with others"])
    def backing(self, request: pytest.FixtureRequest) -> Backing:
        return Memory(request.param)


class TestGuarded(RepositoryConformance):
    @pytest.fixture(params=["local", "memory"])
    def backing(self, request: pytest.FixtureRequest, tmp_path: Path) -> Backing:
        return Guarded(Local(make_repo(tmp_path / "repo")) if request.param == "local" else Memory((b"node-1",)))


class Limited(Local):
    """A repository with quotas, as a user sees it who keeps to them."""

    def open(self) -> Repository:
        return limited(self._repo, size=10**9, user_size=10**9)


class TestLimited(RepositoryConformance):
    @pytest.fixture
    def backing(self, tmp_path: Path) -> Backing:
        return Limited(make_repo(tmp_path / "repo"))


class TestOld(RepositoryConformance):
    """Before version 10 there is no retention."""

    @pytest.fixture(params=[8, 9])
    def backing(self, request: pytest.FixtureRequest, tmp_path: Path) -> Backing:
        return Local(make_repo(tmp_path / "repo", version=request.param))

    @pytest.mark.skip("an old repository knows no retention")
    def test_what_was_promised_outlives_later_locks(self, users: tuple[User, User]) -> None:
        pass

    @pytest.mark.skip("an old repository knows no retention")
    def test_whoever_is_gone_may_still_rely_on_the_lock(self, users: tuple[User, User]) -> None:
        pass

    @pytest.mark.skip("an old repository knows no retention")
    def test_a_later_lock_does_not_end_what_was_promised(self, users: tuple[User, User]) -> None:
        pass
