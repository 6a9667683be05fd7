"""One source into several branches at once, through a ring of buffers that all of them share.

The source is read into the next free buffer of the ring; each branch takes the buffers in turn, at its own pace, in its
own greenlet. A buffer is free again when the last branch has taken it. So memory is bounded, and a slow branch holds
the others up only when it is a whole ring behind; if it does not move then, it is dropped. A hasher is one more branch.
"""

from __future__ import annotations

import time
from functools import partial

from annexshell.errors import AnnexshellError, NodeError
from annexshell.stream.blocking import widen_pipe
from annexshell.stream.port import Sink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Protocol

    from annexshell.stream.port import Buffer, Source

    class FanOutNews(Protocol):
        def tell(self) -> None: ...

        def wait(self, seconds: float | None = None) -> bool: ...

    class FanOutTasks(Protocol):
        """What is needed to do several things at once; see green.tasks."""

        def spawn(self, function: Callable[[], None]) -> Any: ...

        def news(self) -> FanOutNews: ...


BUFFER = 512 * 1024  # bytes
DEPTH = 8  # buffers


PATIENCE = (1, 60.0)  # the least that a branch may move while it holds up the others: bytes, and in how many seconds


class FanOutBranch:
    """One of those that the bytes go to: `take` is called with each piece of them, in order, but for the first `skip`
    bytes.

    `failure` tells why it was dropped, if it was.
    """

    def __init__(
        self, name: str, take: Callable[[Buffer], None], skip: int = 0, pace: tuple[int, float] = PATIENCE
    ) -> None:
        self.name = name
        self.failure: AnnexshellError | None = None
        self._take = take
        self._skip = skip
        self._pace = pace
        self.turn = 0  # pieces taken
        self._taken = 0  # bytes
        self._since = 0.0  # when the present period of its pace began, monotonic seconds, and
        self._mark = 0  # how many bytes it had taken then

    def take(self, piece: memoryview) -> None:
        if self._skip:
            skipped = min(self._skip, len(piece))
            self._skip -= skipped
            piece = piece[skipped:]
        if piece:
            self._take(piece)
        self._taken += len(piece)
        self.turn += 1

    def start_period(self) -> None:
        """It has nothing to do before now."""
        self._since = time.monotonic()
        self._mark = self._taken

    def time_left(self) -> float:
        """Seconds until it has to have moved as its pace demands; begins the next period if it has."""
        least, seconds = self._pace
        if self._taken - self._mark >= least:
            self.start_period()
        return self._since + seconds - time.monotonic()

    def stalled(self) -> NodeError:
        return NodeError(self.name, f"it took too little data for {self._pace[1]:.0f} seconds")


class FanOut(Sink):
    """A Sink that gives all that it takes to several branches. `dropped` is called for each branch that fails, and has
    to end it; the others go on. `close` it when everything has come, or is not wanted any more."""

    def __init__(
        self, branches: Sequence[FanOutBranch], tasks: FanOutTasks, dropped: Callable[[FanOutBranch], None]
    ) -> None:
        self._live = list(branches)
        self._tasks = tasks
        self._dropped = dropped
        self._news = tasks.news()
        self._ring = [memoryview(bytearray(BUFFER)) for _ in range(DEPTH)]
        self._filled = [0] * DEPTH
        self._turn = 0  # pieces published
        self._ended = False
        self._workers: dict[FanOutBranch, Any] = {}

    def write(self, data: Buffer) -> None:
        """Takes all of `data`, which the branches may get later: `settle` waits for them."""
        self._start()
        rest = memoryview(data)
        while rest:
            piece = rest[:BUFFER]
            self._free_buffer()[: len(piece)] = piece
            place = self._turn % DEPTH
            self._filled[place] = len(piece)
            self._publish(place)
            rest = rest[len(piece) :]

    def splice_from(self, source: Source, count: int) -> int:
        """Takes all of the next `count` bytes, unless the source ends first, and waits until the branches have them,
        also when the source breaks. When all branches have failed the rest is read all the same, so that the source can
        be used on."""
        self._start()
        widen_pipe(source.in_fd)
        try:
            return self._read(source, count)
        finally:
            self.settle()

    def _start(self) -> None:
        if not self._workers:
            for branch in self._live:
                branch.start_period()
                self._workers[branch] = self._tasks.spawn(partial(self._work, branch))

    def settle(self) -> None:
        """Waits until all branches have what has come, and drops those that do not take it."""
        while behind := [branch for branch in self._live if branch.turn < self._turn]:
            self._wait(behind)

    def close(self) -> None:
        """Nothing more comes: waits until the branches have everything, and ends. May be called twice."""
        self.settle()
        self._ended = True
        self._news.tell()

    def _read(self, source: Source, length: int) -> int:
        got = 0
        more = 1
        while got < length and more:
            buffer = self._free_buffer()[: length - got]
            place = self._turn % DEPTH
            self._filled[place] = 0
            try:
                more = self._fill(source, buffer, place)
            finally:
                got += self._filled[place]
                self._publish(place)
        return got

    def _fill(self, source: Source, buffer: memoryview, place: int) -> int:
        """Reads until the buffer is full, or there is something for branches that have nothing else to do. Returns what
        the last read brought: nothing at the end of the source."""
        more = 1
        while more and self._filled[place] < len(buffer):
            more = source.read_into(buffer[self._filled[place] :])
            self._filled[place] += more
            if all(branch.turn == self._turn for branch in self._live):
                break
        return more

    def _publish(self, place: int) -> None:
        if self._filled[place]:
            idle = [branch for branch in self._live if branch.turn == self._turn]
            self._turn += 1
            for branch in idle:
                branch.start_period()
            self._news.tell()

    def _free_buffer(self) -> memoryview:
        """The next buffer of the ring, when all branches are done with it."""
        while laggards := [branch for branch in self._live if self._turn - branch.turn >= DEPTH]:
            self._wait(laggards)
        return self._ring[self._turn % DEPTH]

    def _wait(self, laggards: list[FanOutBranch]) -> None:
        """Waits for news from branches that hold everybody up, and drops those that have none in time."""
        left = min(branch.time_left() for branch in laggards)
        if left > 0:
            self._news.wait(left)
            return
        for branch in laggards:
            if branch.time_left() <= 0:
                # A thread may still be reading what it was given: nobody else gets that buffer.
                self._ring[branch.turn % DEPTH] = memoryview(bytearray(BUFFER))
                self._workers[branch].kill(block=False)
                self._drop(branch, branch.stalled())

    def _work(self, branch: FanOutBranch) -> None:
        """Has one branch take what is published until all is."""
        while branch in self._live:
            if branch.turn < self._turn:
                place = branch.turn % DEPTH
                try:
                    branch.take(self._ring[place][: self._filled[place]])
                except AnnexshellError as error:
                    self._drop(branch, error)
                self._news.tell()
            elif self._ended:
                return
            else:
                self._news.wait()

    def _drop(self, branch: FanOutBranch, error: AnnexshellError) -> None:
        if branch in self._live:
            self._live.remove(branch)
            branch.failure = error
            self._dropped(branch)
