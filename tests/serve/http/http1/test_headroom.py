"""Heads of requests that are unfinished, or large, have but so much room."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from annexshell.serve.http.http1.headroom import HeadRoom, Share
from annexshell.serve.http.http1.heads import Malformed
from tests.support.httpserver import Server
from tests.support.real import Repo


def refused(act: Callable[[int], None], size: int) -> bool:
    try:
        act(size)
    except Malformed as error:
        return error.status == 503
    return False


def test_small_heads_that_come_at_once_take_none() -> None:
    room = HeadRoom(unfinished=0, size=0)
    share = room.share("192.0.2.1")
    share.await_more(0)
    share.finish(4096)
    share.leave()


def test_one_client_has_a_part_of_it() -> None:
    room = HeadRoom(unfinished=8, size=400_000)
    shares = [room.share(f"2001:db8::{number}") for number in range(3)]
    shares[0].await_more(1)
    shares[1].await_more(100)
    assert refused(shares[2].await_more, 1), "they have one network"
    assert not refused(room.share("2001:db8:0:1::").await_more, 1)
    shares[0].await_more(90_000)
    assert refused(shares[0].await_more, 110_000)
    shares[0].leave()
    assert not refused(shares[2].await_more, 100_000)


def test_all_have_but_so_much_of_it() -> None:
    room = HeadRoom(unfinished=8, size=400_000)
    for number in range(4):
        for _ in range(2):
            room.share(f"192.0.2.{number}").await_more(48_000)
    assert refused(room.share("192.0.2.200").await_more, 1)
    assert refused(room.share("192.0.2.200").finish, 100_000)
    assert not refused(room.share("192.0.2.200").finish, 50_000)


def test_clients_behind_a_proxy_are_not_taken_for_one() -> None:
    room = HeadRoom(unfinished=8, size=400_000)
    for _ in range(8):
        room.share("").await_more(10)
    assert refused(room.share("").await_more, 10)


def test_nothing_is_remembered_of_those_who_left() -> None:
    room = HeadRoom()
    share: Share = room.share("192.0.2.1")
    for size in (5, 50_000, 100_000):
        share.await_more(size)
    share.finish(120_000)
    share.leave()
    assert room._clients == {}
    assert room._taken == [0, 0]


def test_a_server_keeps_its_memory_from_unfinished_heads(repo: Repo, start: Callable[..., Server]) -> None:
    """Those that are refused are told, and the others are answered still."""
    server = start(repo.path, "--wideopen", "--cpus=1")
    head = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 60_000
    with ExitStack() as stack:
        clients = [stack.enter_context(server.raw()) for _ in range(100)]
        for client in clients:
            client.send(head)
        with server.raw() as other:
            other.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert other.answer().status == 200
        answers = []
        for client in clients:
            client.send(b"\r\n\r\n")
            answers.append(client.answer())
    assert {answer.status for answer in answers} == {200, 503}
    assert all(answer.headers.get("connection") == "close" for answer in answers if answer.status == 503)
