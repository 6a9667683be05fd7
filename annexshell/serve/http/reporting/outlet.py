"""Where lines go that nobody may have to wait for: a log, or standard error. Whoever reads a pipe may have stopped, and
a worker that waited for that would answer nobody any more.
"""

from __future__ import annotations

import os
import select
import socket
import stat

ATOMIC = 4096  # bytes that a pipe takes at once or not at all


class Outlet:
    """Writes to a file descriptor. Where it is `shared` with other programs, how those write stays as it is. Raises
    OSError if it is closed."""

    def __init__(self, fd: int, shared: bool = True) -> None:
        self._fd = fd
        self._shared_fd = fd if shared else -1
        self._socket: socket.socket | None = None
        self._is_torn = False  # whether the last line lacks its end
        mode = os.fstat(fd).st_mode
        if stat.S_ISSOCK(mode):
            self._socket = socket.socket(fileno=os.dup(fd))
        elif not shared:
            os.set_blocking(fd, False)
        elif stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
            self._fd = _opened_anew(fd)
        self._may_wait = self._fd == self._shared_fd and not stat.S_ISREG(mode)

    def write(self, line: bytes) -> bool:
        """Writes a line, its end included, unless that would have to wait; whether it did."""
        text = b"\n" + line if self._is_torn else line
        try:
            count = self._send(text)
        except OSError:
            return False
        self._is_torn = count < len(text)
        return not self._is_torn

    def _send(self, text: bytes) -> int:
        if self._socket is not None:
            return self._socket.send(text, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        if self._may_wait and not _has_room(self._fd):
            raise BlockingIOError
        return os.write(self._fd, text)

    def close(self) -> None:
        """The end of its use. What is shared stays open."""
        if self._socket is not None:
            self._socket.close()
        elif self._fd != self._shared_fd:
            os.close(self._fd)


def _opened_anew(fd: int) -> int:
    """A file descriptor for the same pipe or terminal that never waits, which is a property that those have in common
    who share one; the same one where there is none to be had."""
    try:
        return os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return fd


def _has_room(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(0))
