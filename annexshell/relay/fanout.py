"""One stream into several sinks at once, through a ring of buffers that all of them share.

The stream is read into the next free buffer of the ring; each sink takes the buffers in turn, at its own pace, in its
own greenlet. A buffer is free again when the last sink has taken it. So memory is bounded, and a slow sink holds the
others up only when it is a whole ring behind; if it does not move then, it is dropped. A hasher is one more sink.
"""

from __future__ import annotations

import os
import time
from functools import partial
from stat import S_ISFIFO

from annexshell.errors import AnnexshellError, NodeError
from annexshell.relay.copy import widen_pipe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Protocol

    from annexshell.stream.port import Buffer, Stream

    class FanOutNews(Protocol):
        def tell(self) -> None: ...

        def wait(self, seconds: float | None = None) -> bool: ...

    class FanOutTasks(Protocol):
        """What is needed to do several things at once; see green.tasks."""

        def spawn(self, function: Callable[[], None]) -> Any: ...

        def news(self) -> FanOutNews: ...


BUFFER = 512 * 1024  # bytes
DEPTH = 8  # buffers


PATIENCE = (1, 60.0)  # the least that a sink may move while it holds up the others: bytes, and in how many seconds


class Sink:
    """Where the bytes go: `take` is called with each piece of them, in order, but for the first `skip` bytes.

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


class FanOut:
    """One upload into several sinks. `dropped` is called for each sink that fails, and has to end it."""

    def __init__(self, sinks: Sequence[Sink], tasks: FanOutTasks, dropped: Callable[[Sink], None]) -> None:
        self._live = list(sinks)
        self._tasks = tasks
        self._dropped = dropped
        self._news = tasks.news()
        self._ring = [memoryview(bytearray(BUFFER)) for _ in range(DEPTH)]
        self._filled = [0] * DEPTH
        self._turn = 0  # pieces published
        self._ended = False
        self._workers: dict[Sink, Any] = {}

    def run(self, stream: Stream, length: int) -> int:
        """Moves `length` bytes; returns how many came. When all sinks have failed the rest is read all the same, so
        that the stream can be used on. What the stream raises is raised when the sinks have what came before."""
        if stream.in_fd >= 0 and S_ISFIFO(os.fstat(stream.in_fd).st_mode):
            widen_pipe(stream.in_fd)
        for sink in self._live:
            sink.start_period()
            self._workers[sink] = self._tasks.spawn(partial(self._work, sink))
        try:
            return self._read(stream, length)
        finally:
            self._ended = True
            self._news.tell()
            while any(sink.turn < self._turn for sink in self._live):
                self._wait([sink for sink in self._live if sink.turn < self._turn])

    def _read(self, stream: Stream, length: int) -> int:
        got = 0
        more = 1
        while got < length and more:
            buffer = self._free_buffer()[: length - got]
            place = self._turn % DEPTH
            self._filled[place] = 0
            try:
                more = self._fill(stream, buffer, place)
            finally:
                got += self._filled[place]
                self._publish(place)
        return got

    def _fill(self, stream: Stream, buffer: memoryview, place: int) -> int:
        """Reads until the buffer is full, or there is something for sinks that have nothing else to do. Returns what
        the last read brought: nothing at the end of the stream."""
        more = 1
        while more and self._filled[place] < len(buffer):
            more = stream.read_into(buffer[self._filled[place] :])
            self._filled[place] += more
            if all(sink.turn == self._turn for sink in self._live):
                break
        return more

    def _publish(self, place: int) -> None:
        if self._filled[place]:
            idle = [sink for sink in self._live if sink.turn == self._turn]
            self._turn += 1
            for sink in idle:
                sink.start_period()
            self._news.tell()

    def _free_buffer(self) -> memoryview:
        """The next buffer of the ring, when all sinks are done with it."""
        while laggards := [sink for sink in self._live if self._turn - sink.turn >= DEPTH]:
            self._wait(laggards)
        return self._ring[self._turn % DEPTH]

    def _wait(self, laggards: list[Sink]) -> None:
        """Waits for news from sinks that hold everybody up, and drops those that have none in time."""
        left = min(sink.time_left() for sink in laggards)
        if left > 0:
            self._news.wait(left)
            return
        for sink in laggards:
            if sink.time_left() <= 0:
                # A thread may still be reading what it was given: nobody else gets that buffer.
                self._ring[sink.turn % DEPTH] = memoryview(bytearray(BUFFER))
                self._workers[sink].kill(block=False)
                self._drop(sink, sink.stalled())

    def _work(self, sink: Sink) -> None:
        """Has one sink take what is published until all is."""
        while sink in self._live:
            if sink.turn < self._turn:
                place = sink.turn % DEPTH
                try:
                    sink.take(self._ring[place][: self._filled[place]])
                except AnnexshellError as error:
                    self._drop(sink, error)
                self._news.tell()
            elif self._ended:
                return
            else:
                self._news.wait()

    def _drop(self, sink: Sink, error: AnnexshellError) -> None:
        if sink in self._live:
            self._live.remove(sink)
            sink.failure = error
            self._dropped(sink)
