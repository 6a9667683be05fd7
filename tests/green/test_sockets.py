"""Sockets as streams: how slow a peer may be."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from annexshell.errors import Stalled
from annexshell.green.sockets import SocketStream, tls_context
from annexshell.stream.pace import Pace
from tests.support.certificates import make_certificate

gevent.sleep(0)  # the hub has file descriptors of its own

Pair = tuple[SocketStream, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    stream = SocketStream(ours, 60.0, lambda function: function())
    yield stream, theirs
    stream.close()
    theirs.close()


def look_around() -> None:
    """Lets the hub see what is ready."""
    for _ in range(3):
        gevent.sleep(0.001)


def test_each_byte_buys_time_but_nobody_saves_it() -> None:
    pace = Pace(rate=100, patience=10)
    pace.left = 1.0
    pace.moved(200)
    assert pace.left == 3.0
    pace.moved(1_000_000)
    assert pace.left == 10.0


def test_a_sender_that_is_too_slow_is_cut_off(pair: Pair) -> None:
    stream, peer = pair
    stream.patience.pace = Pace(rate=1000, patience=0.6)

    def dribble() -> None:
        while True:
            peer.send(b"x")
            gevent.sleep(0.05)

    sender = gevent.spawn(dribble)
    began = time.monotonic()
    with pytest.raises(Stalled):
        _take_everything(stream)
    sender.kill()
    assert time.monotonic() - began < 10


def test_time_that_we_take_ourselves_does_not_count(pair: Pair) -> None:
    stream, peer = pair
    stream.patience.pace = Pace(rate=1, patience=0.1)
    peer.send(b"x")
    stream.read(1)
    gevent.sleep(0.3)
    assert stream.patience.pace.left > 0
    peer.send(b"x")
    assert stream.read(1) == b"x"


def test_a_slow_reader_is_waited_for_as_long_as_it_reads(pair: Pair) -> None:
    stream, peer = pair
    peer.setblocking(False)
    stream.patience.limit = 0.5  # in which it takes less than the kernel needs to say that there is room
    data = bytes(4_000_000)
    size = 0

    def read_slowly() -> None:
        nonlocal size
        while size < len(data):
            try:
                size += len(peer.recv(16384 if size < 200_000 else 1 << 20))
            except BlockingIOError:
                pass
            gevent.sleep(0.1 if size < 200_000 else 0.001)

    reader = gevent.spawn(read_slowly)
    stream.write(data)
    reader.join()
    assert size == len(data)


def test_a_reader_that_stops_is_not(pair: Pair) -> None:
    stream, _ = pair
    stream.patience.pace = Pace(rate=1_000_000_000, patience=0.6)
    with pytest.raises(Stalled):
        stream.write(bytes(40_000_000))


def _take_everything(stream: SocketStream) -> None:
    while stream.read(100):
        pass


def test_what_waits_for_something_to_come_is_called_once(pair: Pair) -> None:
    stream, peer = pair
    calls: list[int] = []
    stream.when_readable(calls.append, 1)
    look_around()
    assert not calls
    peer.send(b"xy")
    look_around()
    assert calls == [1]
    assert stream.read(1) == b"x"
    stream.when_readable(calls.append, 2)
    look_around()
    assert calls == [1, 2], "there is something left"


def test_nobody_is_called_for_what_was_closed(pair: Pair) -> None:
    stream, peer = pair
    calls: list[int] = []
    stream.when_readable(calls.append, 1)
    peer.send(b"x")
    stream.close()
    look_around()
    assert not calls


def test_the_end_is_something_too(pair: Pair) -> None:
    stream, _ = pair
    calls: list[int] = []
    stream.when_readable(calls.append, 1)
    stream.interrupt()
    look_around()
    assert calls == [1]
    assert stream.read(1) == b""


def test_who_is_interrupted_never_reads_what_is_encrypted(pair: Pair, tmp_path: Path) -> None:
    stream, peer = pair
    certificate, key = make_certificate(tmp_path)
    context = ssl.create_default_context(cafile=certificate)
    client = gevent.get_hub().threadpool.spawn(context.wrap_socket, peer, server_hostname="localhost")
    stream.start_tls(tls_context(str(certificate), str(key), []))
    theirs = client.get()
    assert theirs is not None
    with theirs:
        theirs.send(b"secret")
        stream.wait_readable()
        stream.interrupt()
        buffer = memoryview(bytearray(100))
        assert stream.read_ready(buffer) == 6
        assert bytes(buffer[:6]) == b"secret"
