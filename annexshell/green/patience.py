"""How long the peer of a network server may keep us waiting, and the waiting itself."""

from __future__ import annotations

import sys
import time
from fcntl import ioctl
from termios import TIOCOUTQ

from gevent import get_hub
from gevent.timeout import Timeout

from annexshell.errors import PeerGone, Stalled, StreamBusy
from annexshell.green.turns import give_way

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from annexshell.stream.pace import Pace

READ, WRITE = 1, 2  # events of libev
_SHORTEST = 0.5  # seconds between two looks at a peer that is slow


class Patience:
    """Waits for the peer of one connected socket, of which `fd` is the descriptor.

    `limit` is how many seconds the connection may stand still while we wait for it, None for ever; `deadline` in
    monotonic seconds, after which nothing is waited for any more; and `pace` how slow it may be.
    """

    __slots__ = ("_fd", "_hub", "_reading", "_writing", "deadline", "limit", "pace")

    def __init__(self, fd: int, limit: float | None) -> None:
        self.limit = limit
        self.deadline: float | None = None
        self.pace: Pace | None = None
        self._fd = fd
        self._hub = get_hub()
        self._reading: Any = self._hub.loop.io(fd, READ)
        self._writing: Any = None  # made when it is needed first: most connections never have to wait for it

    def take_turn(self) -> None:
        """To be called before each step of work for this peer: lets others run if it is time. Raises Stalled when the
        deadline has passed, which a peer who always sends something would never meet otherwise."""
        give_way()
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise Stalled("the connection takes too long")

    def moved(self, count: int) -> None:
        """So many bytes came, or went."""
        if self.pace is not None:
            self.pace.moved(count)

    def call_when_readable(self, function: Callable[..., object], args: tuple[object, ...]) -> None:
        """Has the hub call a function once, when something has come or the stream has ended."""
        _check_free(self._reading)
        self._reading.start(self._readable, function, args)

    def _readable(self, function: Callable[..., object], args: tuple[object, ...]) -> None:
        self._reading.stop()
        function(*args)

    def wait(self, event: int) -> None:
        """Waits until there is something to read, or room to write. Raises PeerGone, Stalled."""
        while True:
            if self._fd < 0:
                raise PeerGone("the connection was closed")
            queued = self._queued() if event == WRITE else 0
            began = time.monotonic()
            ready = self._becomes_ready(event, self._longest(began))
            now = time.monotonic()
            if self.pace is not None:
                self.pace.left -= now - began
            # The kernel says that there is room again when a good part of all that waits is gone, which from a slow
            # reader takes its time.
            taken = queued - self._queued() if event == WRITE else 0
            self.moved(taken)
            if self.pace is not None and self.pace.left <= 0:
                raise Stalled("the connection is too slow")
            if ready:
                return
            if taken <= 0 or (self.deadline is not None and now >= self.deadline):
                raise Stalled("the connection stands still")

    def _longest(self, now: float) -> float | None:
        """Seconds to wait at most."""
        limits = [] if self.limit is None else [self.limit]
        if self.deadline is not None:
            limits.append(max(0.0, self.deadline - now))
        if self.pace is not None:
            limits.append(max(_SHORTEST, self.pace.left))
        return min(limits, default=None)

    def _becomes_ready(self, event: int, limit: float | None) -> bool:
        watcher = self._watcher(event)
        _check_free(watcher)
        if limit is None:
            self._hub.wait(watcher)
            return True
        timeout = Timeout.start_new(limit)
        try:
            self._hub.wait(watcher)
        except Timeout as expired:
            if expired is not timeout:
                raise
            return False
        finally:
            timeout.close()
        return True

    def _queued(self) -> int:
        """Bytes that were written and that the peer has not got yet."""
        try:
            return int.from_bytes(ioctl(self._fd, TIOCOUTQ, bytes(4)), sys.byteorder)
        except (OSError, ValueError):  # it may have been closed meanwhile
            return 0

    def _watcher(self, event: int) -> Any:
        if event == READ:
            return self._reading
        if self._writing is None:
            self._writing = self._hub.loop.io(self._fd, WRITE)
        return self._writing

    def close(self) -> None:
        """The socket is about to be closed. May be called twice."""
        for watcher in (self._reading, self._writing):
            if watcher is not None:
                watcher.close()
        self._reading = self._writing = None
        self._fd = -1


def _check_free(watcher: Any) -> None:
    """Raises StreamBusy if somebody waits already, whom the hub would forget."""
    if watcher.active:
        raise StreamBusy("internal error, please report it: two at once are waiting for one connection")
