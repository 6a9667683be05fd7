"""An upload whose client stands still makes room for another client with the same content, in ssh sessions too."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from annexshell.errors import Interrupted
from annexshell.serve.standstill import Standstill
from annexshell.stream.blocking import Interrupts
from tests.repo.places import make_repo, waiting_for
from tests.support.client import Client, sha256_key
from tests.support.fakenodes import FakeGateway

Serve = Callable[..., Client]

CONTENT = os.urandom(3_000_000)
KEY = sha256_key(CONTENT)


def nothing_sent(client: Client) -> None:
    assert client.ask(f"PUT  {KEY}") == "PUT-FROM 0"


def a_part_sent(client: Client) -> None:
    nothing_sent(client)
    client.raw(b"DATA %d\n" % len(CONTENT) + CONTENT[:2_500_000])


def all_but_the_verdict_sent(client: Client) -> None:
    nothing_sent(client)
    client.raw(b"DATA %d\n" % len(CONTENT) + CONTENT)


@pytest.mark.parametrize("stage", [nothing_sent, a_part_sent, all_but_the_verdict_sent])
def test_who_comes_again_goes_on(tmp_path: Path, serve: Serve, stage: Callable[[Client], None]) -> None:
    repo = make_repo(tmp_path / "repo")
    first, second = serve(repo), serve(repo)
    stage(first)
    answer = second.ask(f"PUT  {KEY}")
    if answer != "ALREADY-HAVE":
        assert answer.startswith("PUT-FROM ")
        rest = CONTENT[int(answer.split()[1]) :]
        second.raw(b"DATA %d\n%bVALID\n" % (len(rest), rest))
        assert second.line() == "SUCCESS"
    assert second.get(KEY) == CONTENT
    if stage is not all_but_the_verdict_sent:
        assert "the upload stood still while another client sends the same content" in first.close()[1]


def test_in_a_cluster(tmp_path: Path, serve: Serve) -> None:
    node = make_repo(tmp_path / "node")
    gateway = FakeGateway.in_front_of(tmp_path / "gateway", {"node": (node.path, node.uuid)})
    gateway.uuid = gateway.cluster
    first, second = serve(gateway), serve(gateway)
    a_part_sent(first)
    partial = node.annex_dir / "tmp" / KEY
    waiting_for(lambda: partial.exists() and partial.stat().st_size >= 1 << 20)
    answer = second.ask(f"PUT  {KEY}")
    assert answer.startswith("PUT-FROM ")
    rest = CONTENT[int(answer.split()[1]) :]
    second.raw(b"DATA %d\n%bVALID\n" % (len(rest), rest))
    assert second.line().startswith("SUCCESS")
    assert "the upload stood still" in first.close()[1]


class Wish:
    """One that is urgent after five seconds."""

    def is_urgent(self, silence: float) -> bool:
        return silence > 5


class World:
    def __init__(self) -> None:
        self.now = 100.0
        self.interrupts = Interrupts()
        wish: Any = Wish()
        self.standstill = Standstill(self.interrupts, lambda: wish, lambda: self.now)

    def pass_time(self, seconds: int, moves: int = 0) -> None:
        for _ in range(seconds):
            self.now += 1
            self.interrupts.steps += moves
            self.standstill.look()


def test_a_client_who_stands_still() -> None:
    world = World()
    world.interrupts.waiting = True
    world.pass_time(6)
    with pytest.raises(Interrupted, match="stood still"):
        world.pass_time(1)


def test_a_client_of_whom_something_comes_now_and_then() -> None:
    world = World()
    world.interrupts.waiting = True
    for _ in range(100):
        world.pass_time(4)
        world.pass_time(1, moves=1)
    assert not world.interrupts.pending


@pytest.mark.parametrize("is_shared", [False, True])
def test_what_takes_time_here_or_on_a_node(is_shared: bool) -> None:
    world = World()
    world.interrupts.waiting = world.interrupts.is_shared = is_shared
    world.pass_time(1000)
    assert not world.interrupts.pending


def test_a_wait_elsewhere_is_woken() -> None:
    world = World()
    woken: list[bool] = []
    world.interrupts.wake = lambda: woken.append(world.interrupts.pending)
    world.pass_time(7)
    assert woken == [True]
    assert "stood still" in str(world.interrupts.error())
