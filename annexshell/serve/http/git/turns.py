"""Turns for git's programs, each of which takes a processor and memory of its own: few run at once, and others wait,
one of each client after the other.

A program that waits for its client takes nothing but memory. It gives up its turn after a moment, so that slow clients
keep nobody else waiting; how many there may be at all has a limit of its own.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque

from annexshell.errors import TooBusy
from annexshell.model.address import network_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.green.tasks import Tasks

_LOOK = 0.5  # seconds between two looks of those who wait
_MOMENT = 1.0  # seconds for which a program may wait for its client and keep its turn
_PATIENCE = 600.0  # seconds to wait for a turn
_QUEUE = 256  # requests that wait
_SHARE = 4  # which part of that one client may have
_ALIVE = 32  # times as many programs may be there as have a turn


class Turn:
    """The right of one program to run. `waits_since` is when it began to wait for its client, in monotonic seconds,
    None while it does not."""

    __slots__ = ("_turns", "counts", "waits_since")

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self.counts = True  # whether it keeps others waiting
        self.waits_since: float | None = None

    def end(self) -> None:
        """The program has ended."""
        self._turns.end(self)


class _Waiting:
    """A request in the queue. `turn` is what it has got."""

    __slots__ = ("turn",)

    def __init__(self) -> None:
        self.turn: Turn | None = None


class Turns:
    """Those of one process: `most` programs have one at once."""

    def __init__(self, tasks: Tasks, most: int, queue: int = _QUEUE) -> None:
        self._most = most
        self._queue = queue
        self._waiting: OrderedDict[str, deque[_Waiting]] = OrderedDict()  # by client, the next one first
        self._alive: set[Turn] = set()
        self._changed = tasks.news()

    def take(self, address: str, check: Callable[[], object]) -> Turn:
        """A turn for a client, which `check` may find gone meanwhile. Raises TooBusy, and whatever `check` does."""
        if self._has_room() and not self._waiting:
            return self._give()
        client = network_of(address) if address else ""
        own = self._waiting.get(client, ())
        if sum(map(len, self._waiting.values())) >= self._queue or (client and len(own) >= self._queue // _SHARE):
            raise TooBusy("too many requests for git at the moment; try again later")
        waiting = _Waiting()
        self._waiting.setdefault(client, deque()).append(waiting)
        try:
            self._wait(waiting, check)
        except BaseException:
            self._forget(client, waiting)
            raise
        assert waiting.turn is not None
        return waiting.turn

    def _wait(self, waiting: _Waiting, check: Callable[[], object]) -> None:
        end = time.monotonic() + _PATIENCE
        while waiting.turn is None:
            self._changed.wait(_LOOK)
            self._release_idle()
            self._serve()
            if waiting.turn is None:
                check()
                if time.monotonic() > end:
                    raise TooBusy("too many requests for git at the moment; try again later")

    def _forget(self, client: str, waiting: _Waiting) -> None:
        if waiting.turn is not None:
            waiting.turn.end()
            return
        queue = self._waiting[client]
        queue.remove(waiting)
        if not queue:
            del self._waiting[client]

    def _has_room(self) -> bool:
        running = sum(turn.counts for turn in self._alive)
        return running < self._most and len(self._alive) < _ALIVE * self._most

    def _give(self) -> Turn:
        turn = Turn(self)
        self._alive.add(turn)
        return turn

    def _release_idle(self) -> None:
        latest = time.monotonic() - _MOMENT
        for turn in self._alive:
            if turn.waits_since is not None and turn.waits_since < latest:
                turn.counts = False  # for good: how much it can do is up to its client

    def _serve(self) -> None:
        """Gives turns to those who wait, one client after the other."""
        while self._waiting and self._has_room():
            client, queue = self._waiting.popitem(last=False)
            queue.popleft().turn = self._give()
            if queue:
                self._waiting[client] = queue

    def end(self, turn: Turn) -> None:
        self._alive.discard(turn)
        self._serve()
        self._changed.tell()
