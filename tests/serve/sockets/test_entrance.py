"""Who has not said yet who they are: what they are told, and when they have to go."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Iterator

import pytest

from annexshell.errors import PeerError
from annexshell.model.access import READ_WRITE
from annexshell.serve.sockets.entrance import Stranger
from annexshell.serve.sockets.tokens import Grant

GRANT = Grant(READ_WRITE, b"", "")

Talk = Callable[[bytes], tuple[bytes, object]]


class Entrance:
    """A stranger, and the client's end of the connection."""

    def __init__(self) -> None:
        self.client, ours = socket.socketpair()
        ours.setblocking(False)
        self.client.settimeout(5)
        self.stranger = Stranger(ours, {b"right": GRANT}.get)

    def say(self, *pieces: bytes) -> Grant | None:
        """What comes of pieces that arrive one after the other."""
        grant = None
        for piece in pieces:
            self.client.sendall(piece)
            grant = self.stranger.hear()
            while grant is None and select.select([self.stranger.connection], [], [], 0)[0]:
                grant = self.stranger.hear()
        return grant

    def close(self) -> None:
        self.client.close()
        self.stranger.connection.close()


@pytest.fixture
def entrance() -> Iterator[Entrance]:
    entrance = Entrance()
    yield entrance
    entrance.close()


def test_the_right_token(entrance: Entrance) -> None:
    """What is behind the line is for the session."""
    assert entrance.say(b"AUTH me right\nVERSION 1\n") is GRANT
    assert (entrance.stranger.client, entrance.stranger.token) == (b"me", b"right")
    assert entrance.stranger.connection.recv(100) == b"VERSION 1\n"


def test_a_line_in_pieces(entrance: Entrance) -> None:
    pieces = [bytes([byte]) for byte in b"AUTH me right\r\n"]
    assert entrance.say(*pieces) is GRANT


def test_a_client_without_a_uuid(entrance: Entrance) -> None:
    assert entrance.say(b"AUTH  right\n") is GRANT
    assert entrance.stranger.client == b""


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"AUTH me wrong\n", b"AUTH-FAILURE\n"),
        (b"AUTH me \n", b"AUTH-FAILURE\n"),
        (b"AUTH me not-a-token\n", b"ERROR unknown command\n"),
        (b"AUTH\n", b"AUTH-FAILURE\n"),
        (b"VERSION 4\n", b"ERROR unexpected command\n"),
        (b"CONNECT git-upload-pack\n", b"ERROR unexpected command\n"),
        (b"CONNECT git-upload-archive\n", b"ERROR unknown command\n"),
        (b"GET 0  SHA256E-s1--aa\n", b"ERROR unexpected command\n"),
        (b"\n", b"ERROR unknown command\n"),
        (b"\x00\xff\n", b"ERROR unknown command\n"),
    ],
)
def test_anything_else_is_answered_and_no_harm(entrance: Entrance, line: bytes, answer: bytes) -> None:
    assert entrance.say(line) is None
    assert entrance.client.recv(100) == answer
    assert entrance.say(b"AUTH me right\n") is GRANT


def test_not_for_ever(entrance: Entrance) -> None:
    with pytest.raises(PeerError, match="did not say who it is"):
        entrance.say(*[b"AUTH me wrong\n"] * 8)


def test_many_lines_at_once(entrance: Entrance) -> None:
    """The ninth is not looked at, even if it is right."""
    with pytest.raises(PeerError, match="did not say who it is"):
        entrance.say(b"AUTH me wrong\n" * 8 + b"AUTH me right\n")


@pytest.mark.parametrize("pieces", [[b"A" * 5000], [b"A" * 3000] * 2, [b"AUTH " + b"u" * 4100 + b" right\n"]])
def test_a_line_without_an_end(entrance: Entrance, pieces: list[bytes]) -> None:
    with pytest.raises(PeerError, match="without an end"):
        entrance.say(*pieces)


def test_a_client_that_goes(entrance: Entrance) -> None:
    entrance.client.sendall(b"AUTH me ri")
    assert entrance.stranger.hear() is None
    entrance.client.shutdown(socket.SHUT_WR)
    with pytest.raises(PeerError, match="has gone"):
        entrance.stranger.hear()


def test_a_client_that_gives_up(entrance: Entrance) -> None:
    with pytest.raises(PeerError, match="gave up"):
        entrance.say(b"ERROR I don't know you\n")


def test_a_client_that_does_not_listen(entrance: Entrance) -> None:
    """Nobody waits until it does."""
    try:
        while True:
            entrance.stranger.connection.send(b"x" * 4096)
    except BlockingIOError:
        pass
    with pytest.raises((PeerError, OSError)):
        entrance.say(b"VERSION 4\n")
