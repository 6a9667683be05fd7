"""The locks of clients: what becomes of them while their clients are connected, and when they meet others'."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

import gevent
import pytest

from annexshell.disk.clock import BILLION
from annexshell.errors import ContentLocked, TooManyLocks
from annexshell.green.tasks import Tasks
from annexshell.green.waiter import GeventWaiter, resolve
from annexshell.model.key import Key, parse_key
from annexshell.repo.local.leases import Holder, Lease
from annexshell.repo.local.opening import local_repository
from annexshell.repo.local.repository import LocalRepository
from annexshell.serve.http.repositories.served import ServedRepository
from annexshell.serve.http.repositories.settings import RepositoryLimits, ServerSettings
from annexshell.stream.port import Waiting
from tests.support.hub import until
from tests.support.real import Repo


@pytest.fixture(scope="module", autouse=True)
def hub() -> None:
    """What gevent opens once for all."""
    Tasks().offload(lambda: None)


@pytest.fixture
def key(repo: Repo) -> Key:
    return parse_key(repo.add("a file", b"hello\n").encode())


@pytest.fixture
def served(repo: Repo) -> Iterator[ServedRepository]:
    """A repository that is served, of which six contents may be locked, three by one client."""
    told: list[str] = []
    tasks, limits = Tasks(), RepositoryLimits(locked_files=6, client_locks=3)
    waiting = Waiting(GeventWaiter(10.0), GeventWaiter(10.0), resolve)
    served = ServedRepository(
        os.fsencode(repo.path),
        ServerSettings(dict(os.environb), told.append, tasks, tasks, Tasks, waiting, limits),
    )
    yield served
    served.close()
    assert told == []


def looking(served: ServedRepository) -> LocalRepository:
    return local_repository(served._pool.parts, b"")


def lock(served: ServedRepository, key: Key, client: str = "192.0.2.1") -> str:
    return served.locks.lock(key, Holder(b"client", client.encode(), b"user"), served.lend(served.uuid))


def is_locked(served: ServedRepository, key: Key) -> bool:
    lent = served.lend(served.uuid)
    try:
        lent.call(lambda: lent.repository.remove(key, 0))
    except ContentLocked:
        return True
    except Exception:
        return False  # its time is over, which is looked at last
    finally:
        lent.close()
    raise AssertionError("it was removed")


def lease(served: ServedRepository, lock_id: str) -> Lease:
    found = served.leases.find(lock_id)
    assert found is not None
    return found


def grow_old(served: ServedRepository, lock_id: str) -> None:
    old = lease(served, lock_id)
    served.leases.renew(
        lock_id, Lease(old.uuid, old.key, served.leases.clock.after(100 * BILLION), old.claim, old.holder)
    )


def test_the_lock_of_a_connected_client_is_renewed(served: ServedRepository, key: Key) -> None:
    lock_id = lock(served, key)
    claim = lease(served, lock_id).claim
    grow_old(served, lock_id)
    served.locks.tend()
    assert lease(served, lock_id).claim == claim, "its client is not connected"
    served.locks.keep(lock_id, served.uuid)
    served.locks.tend()
    until(lambda: served.leases.remaining(lease(served, lock_id)) > 500)
    assert lease(served, lock_id).claim > claim
    assert is_locked(served, key)
    served.locks.leave(lock_id)
    served.locks.release(lock_id)
    until(lambda: not is_locked(served, key))


def test_a_lock_that_ends_while_it_is_renewed(
    served: ServedRepository, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock_id = lock(served, key)
    grow_old(served, lock_id)
    claim_again = served.locks._claim_again

    def claim_and_release(lock_id: str, lease: Lease) -> int:
        claim = claim_again(lock_id, lease)
        served.locks.release(lock_id)
        assert is_locked(served, key), "the new claim is in force"
        return claim

    monkeypatch.setattr(served.locks, "_claim_again", claim_and_release)
    served.locks.keep(lock_id, served.uuid)
    served.locks._renew(lock_id, lease(served, lock_id))
    served.locks.leave(lock_id)
    assert served.leases.find(lock_id) is None
    assert not is_locked(served, key)


def test_a_lock_whose_renewal_cannot_be_noted(
    served: ServedRepository, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays as it is, and its client can end it: no claim is left that nobody knows."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    lock_id = lock(served, key)
    grow_old(served, lock_id)
    before = lease(served, lock_id)
    told: list[str] = []
    served.locks.keep(lock_id, served.uuid)
    with monkeypatch.context() as patch:
        patch.setattr(served.leases, "renew", full)
        patch.setattr(served.locks, "_warn", told.append)
        served.locks._renew(lock_id, before)
    assert "no space" in told[0]
    assert lease(served, lock_id).claim == before.claim
    assert is_locked(served, key)
    served.locks.leave(lock_id)
    served.locks.release(lock_id)
    assert not is_locked(served, key)


def test_it_is_renewed_once_at_a_time(served: ServedRepository, key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    lock_id = lock(served, key)
    grow_old(served, lock_id)
    begun: list[str] = []
    monkeypatch.setattr(served.locks, "_renew", lambda lock_id, _: begun.append(lock_id))
    served.locks.keep(lock_id, served.uuid)
    for _ in range(3):
        served.locks.tend()
    gevent.idle()
    assert begun == [lock_id]
    served.locks.leave(lock_id)


def test_so_many_locks_for_one_client_and_for_all(served: ServedRepository, key: Key) -> None:
    first = [lock(served, key, "192.0.2.1") for _ in range(3)]
    with pytest.raises(TooManyLocks):
        lock(served, key, "192.0.2.1")
    second = [lock(served, key, "192.0.2.2") for _ in range(3)]
    with pytest.raises(TooManyLocks):
        lock(served, key, "192.0.2.3")
    served.locks.release(second[0])
    third = lock(served, key, "192.0.2.3")
    for lock_id in (*first, *second, third):
        assert is_locked(served, key) or lock_id == second[0]
        served.locks.release(lock_id)
    assert not is_locked(served, key)


def test_those_that_ask_at_the_same_time_count_each_other(served: ServedRepository, key: Key) -> None:
    taken: list[str] = []

    def attempt() -> None:
        try:
            taken.append(lock(served, key))
        except TooManyLocks:
            pass

    gevent.joinall([gevent.spawn(attempt) for _ in range(20)], raise_error=True)
    assert len(taken) == 3
    for lock_id in taken:
        served.locks.release(lock_id)
    assert not is_locked(served, key), "a lock that was refused is still in force"


def test_the_claim_of_somebody_else_stays(served: ServedRepository, key: Key) -> None:
    """Of a client on ssh, say, that lost its connection."""
    lent = served.lend(served.uuid)
    lent.repository.lock(key).abandon()
    lent.close()
    lock_id = lock(served, key)
    served.locks.release(lock_id)
    assert is_locked(served, key)


def test_notes_are_forgotten_when_their_time_is_over(served: ServedRepository, key: Key) -> None:
    lock_id = lock(served, key)
    old = lease(served, lock_id)
    served.leases.renew(lock_id, Lease(old.uuid, old.key, served.leases.clock.after(-1), old.claim, old.holder))
    served.locks.tend()
    assert served.leases.find(lock_id) is None
    assert is_locked(served, key), "the retention, which the note is about, has a time of its own"


def test_locks_whose_time_is_over_are_not_counted(served: ServedRepository, key: Key) -> None:
    lock_id = lock(served, key)
    lock(served, key)
    assert served.leases.count() == 2
    old = lease(served, lock_id)
    served.leases.renew(lock_id, Lease(old.uuid, old.key, served.leases.clock.after(-1), old.claim, old.holder))
    assert served.leases.count() == 1


def is_held(served: ServedRepository, key: Key) -> bool:
    """Whether git-annex sees that the content is locked, time stamp or not."""
    return looking(served).is_locked(key)


def test_a_lock_keeps_git_annex_away(served: ServedRepository, key: Key) -> None:
    lock_id = lock(served, key)
    assert is_held(served, key)
    grow_old(served, lock_id)
    served.locks.keep(lock_id, served.uuid)
    served.locks.tend()
    until(lambda: served.leases.remaining(lease(served, lock_id)) > 500)
    assert is_held(served, key), "not any more after it was renewed"
    served.locks.leave(lock_id)
    served.locks.release(lock_id)
    assert not is_held(served, key)
    assert not is_locked(served, key)


def test_one_that_another_process_ends_is_let_go(served: ServedRepository, key: Key) -> None:
    other = ServedRepository(served.path, served._settings)
    lock_id = lock(served, key)
    other.locks.release(lock_id)
    assert not is_held(served, key), "the client may want to remove it as soon as that is acknowledged"
    assert not is_locked(other, key)
    assert not served.locks._lasting
    path = looking(other)._parts.contents.objects.find(key)
    assert path is not None
    until(lambda: os.listdir(os.path.dirname(path)) == [os.path.basename(path)])
    other.close()


def test_one_that_has_just_ended_is_not_taken_over(served: ServedRepository, key: Key) -> None:
    lock_id = lock(served, key)
    old = lease(served, lock_id)
    served.locks.release(lock_id)
    served.locks._hold_for(lock_id, old)
    assert not is_held(served, key)
    assert not is_locked(served, key)


def test_who_else_has_a_claim_is_not_waited_for(
    served: ServedRepository, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = ServedRepository(served.path, served._settings)
    lock_id, another = lock(served, key), lock(served, key)
    monkeypatch.setattr("annexshell.serve.http.repositories.locktable._LOOKS", 1_000_000)
    other.locks.release(lock_id)
    assert is_held(served, key)
    other.locks.release(another)
    assert not is_held(served, key)
    other.close()


def test_one_whose_process_has_ended_is_taken_over(served: ServedRepository, key: Key) -> None:
    other = ServedRepository(served.path, served._settings)
    lock_id = lock(other, key)
    claim = lease(served, lock_id).claim
    served.locks.tend()
    assert not served.locks._lasting, "it is held by a process that lives"
    other.close()
    assert not is_held(served, key)
    served.locks._took_over = 0.0
    served.locks.tend()
    assert is_held(served, key)
    assert lease(served, lock_id).claim == claim
    assert is_locked(served, key)
    served.locks.release(lock_id)
    assert not is_locked(served, key)


def test_one_that_others_see_no_more_is_taken_again(served: ServedRepository, key: Key) -> None:
    """Somebody deleted the lock file without asking."""
    lock(served, key)
    path = looking(served)._parts.contents.objects.find(key)
    assert path is not None
    os.chmod(os.path.dirname(path), 0o755)
    os.unlink(path + b".lck")
    assert not is_held(served, key)
    served.locks.tend()
    assert is_held(served, key)


@pytest.mark.parametrize("fields", [6, 8])
def test_notes_of_old_versions(served: ServedRepository, key: Key, fields: int) -> None:
    lock_id = lock(served, key)
    path = served.leases._path(lock_id)
    with open(path, "rb") as file:
        head, name = file.read().split(b"\n")
    with open(path, "wb") as file:
        file.write(b" ".join(head.split(b" ")[:fields]) + b"\n" + name)
    assert 590 < served.leases.remaining(lease(served, lock_id)) <= 600
    served.locks.release(lock_id)
    assert not is_locked(served, key)
