"""A participant of a cluster: how removals that are limited in time reach nodes whose clocks differ."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from annexshell.errors import NodeError, TooLate
from annexshell.model.key import Key, parse_key
from annexshell.model.remote import LOCAL, SSH, Remote
from annexshell.repo.gateway.member import Member
from annexshell.repo.local.repository import LocalRepository

KEY = parse_key(b"WORM--key")
SECONDS = st.floats(0, 10_000, allow_nan=False).map(lambda number: round(number, 2))
DELAYS = st.floats(0, 30, allow_nan=False).map(lambda number: round(number, 2))


class World:
    """The true time, in seconds, and whoever reads it from a clock."""

    def __init__(self) -> None:
        self.now = 0.0


class Node:
    """Tells and obeys a clock that is `ahead` of the true time, and takes a while for each answer."""

    def __init__(self, world: World, ahead: float, delay: float = 0.0) -> None:
        self._world = world
        self._ahead = ahead
        self._delay = delay
        self.removed_at: float | None = None
        self.told: list[int | None] = []
        self.asked = 0

    def _clock(self) -> int:
        return math.floor(self._world.now + self._ahead)

    def timestamp(self) -> int:
        self.asked += 1
        self._world.now += self._delay / 2
        answer = self._clock()
        self._world.now += self._delay / 2
        return answer

    def remove(self, _key: Key, before: int | None) -> list[bytes]:
        self.told.append(before)
        self._world.now += self._delay / 2
        if before is not None and self._clock() >= before:
            raise TooLate("too late")
        self.removed_at = self._world.now
        return []


class Threads:
    """Nothing happens at the same time here."""

    def __init__(self) -> None:
        self.started = 0

    def offload(self, function: Callable[[], Any], _limit: float | None = None) -> Any:
        self.started += 1
        return function()


class OwnDisk(LocalRepository):
    """A repository on this machine. `answers` are what is known without the disk, None where nothing is."""

    def __init__(self, *answers: bool | None) -> None:
        self._answers = list(answers)
        self.allowed = 0
        self.objects: Any = self

    def allow_glances(self) -> None:
        self.allowed += 1

    def glance(self, _key: Key) -> bool:
        answer = self._answers.pop(0)
        if answer is None:
            raise BlockingIOError
        return answer

    def present(self, _key: Key) -> bool:
        return True

    def get(self, _key: Key, offset: int, file: bytes) -> Any:
        return (offset, file)


def member_of(world: World, node: Node | OwnDisk, kind: str = SSH, threads: Threads | None = None) -> Member:
    tasks: Any = threads or Threads()
    silence: Any = None
    remote = Remote("node", b"u", kind, b"ssh://host/path", {})
    repository: Any = node
    return Member(
        remote,
        200.0,
        lambda: repository,
        list,
        tasks,
        silence,
        lambda: math.floor(world.now),
        lambda _error, _name: None,
    )


@settings(max_examples=1000)
@given(ahead=SECONDS, start=SECONDS, delay=DELAYS, others=DELAYS, left=st.integers(0, 600), late=DELAYS)
def test_no_removal_after_the_time_of_the_lock(
    ahead: float, start: float, delay: float, others: float, left: int, late: float
) -> None:
    world = World()
    world.now = start
    node = Node(world, ahead, delay)
    member = member_of(world, node)
    assert member.compare_clocks() is None
    world.now += others  # until all nodes have answered
    told = math.floor(world.now)  # the gateway's TIMESTAMP, and the client has it not before now
    end = world.now + left
    world.now = max(world.now, end - 2 + late / 8)
    member.remove(KEY, told + left)
    assert node.removed_at is None or node.removed_at <= end


@given(ahead=SECONDS, start=SECONDS, left=st.integers(3, 600))
def test_a_removal_in_good_time(ahead: float, start: float, left: int) -> None:
    world = World()
    world.now = start
    node = Node(world, ahead)
    member = member_of(world, node)
    assert member.compare_clocks() is None
    assert member.remove(KEY, math.floor(world.now) + left) == []


def test_a_clock_is_asked_for_when_nobody_has_done_so() -> None:
    world = World()
    node = Node(world, 1000)
    member = member_of(world, node)
    assert member.remove(KEY, 60) == []
    assert node.asked == 1
    assert node.told == [1059]
    assert member.remove(KEY, 61) == []
    assert node.asked == 1, "the answer still counts"


def test_a_removal_without_a_limit_needs_no_clock() -> None:
    node = Node(World(), 1000)
    assert member_of(World(), node).remove(KEY, None) == []
    assert (node.asked, node.told) == (0, [None])


def test_a_node_on_this_machine_has_our_clock() -> None:
    world = World()
    node = Node(world, 0)
    member = member_of(world, node, LOCAL)
    assert member.compare_clocks() is None
    assert member.remove(KEY, 60) == []
    assert (node.asked, node.told) == (0, [60])


def test_two_gateways_shorten_the_time_and_never_lengthen_it() -> None:
    world = World()
    world.now = 5.9
    node = Node(world, 94.1)
    inner = member_of(world, node)

    class Inner(Node):
        def remove(self, key: Key, before: int | None) -> list[bytes]:
            answer = inner.remove(key, before)
            if isinstance(answer, TooLate):
                raise answer
            assert isinstance(answer, list)
            return answer

    outer = member_of(world, Inner(world, 0.3))
    assert inner.compare_clocks() is None
    assert outer.compare_clocks() is None
    world.now = 6.0
    end = world.now + 10
    while world.now < end + 5:
        answer = outer.remove(KEY, 6 + 10)
        assert (answer == []) <= (world.now < end)
        world.now += 0.1


def test_a_node_that_does_not_tell_the_time_removes_nothing() -> None:
    node = Node(World(), 0)

    def broken() -> int:
        raise NodeError("node", "no clock")

    vars(node)["timestamp"] = broken
    assert isinstance(member_of(World(), node).remove(KEY, 60), NodeError)
    assert node.told == []


def test_a_disk_is_waited_for_in_a_thread() -> None:
    node, threads = OwnDisk(False, None, True), Threads()
    member = member_of(World(), node, LOCAL, threads)
    assert member.present(KEY) is True
    assert (threads.started, node.allowed) == (1, 1), "it had to be opened"
    assert member.present(KEY) is False
    assert threads.started == 1, "that is known without the disk"
    assert member.present(KEY) is True
    assert threads.started == 2
    assert member.present(KEY) is True
    assert (threads.started, node.allowed) == (2, 1)


def test_a_small_object_is_opened_in_a_thread_if_the_disk_has_to_be_asked() -> None:
    key, large = parse_key(b"WORM-s65536--key"), parse_key(b"WORM-s65537--key")
    node, threads = OwnDisk(True, False, None), Threads()
    member = member_of(World(), node, LOCAL, threads)
    started = []
    for wanted in (key, key, key, key, large, KEY):  # not open yet; here; gone; unknown; and two that may be large
        answer: object = member.get(wanted, 7, b"file")
        assert answer == (7, b"file")
        started.append(threads.started)
    assert started == [1, 1, 2, 3, 4, 5]
