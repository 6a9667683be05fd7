"""Connections of every kind, of which a test holds the other end."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable

from annexshell.stream.blocking import FdStream
from annexshell.stream.memory import MemoryStream
from annexshell.stream.port import Stream


class End:
    """The far end of a connection: `feed` sends from a thread of its own, and `drain` reads what comes."""

    def __init__(self, in_fd: int, out_fd: int, far_in: int, far_out: int) -> None:
        self.stream: Stream = FdStream(in_fd, out_fd)
        self._fds = {far_in, far_out} - {-1}
        self._far_in, self._far_out = far_in, far_out
        self._threads: list[threading.Thread] = []
        self.received = bytearray()

    def feed(self, data: bytes, piece: int = 1 << 16) -> None:
        """Sends data and closes; what is not wanted any more is dropped."""

        def work() -> None:
            try:
                for start in range(0, len(data), piece):
                    rest = memoryview(data)[start : start + piece]
                    while rest:
                        rest = rest[os.write(self._far_out, rest) :]
            except OSError:
                return
            self._end_writing()

        self._start(work)

    def drain(self) -> None:
        def work() -> None:
            while data := os.read(self._far_in, 1 << 16):
                self.received += data

        self._start(work)

    def _start(self, work: Callable[[], None]) -> None:
        self._threads.append(threading.Thread(target=work))
        self._threads[-1].start()

    def _end_writing(self) -> None:
        if self._far_in == self._far_out:
            with socket.socket(fileno=os.dup(self._far_out)) as far:
                far.shutdown(socket.SHUT_WR)
        else:
            self._close(self._far_out)

    def leave(self) -> None:
        """Closes without having read everything. Not while it sends."""
        for fd in list(self._fds):
            self._close(fd)

    def _close(self, fd: int) -> None:
        if fd in self._fds:
            self._fds.remove(fd)
            os.close(fd)

    def all(self) -> bytes:
        """Everything that we sent to it, which has come to an end."""
        self.stream.close()
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()
        return bytes(self.received)

    def close(self) -> None:
        self.all()
        self.leave()


class MemoryEnd(End):
    """Without a file descriptor."""

    def __init__(self) -> None:
        super().__init__(-1, -1, -1, -1)
        self.stream = self._memory = MemoryStream()

    def feed(self, data: bytes, piece: int = 1 << 16) -> None:
        self.stream = self._memory = MemoryStream(data, piece)

    def drain(self) -> None:
        pass

    def leave(self) -> None:
        self._memory._breaks_after = 0

    def all(self) -> bytes:
        return bytes(self._memory.outgoing)


def _pipes() -> End:
    in_fd, far_out = os.pipe()
    far_in, out_fd = os.pipe()
    return End(in_fd, out_fd, far_in, far_out)


def _socket() -> End:
    near, far = socket.socketpair()
    fd, far_fd = near.detach(), far.detach()
    return End(fd, fd, far_fd, far_fd)


KINDS: dict[str, Callable[[], End]] = {"pipe": _pipes, "socket": _socket, "memory": MemoryEnd}
