"""Where uploads to a cluster go, as the git config of the gateway has it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from annexshell.annexlog.reservations import Reservation
from annexshell.model.key import parse_key
from annexshell.repo.gateway.gateway import Gateway
from annexshell.repo.gateway.placing import Placing
from annexshell.repo.gateway.preferredcontent import PreferredContent
from annexshell.repo.local.opening import open_parts
from tests.support.real import Repo

A, B, C = NODES = [b"%d0000000-0000-4000-8000-000000000000" % i for i in range(1, 4)]


class Place:
    """A gateway whose nodes are A, B and C, all in the group g and with the same wish. Nothing is really stored."""

    def __init__(self, repo: Repo, wanted: str, maximum: int | None = None, **settings: str) -> None:
        for name, value in settings.items():
            repo.git("config", f"annexshell.{name}", value)
        self.parts = open_parts(os.fsencode(repo.path), dict(os.environb), print)
        for node in NODES:
            self.note(b"group.log", b"%b g timestamp=5s" % node)
            self.note(b"preferred-content.log", b"%b %b timestamp=5s" % (node, wanted.encode()))
            if maximum is not None:
                self.note(b"maxsize.log", b"5s %b %d" % (node, maximum))
        self.wishes = PreferredContent(self.parts, dict)
        self.count = 0

    def note(self, log: bytes, line: bytes) -> None:
        self.parts.journal.change(log, b"", lambda text: text + line + b"\n")

    def put(
        self, size: int, offload: Callable[[Callable[[], None]], None] = lambda function: function()
    ) -> tuple[list[bytes], Reservation]:
        self.count += 1
        key = parse_key(b"SHA256-s%d--%d" % (size, self.count))
        placing = Placing(self.parts, self.wishes, offload)
        return placing.choose(key, b"", set(), lambda wanting: wanting(NODES), lambda node: node)

    def stored(self, size: int) -> list[bytes]:
        """As `put`, and the content is there afterwards."""
        nodes, reservation = self.put(size)
        log = self.parts.annex.layout.location_log(parse_key(b"SHA256-s%d--%d" % (size, self.count)))
        self.parts.journal.set_locations(log, nodes, b"1")
        reservation.release()
        return nodes


@pytest.fixture()
def place(repo: Repo) -> Iterator[Callable[..., Place]]:
    made: list[Place] = []

    def make(*args: Any, **settings: Any) -> Place:
        made.append(Place(repo, *args, **settings))
        return made[-1]

    yield make
    for one in made:
        one.wishes.close()
        one.parts.git.close()


def test_each_is_asked_by_itself(place: Callable[..., Place]) -> None:
    assert place("not copies=g:1").stored(10) == NODES


def test_one_after_the_other(place: Callable[..., Place]) -> None:
    assert place("not copies=g:1", clusterOneByOne="true").stored(10) == [A]


def test_one_after_the_other_until_there_are_enough(place: Callable[..., Place]) -> None:
    assert place("not copies=g:2", clusterOneByOne="true").stored(10) == [A, B]


def test_filled_in_turn(place: Callable[..., Place]) -> None:
    here = place("anything", 100, clusterFillInTurn="other g")
    assert [here.stored(size) for size in (60, 60, 30, 40, 10, 70, 20, 90)] == [[A], [B], [B], [C], [C], [C], [A], [A]]


def test_whoever_has_space_again_waits_for_its_turn(place: Callable[..., Place]) -> None:
    here = place("anything", 100, clusterFillInTurn="g")
    assert here.stored(100) == [A]
    assert here.stored(10) == [B]
    here.note(b"maxsize.log", b"6s %b 1000" % A)
    assert here.stored(10) == [B]


@pytest.mark.parametrize("name", [b".new", b""])
def test_without_a_note_of_whose_turn_it_was(place: Callable[..., Place], name: bytes) -> None:
    here = place("anything", 100, clusterFillInTurn="g")
    notes = os.path.join(here.parts.paths.annex_dir, b"annexshell/filling" + name)
    os.makedirs(notes + b"/in the way")
    assert [here.stored(size) for size in (60, 60, 30)] == [[A], [B], [A]]


def test_groups_leave_others_alone(place: Callable[..., Place]) -> None:
    here = place("anything", 100, clusterFillInTurn="g")
    here.note(b"group.log", b"%b archive timestamp=6s" % C)
    assert here.stored(60) == [A, C]


def test_space_is_taken_until_the_upload_ends(place: Callable[..., Place]) -> None:
    here = place("anything", 100, clusterFillInTurn="g")
    (first, one), (second, two) = here.put(60), here.put(60)
    assert (first, second) == ([A], [B])
    assert here.wishes.sizes()[A] == 60
    one.release()
    two.release()


@pytest.mark.parametrize("before", [True, False])
def test_nothing_stays_reserved_for_one_who_gave_up(place: Callable[..., Place], before: bool) -> None:
    here = place("balanced=g")
    work: list[Callable[[], None]] = []

    def interrupted(function: Callable[[], None]) -> None:
        if before:
            function()
        work.append(function)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        here.put(10, interrupted)
    if not before:
        work[0]()
    assert here.wishes.reservations.sums() == {}


def test_what_takes_long_is_done_elsewhere_and_told(place: Callable[..., Place]) -> None:
    """So it is when the logs have to be read first."""
    here = place("not copies=g:1")
    told: list[str] = []
    here.parts.use.warn = told.append
    offloaded = 0

    def offload(function: Callable[[], None]) -> None:
        nonlocal offloaded
        offloaded += 1
        function()

    for expected in (1, 1):
        assert here.put(10, offload)[0] == NODES
        assert offloaded == expected
    here.note(
        b"preferred-content.log", b"%b %b timestamp=6s" % (A, b" or ".join(b"include=*.%03d" % n for n in range(1700)))
    )
    key = parse_key(b"SHA256-s1--1")
    placing = Placing(here.parts, here.wishes, offload)
    for expected in (2, 3):
        nodes, _ = placing.choose(key, b"x" * 4000, set(), lambda wanting: wanting(NODES), lambda node: node)
        assert nodes == [B, C]
        assert offloaded == expected
    assert told == [f"what {A.decode()} wants takes too long to evaluate; it gets nothing"] * 2


def test_rules_may_change_while_we_run(repo: Repo) -> None:
    gateway = Gateway(open_parts(os.fsencode(repo.path), dict(os.environb), print))
    wishes = PreferredContent(gateway.parts, gateway.configuration.trust_levels)
    placing = Placing(gateway.parts, wishes, lambda function: function())
    before = placing.fills_in_turn
    repo.git("config", "annexshell.clusterfillinturn", "g")
    gateway.configuration.now()  # as at the beginning of each upload
    assert (before, placing.fills_in_turn) == (False, True)
    placing.close()
    gateway.close()
