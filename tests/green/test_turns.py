"""Whoever always has something to do gives way to others."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator

import gevent
import pytest

from annexshell.errors import Stalled
from annexshell.green import turns
from annexshell.green.sockets import SocketStream
from annexshell.green.waiter import GeventWaiter
from annexshell.serve.http.http1.body import EventReader
from annexshell.serve.http.http1.exchange import Exchange
from annexshell.serve.http.http1.heads import Head
from annexshell.serve.http.http1.sender import Sender
from annexshell.stream.blocking import FdStream

gevent.sleep(0)  # the hub has file descriptors of its own


class Others:
    """Somebody else, who counts how often there was a chance to run."""

    def __init__(self) -> None:
        self.turns = 0
        self._greenlet = gevent.spawn(self._run)
        gevent.sleep(0)
        self.turns = 0

    def _run(self) -> None:
        while True:
            self.turns += 1
            gevent.sleep(0)

    def end(self) -> None:
        self._greenlet.kill()


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> Iterator[Others]:
    monkeypatch.setattr(turns, "_LONGEST", -1.0)  # each step is one too many
    found = Others()
    yield found
    found.end()


@pytest.fixture
def feed() -> Iterator[Callable[[bytes], SocketStream]]:
    """Makes a stream on which all of some bytes have come."""
    theirs, ours = socket.socketpair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    stream = SocketStream(ours, 60.0, lambda function: function())

    def give(data: bytes) -> SocketStream:
        theirs.sendall(data)
        return stream

    yield give
    stream.close()
    theirs.close()


def body(stream: SocketStream, length: int | None) -> Exchange:
    source = EventReader(stream)
    lengths = b"Transfer-Encoding: chunked" if length is None else b"Content-Length: %d" % length
    source.parser.feed(b"POST / HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n" % lengths)
    event = source.next()
    assert isinstance(event, Head)
    return Exchange(source, event, Sender("", False))


def test_reading_what_has_come_already(feed: Callable[[bytes], SocketStream], others: Others) -> None:
    stream = feed(b"x" * 100)
    for _ in range(100):
        stream.read(1)
    assert others.turns >= 100


def test_lines_that_have_come_already(feed: Callable[[bytes], SocketStream], others: Others) -> None:
    lines = body(feed(b"\n" * 1000), 1000).body
    for _ in range(1000):
        assert lines.read_line() == b""
    assert others.turns >= 1000


def test_chunks_that_have_come_already(feed: Callable[[bytes], SocketStream], others: Others) -> None:
    content = body(feed(b"1;x=y\r\nz\r\n" * 1000 + b"0\r\n\r\n"), None).body
    while content.read_into(memoryview(bytearray(65536))):
        pass
    assert others.turns >= 1000


def test_lines_of_a_node(others: Others) -> None:
    read, write = os.pipe()
    os.write(write, b"\n" * 1000)
    stream = FdStream(read, write, GeventWaiter(60.0))
    for _ in range(1000):
        stream.read_line()
    stream.close()
    assert others.turns >= 1000


def test_a_thread_gives_way_to_nobody(others: Others) -> None:
    thread = threading.Thread(target=turns.give_way)
    thread.start()
    thread.join()
    assert others.turns == 0


def test_a_peer_that_always_sends_meets_its_deadline(feed: Callable[[bytes], SocketStream], others: Others) -> None:
    stream = feed(b"\r\n" * 1000)
    stream.patience.deadline = 0.0
    with pytest.raises(Stalled):
        stream.read(1)


@pytest.mark.parametrize("size", [1, 3])
def test_lines_come_in_pieces_of_any_size(feed: Callable[[bytes], SocketStream], size: int) -> None:
    text = b"one\r\ntwo\n\nthree"
    chunks = b"".join(
        b"%x\r\n%b\r\n" % (len(text[i : i + size]), text[i : i + size]) for i in range(0, len(text), size)
    )
    lines = body(feed(chunks + b"0\r\n\r\n"), None).body
    assert [lines.read_line() for _ in range(4)] == [b"one", b"two", b"", None]
    assert lines.buffered(10) == b"three"
