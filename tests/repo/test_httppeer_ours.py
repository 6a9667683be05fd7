"""A repository behind our own HTTP server."""

from __future__ import annotations

import uuid as uuids
from collections.abc import Iterator
from pathlib import Path

import pytest

from annexshell.errors import NodeError, NodeFailed, VerificationFailed
from annexshell.model.key import parse_key
from annexshell.repo.port import Repository
from tests.repo.conformance import SMALL, Backing, User, key_of
from tests.repo.distant import DistantConformance
from tests.repo.places import make_repo
from tests.repo.reached import http
from tests.support.httpserver import Server

MANY = 80  # repositories; the server does not look for new ones all the time


class Served:
    """A server with empty repositories, each for one test."""

    def __init__(self, directory: Path) -> None:
        self._unused = [str(uuids.uuid4()) for _ in range(MANY)]
        for uuid in self._unused:
            make_repo(directory / uuid).git("config", "annex.uuid", uuid)
        self.server = Server(directory, "--wideopen", "--directory", str(directory))

    def take(self) -> str:
        """The uuid of one that is still empty."""
        return self._unused.pop()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, programs: Path) -> Iterator[Served]:
    patch = pytest.MonkeyPatch()
    patch.setenv("PATH", str(programs), prepend=":")
    served = Served(tmp_path_factory.mktemp("served"))
    yield served
    served.server.stop()
    patch.undo()


class Ours(Backing):
    locked = too_late = (NodeFailed, NodeError)

    def __init__(self, served: Served) -> None:
        self._port = served.server.port
        self._uuid = served.take()

    def open(self) -> Repository:
        return http(self._port, self._uuid)


class TestOurs(DistantConformance):
    @pytest.fixture
    def backing(self, served: Served) -> Backing:
        return Ours(served)

    @pytest.mark.parametrize("valid", [True, None])
    def test_the_hash_decides(self, user: User, valid: bool | None) -> None:
        super().test_the_hash_decides(user, valid)

    @pytest.mark.parametrize("sent", [SMALL + b"and more"], ids=["long"])
    @pytest.mark.parametrize("name", [key_of(SMALL).serialized, b"WORM-s16--x"])
    def test_the_length_has_to_be_right(self, user: User, sent: bytes, name: bytes) -> None:
        """What is too short may be continued: the server keeps it and hopes for the rest."""
        super().test_the_length_has_to_be_right(user, sent, name)
        key = parse_key(name)
        user.repository.remove(key)
        with pytest.raises(VerificationFailed):
            user.put(key, SMALL[:-2])
        assert not user.repository.present(key)
        user.put(key, SMALL)
        assert user.get(key) == SMALL

    def test_a_sender_that_takes_it_back(self, user: User) -> None:
        with pytest.raises(VerificationFailed):
            user.put(key_of(SMALL), SMALL, valid=False)
        assert not user.repository.present(key_of(SMALL))
        self.put_again(user)
