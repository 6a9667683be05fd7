"""Checking passwords for many clients at once."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator

import gevent
import pytest
from gevent.event import Event

from annexshell.errors import TooManyLogins
from annexshell.green.tasks import Tasks
from annexshell.serve.http.access import logins as module
from annexshell.serve.http.access.htpasswd import Passwords
from annexshell.serve.http.access.logins import Logins, Throttle

Tasks().offload(lambda: None)  # the hub and its threads have file descriptors of their own


class World:
    """Logins whose hash of a password is the password reversed. `checks` are those that were made, `waits` the seconds
    that failures were kept waiting."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hashes = {b"ann": b"nna", b"bob": b"bob"}
        self.checks: list[bytes] = []
        self.waits: list[float] = []
        self.may_check = threading.Event()
        self.may_check.set()
        self.may_answer = Event()
        self.may_answer.set()
        monkeypatch.setattr(module, "matches_hash", self.matches)
        self.tasks = Tasks(None, 1)
        self.logins = Logins(
            Passwords({b"env": b"env"}, lambda: self.hashes), self.tasks, Throttle(self.tasks, self.wait)
        )

    def matches(self, password: bytes, hashed: bytes) -> bool:
        self.checks.append(password)
        self.may_check.wait(30)
        return password == hashed[::-1]

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.may_answer.wait(30)

    def check(self, user: str, password: str, address: str = "192.0.2.1") -> bool:
        return self.logins.check(user.encode(), password.encode(), address)

    def until_late(self, count: int) -> None:
        """Until so many failures are being answered late, and no more."""
        while len(self.waits) < count:
            gevent.sleep(0)
        assert len(self.waits) == count

    def spawn(self, user: str, password: str, address: str = "192.0.2.1") -> gevent.Greenlet[[], bool]:
        greenlet = gevent.spawn(lambda: self.check(user, password, address))
        gevent.sleep(0)  # it begins
        return greenlet


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World(monkeypatch)
    yield made
    made.tasks._pool.kill()


def test_who_may_log_in(world: World) -> None:
    assert world.check("ann", "ann")
    assert world.check("env", "env")
    assert world.checks == [b"ann"]
    assert not world.check("ann", "bob")
    assert not world.check("eve", "ann")
    assert not world.check("eve", "bob")  # one of these is the password of whom it is checked against
    assert not world.check("env", "ann")
    assert len(world.checks) == 5  # it takes as long for all


def test_a_sandbox_that_forbids_to_leave_others_the_processor(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("os.setpriority", refuse)
    assert world.check("ann", "ann")
    assert not world.check("ann", "bob")


def test_what_is_known_is_not_checked_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        assert world.check("ann", "ann")
        assert not world.check("ann", "wrong")
    assert world.checks == [b"ann", b"wrong"]
    assert len(world.waits) == 1
    monkeypatch.setattr(module, "_REMEMBERED", -1.0)
    assert world.check("ann", "ann")
    assert len(world.checks) == 3


def test_a_new_password_counts_at_once(world: World) -> None:
    assert world.check("ann", "ann")
    assert not world.check("ann", "new")
    world.hashes = {b"ann": b"wen"}
    assert not world.check("ann", "ann")
    assert world.check("ann", "new")
    world.hashes = {b"bob": b"wen"}
    assert not world.check("ann", "new")


def test_a_login_of_many_connections_is_checked_once(world: World) -> None:
    world.may_check.clear()
    same = [world.spawn("ann", "ann") for _ in range(20)]
    gevent.sleep(0)  # nobody else is kept waiting by that
    assert not any(greenlet.ready() for greenlet in same)
    world.may_check.set()
    assert all(greenlet.get(timeout=30) for greenlet in same)
    assert len(world.checks) == 1


def test_failures_are_answered_later_and_later(world: World) -> None:
    for number in range(8):
        assert not world.check("ann", f"guess{number}")
    assert world.waits == [0.25, 0.5, 1, 2, 4, 8, 8, 8]
    world.waits.clear()
    assert not world.check("bob", "guess", "192.0.2.1")  # an address that has failed
    assert not world.check("ann", "guess", "198.51.100.1")  # a user who is guessed at
    assert world.waits == [8, 8]
    assert not world.check("bob", "another", "198.51.100.2")
    assert world.waits[2] == 0.5
    assert world.check("ann", "ann")
    assert len(world.waits) == 3


def test_failures_are_forgotten(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FORGOTTEN", -1.0)
    for number in range(3):
        assert not world.check("ann", f"guess{number}")
    assert world.waits == [0.25] * 3


def test_one_address_has_few_attempts_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_QUEUE_EACH", 2)
    world.may_answer.clear()
    assert world.check("ann", "ann", "2001:db8::1")
    guesses = [world.spawn("env", f"guess{number}", f"2001:db8::{number}") for number in range(6)]
    world.until_late(4)
    with pytest.raises(TooManyLogins):
        world.check("bob", "bob", "2001:db8::ffff")  # the same network
    assert world.check("ann", "ann", "2001:db8::1")  # is known
    assert world.check("bob", "bob", "2001:db8:0:1::1")
    unknown = [world.spawn("env", f"socket{number}", "") for number in range(6)]
    world.until_late(10)
    world.may_answer.set()
    assert not any(greenlet.get(timeout=30) for greenlet in [*guesses, *unknown])
    assert len(world.waits) == 12
    assert not world.check("env", "more", "2001:db8::1")
    assert not world.logins._throttle._lines


def test_nobody_waits_for_a_server_that_stops(world: World) -> None:
    logins = Logins(Passwords({b"env": b"env"}), world.tasks)
    late = [gevent.spawn(logins.check, b"env", b"guess%d" % number, "192.0.2.1") for number in range(20)]
    gevent.sleep(0)
    assert not gevent.joinall(late, timeout=0)
    logins.hurry()
    assert len(gevent.joinall(late, timeout=30)) == 20


def test_few_wait_for_the_processor(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHECKS", 3)
    world.may_check.clear()
    waiting = [world.spawn("ann", f"guess{number}", f"192.0.2.{number}") for number in range(3)]
    with pytest.raises(TooManyLogins):
        world.check("bob", "bob", "198.51.100.1")
    assert world.check("env", "env", "198.51.100.1")
    world.may_check.set()
    assert not any(greenlet.get(timeout=30) for greenlet in waiting)
    assert world.check("bob", "bob", "198.51.100.1")


def test_memory_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_MAX_REMEMBERED", "_MAX_FAILING"):
        monkeypatch.setattr(module, name, 10)
    for number in range(50):
        assert not world.check("env", f"guess{number}", f"192.0.2.{number}")
    assert len(world.logins._wrong._seen) == 10
    assert len(world.logins._throttle._failures) == 10
    assert not world.logins._throttle._lines


def test_too_many_who_wait_are_answered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LATE", 2)
    world.may_answer.clear()
    late = [world.spawn("env", f"guess{number}", f"192.0.2.{number}") for number in range(2)]
    world.until_late(2)
    assert not world.check("env", "more", "198.51.100.9")
    assert len(world.waits) == 2
    world.may_answer.set()
    assert not any(greenlet.get(timeout=30) for greenlet in late)
