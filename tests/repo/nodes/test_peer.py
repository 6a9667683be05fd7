"""A repository behind a git-annex-shell, ours and the real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from annexshell.errors import NodeError, NodeFailed
from annexshell.model.key import parse_key
from annexshell.relay.copy import receive
from annexshell.repo.nodes.dial import Line
from annexshell.repo.nodes.peer import PeerRepository
from annexshell.repo.port import Repository
from annexshell.store.removal import boot_time
from annexshell.stream.memory import MemoryStream
from tests.repo.conformance import SMALL, Backing, RepositoryConformance, User, key_of
from tests.repo.places import make_repo
from tests.repo.reached import dialer, peer
from tests.support.real import Repo


class Peer(Backing):
    """A repository behind a git-annex-shell, which every user starts anew."""

    locked = too_late = (NodeFailed, NodeError)

    def __init__(self, program: Path, repo: Repo) -> None:
        self._program = program
        self._repo = repo

    def settle(self, repository: Repository) -> None:
        repository.timestamp()

    def open(self) -> Repository:
        return peer(self._program, self._repo)


def test_node_that_does_not_greet_is_not_waited_for_again_and_again() -> None:
    started = 0

    def dial() -> Line:
        nonlocal started
        started += 1
        return dialer(connecting=0.5).start(["sleep", "1000"], "node")

    node = PeerRepository(b"u", "node", dial, boot_time)
    for _ in range(3):
        with pytest.raises(NodeError, match="nothing has moved"):
            node.timestamp()
    assert started == 1, "what took long in vain is not tried again at once"
    node.close()


@pytest.mark.parametrize(
    "before",
    ["", "echo AUTH-SUCCESS u;", "echo AUTH-SUCCESS u; read v; echo VERSION 2; read q;"],
    ids=["greeting", "version", "answer"],
)
def test_who_sends_a_byte_now_and_then_is_given_up(before: str) -> None:
    argv = ["sh", "-c", f"{before} while printf S; do sleep 0.1; done"]
    node = PeerRepository(b"u", "node", lambda: dialer(connecting=0.6).start(argv, "node"), boot_time)
    with pytest.raises(NodeError, match=r"in time|nothing has moved"):
        node.present(parse_key(b"WORM--x"))
    node.close()


def test_content_that_comes_a_byte_now_and_then() -> None:
    """Something moves each time, but nobody will see the end of it."""
    greeting = "echo AUTH-SUCCESS u; read v; echo VERSION 2; read q; echo DATA 100000;"
    argv = ["sh", "-c", f"{greeting} while printf S; do sleep 0.1; done"]
    node = PeerRepository(b"u", "node", lambda: dialer(answering=0.6).start(argv, "node"), boot_time)
    reading = node.get(parse_key(b"WORM--x"), 0, b"")
    assert reading.send(MemoryStream(b"")) < 100
    assert "it sends too slowly" in str(reading.failure)
    reading.close(False)
    node.close()


class PeerConformance(RepositoryConformance):
    def test_all_has_come_but_not_the_end(self, user: User) -> None:
        """A server that has all of the content, whose hash is right, needs nobody to tell it so."""
        key = key_of(SMALL)
        writing = user.begin(key)
        receive(MemoryStream(SMALL), writing.begin, len(SMALL))
        writing.abandon()
        assert user.get(key) == SMALL


class TestOurs(PeerConformance):
    @pytest.fixture
    def backing(self, shell: Path, tmp_path: Path) -> Backing:
        return Peer(shell, make_repo(tmp_path / "repo"))


class TestReal(PeerConformance):
    @pytest.fixture
    def backing(self, programs: Path, tmp_path: Path) -> Backing:
        return Peer(programs / "git-annex-shell", make_repo(tmp_path / "repo"))

    @pytest.mark.skip("git-annex says that content is invalid which was removed while it was sent")
    def test_a_removal_does_not_disturb_who_is_reading(self, user: User) -> None:
        pass

    @pytest.mark.skip("git-annex unlocks at the end of a connection")
    def test_what_was_promised_outlives_later_locks(self, users: tuple[User, User]) -> None:
        pass

    @pytest.mark.skip("git-annex unlocks at the end of a connection")
    def test_whoever_is_gone_may_still_rely_on_the_lock(self, users: tuple[User, User]) -> None:
        pass
