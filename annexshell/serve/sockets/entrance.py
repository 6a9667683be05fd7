"""Connections that have not said yet who they are. All that strangers can do is bounded: how many there are, how much
they say, and how long that may take.

Upstream: P2P/Protocol.hs serveAuth. Anything but AUTH is answered with an ERROR.
"""

from __future__ import annotations

import time

from annexshell.errors import PeerError, UnexpectedMessage
from annexshell.wire import grammar
from annexshell.wire.codec import encode, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from annexshell.serve.sockets.tokens import Grant

PATIENCE = 60.0  # seconds, in which a client of a slow network has let us know who it is
MOST = 128  # strangers at once; for one more the one that has waited longest has to go
_LONGEST = 4096  # bytes of a line
_MOST_LINES = 8  # in which the right token has to be


class Stranger:
    """A connection that does not block. `find` gives what a token allows, None for one that is none of ours."""

    def __init__(self, connection: socket.socket, find: Callable[[bytes], Grant | None]) -> None:
        self.connection = connection
        self.deadline = time.monotonic() + PATIENCE
        self.client = b""  # its uuid, as it says
        self.token = b""
        self._find = find
        self._line = bytearray()
        self._lines = 0

    def hear(self) -> Grant | None:
        """Call this when there is something to read: answers what has come. The grant once the token was right, in
        `client` and `token` what it said. Raises PeerError or OSError when the connection is to be closed."""
        while self._read_line():
            line, self._line = bytes(self._line[:-1]), bytearray()
            self._lines += 1
            grant = self._answer(line.removesuffix(b"\r"))
            if grant is not None:
                return grant
            if self._lines >= _MOST_LINES:
                raise PeerError("the client did not say who it is")
        return None

    def _read_line(self) -> bool:
        """Whether a line is complete now. What is behind it stays where the session will find it."""
        from socket import MSG_PEEK

        try:
            ahead = self.connection.recv(_LONGEST, MSG_PEEK)
            end = ahead.find(b"\n") + 1
            self._line += self.connection.recv(end or len(ahead))
        except BlockingIOError:
            return False
        if not ahead:
            raise PeerError("the client has gone")
        if len(self._line) > _LONGEST:
            raise PeerError("the client sent a line without an end")
        return bool(end)

    def _answer(self, line: bytes) -> Grant | None:
        try:
            message = parse(line)
            if message.word == b"ERROR":
                raise PeerError("the client gave up")
            if message.word != b"AUTH":
                raise UnexpectedMessage(grammar.UNEXPECTED)
        except PeerError as error:
            if error.wire is None:
                raise
            self._say(encode(b"ERROR", error.wire))
            return None
        self.client, self.token = message.args
        grant = self._find(self.token)
        if grant is None:
            self._say(encode(b"AUTH-FAILURE"))
        return grant

    def _say(self, line: bytes) -> None:
        if self.connection.send(line) != len(line):
            raise PeerError("the client does not read what it is told")
