"""What a connection costs while nothing comes on it. The server runs in this process, without a repository."""

from __future__ import annotations

import gc
import socket
from collections.abc import Iterator
from typing import Any

import gevent
import greenlet
import pytest

from annexshell.green.tasks import Tasks
from annexshell.serve.http.access.trusted import TrustedProxies
from annexshell.serve.http.connections import Connections
from annexshell.serve.http.conversation import Conversations
from annexshell.serve.http.entrance import Entrance, Limits
from annexshell.serve.http.http1.exchange import Exchange
from annexshell.serve.http.http1.parsing import RequestParser
from annexshell.serve.http.httpd import Server
from annexshell.serve.http.reporting.witness import Witness
from annexshell.serve.http.shutdown import Shutdown
from tests.support.hub import until

gevent.sleep(0)  # the hub has file descriptors of its own

CLIENTS = 100
OBJECTS = 14  # that a connection may consist of; more than those that the garbage collector knows
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Running:
    """A server whose clients are at the other end of pairs of sockets."""

    def __init__(self, limits: Limits) -> None:
        tasks, witness = Tasks(), Witness()
        shutdown = Shutdown(tasks, limits.grace)
        conversations = Conversations(limits, TrustedProxies(), witness, shutdown, print)
        self.connections = Connections(conversations, limits, witness, shutdown, tasks, tasks, print)
        self.entrance = Entrance(answer, None, watched=True)
        self.server = Server(self.entrance, self.connections, Nothing(), witness, shutdown, tasks)  # type: ignore[arg-type]
        self.clients: list[socket.socket] = []

    def connect(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        self.clients.append(theirs)
        self.connections.add(ours, ("127.0.0.1", 1), self.entrance)
        return theirs

    def close(self) -> None:
        for client in self.clients:
            client.close()
        until(lambda: not self.connections and not self.connections._idle)


class Nothing:
    """No repositories."""

    def tend(self) -> None:
        pass

    def close(self) -> None:
        pass


def answer(exchange: Exchange) -> None:
    exchange.respond(200, b"hello")


@pytest.fixture
def server() -> Iterator[Running]:
    running = Running(Limits())
    yield running
    running.close()


def ask(client: socket.socket, data: bytes = REQUEST) -> bytes:
    client.send(data)
    return received(client)


def received(client: socket.socket) -> bytes:
    """What has come so far."""
    with gevent.Timeout(5):
        while True:
            try:
                return client.recv(65536)
            except BlockingIOError:
                gevent.sleep(0.001)


def count(kind: type[Any]) -> int:
    return sum(isinstance(thing, kind) for thing in gc.get_objects())


def test_an_idle_connection_has_neither_greenlet_nor_parser(server: Running) -> None:
    assert ask(server.connect()).endswith(b"hello")  # what all connections have in common
    clients = [server.connect() for _ in range(CLIENTS)]
    gc.collect()
    before = len(gc.get_objects())
    greenlets = count(greenlet.greenlet)
    for client in clients:
        assert ask(client).endswith(b"hello")
    gc.collect()
    assert count(greenlet.greenlet) <= greenlets + 2
    assert count(RequestParser) == 0
    assert len(gc.get_objects()) < before + 20, "a request leaves nothing behind"


def test_an_idle_connection_is_a_few_objects(server: Running) -> None:
    assert ask(server.connect()).endswith(b"hello")
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(CLIENTS):
        server.connect()
    gc.collect()
    assert len(gc.get_objects()) - before < OBJECTS * CLIENTS


def test_one_client_after_the_other_is_answered_by_the_same_greenlet(server: Running) -> None:
    greenlets = count(greenlet.greenlet)
    for _ in range(CLIENTS):
        assert ask(server.connect()).endswith(b"hello")
    gc.collect()
    assert count(greenlet.greenlet) <= greenlets + 2


def test_a_request_may_come_in_pieces_and_with_the_next_one(server: Running) -> None:
    client = server.connect()
    for piece in (REQUEST[:5], REQUEST[5:] + REQUEST[:7]):
        client.send(piece)
        gevent.sleep(0.01)
    assert received(client).count(b"hello") == 1
    assert ask(client, REQUEST[7:] + REQUEST).count(b"hello") == 2


def test_idle_connections_are_closed_the_longest_first(server: Running) -> None:
    old, new = server.connect(), server.connect()
    assert ask(new).endswith(b"hello")
    longest = next(iter(server.connections._idle))
    server.connections._idle[longest] -= 301.0
    server.connections.close_idle()
    assert received(old) == b""
    assert ask(new).endswith(b"hello")


def test_a_server_with_too_many_clients_is_well() -> None:
    """They must not have its watchdog restart it."""
    server = Running(Limits(connections=2))
    clients = [server.connect() for _ in range(3)]
    assert received(clients[2]) == b"", "there is no room for it"
    with gevent.Timeout(5):
        assert server.server.probe(b"")
    assert ask(clients[0]).endswith(b"hello")
    server.close()


def test_a_client_that_leaves_is_forgotten(server: Running) -> None:
    server.connect().close()
    until(lambda: not server.connections and not server.connections._idle)
