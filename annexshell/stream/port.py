"""The byte port: what lines and payload come from, what they go to, and who waits for it.

A `Source` and a `Sink` are the two directions; a connection, `Stream`, is both. Payload moves from a Source to a Sink
by `Sink.splice_from`, and from a file by `Sink.send_file`: the Sink knows the cheapest way, and has the kernel do it
where nobody needs to see the bytes. Both move what they can at once; the loops around them are in the relay.

A `Waiter` is what a stream calls when its file descriptor isn't ready: plain blocking for a session on one repository,
greenlets for gateways and HTTP.
"""

from __future__ import annotations

import os

from annexshell.errors import AnnexshellError, LineTooLong, StreamBusy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol, TypeVar

    Buffer = bytes | bytearray | memoryview
    Resolver = Callable[..., list[Any]]  # as socket.getaddrinfo
    Result = TypeVar("Result")

    class Waiter(Protocol):
        """Waits until a file descriptor is ready. Raises Stalled when `limit` seconds pass first."""

        limit: float

        def within(self, seconds: float) -> Waiter: ...

        def readable(self, fd: int) -> None: ...

        def writable(self, fd: int) -> None: ...

        def pause(self, seconds: float) -> None: ...

        def take_turn(self) -> None:
            """Lets others run, if the caller has not had to wait for long."""


class Waiting:
    """The ways to wait for another host: `answer` waits for what it sends and takes, `connect` for a connection and the
    first answer on it. `resolve`, if given, looks up names in place of a thread that `connect` waits for."""

    __slots__ = ("answer", "connect", "resolve")

    def __init__(self, answer: Waiter, connect: Waiter, resolve: Resolver | None = None) -> None:
        self.answer = answer
        self.connect = connect
        self.resolve = resolve


MAX_LINE = 32768  # bytes; a line that reaches it without a newline ends the connection (Utility/SimpleProtocol.hs)
CHUNK = 1 << 20  # bytes that move at once at most, and the size of a buffer that they are copied through
_PIECE = 65536  # bytes that are read at once in search of a line
_SPARE = 4  # buffers that are kept: further transfers at the same time have one made for each step
_spare_buffers: list[memoryview] = []


class SinkFailed(Exception):
    """A Sink could not take what it was given. `cause` says why, and `taken` bytes of the Source are gone."""

    def __init__(self, cause: AnnexshellError, taken: int) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.taken = taken


class Source:
    """Where lines and payload come from, one after the other.

    What is read in search of a line and lies behind it is kept, and comes first whichever method is called next. All
    calls that wait raise PeerGone when the other side is gone, Stalled (a PeerGone) when it keeps silent for too long,
    Interrupted when a signal ended the wait, and StreamBusy while somebody else waits in one of them. The end of the
    stream is no error: it is found again by each call.

    Implementations provide `_read_into`, and the rest where they can do better.
    """

    in_fd = -1  # the descriptor that payload can be spliced out of, by way of `splice_out`; -1 if there is none
    shares = False  # whether others go on while this one waits: what takes a while is then left to `work`

    def __init__(self) -> None:
        self._lines = LineBuffer()
        self._reader = ConflictDetector("reading from")

    def _read_into(self, buffer: memoryview) -> int:
        """See `read_into`; nothing was read ahead, and nobody else reads."""
        raise NotImplementedError

    def _read(self, limit: int) -> bytes:
        """See `read`, as above."""
        buffer = bytearray(limit)
        return bytes(memoryview(buffer)[: self._read_into(memoryview(buffer))])

    def read_line(self) -> bytes | None:
        """The next line without its newline (a CR before it is dropped), waited for; None at the end of the stream.

        Raises LineTooLong at MAX_LINE bytes. A last line without a newline is no line: it counts as the end, and can
        still be had as payload.
        """
        with self._reader:
            return self._lines.line(self._read)

    def buffered(self, limit: int) -> bytes:
        """Up to `limit` bytes that were read ahead already; never waits, may be empty."""
        return self._lines.take(limit)

    def read(self, limit: int) -> bytes:
        """Waits for payload, and returns at least one byte of it and at most `limit`; empty at the end of the
        stream."""
        with self._reader:
            return self._lines.take(limit) or self._read(limit)

    def read_into(self, buffer: memoryview) -> int:
        """The same into a buffer, which must not be empty. Returns the count, 0 at the end of the stream."""
        with self._reader:
            return self._lines.fill(buffer) or self._read_into(buffer)

    def read_ready(self, buffer: memoryview) -> int | None:
        """The same without waiting: None if nothing has come. Needed only of a Source that `shares`; may be called by
        what it is given as `work`."""
        raise NotImplementedError

    def wait_readable(self) -> None:
        """Waits until something has come, or the stream has ended. Needed only of a Source that `shares`, or has a
        descriptor."""
        with self._reader:
            if not self._lines:
                self._wait_readable()

    def _wait_readable(self) -> None:
        """See `wait_readable`, as above."""
        raise NotImplementedError

    def is_pipe(self) -> bool:
        """Whether `in_fd` is a pipe, from which the kernel can move payload to any descriptor."""
        return False

    def splice_out(self, splice: Callable[[int], int]) -> int:
        """What a function returns that moves payload out of `in_fd`, called with that as soon as something has come or
        the stream has ended. Nobody else can read meanwhile. What was read ahead has to be taken first."""
        raise NotImplementedError

    def work(self, function: Callable[[], Result]) -> Result:
        """The result of a function that keeps a disk or a processor busy for a while."""
        return function()


class Sink:
    """Where bytes go. They are written in the order of the calls; nothing is kept back for later but by a Sink that
    says so.

    All calls wait until there is room. They raise PeerGone when the other side is gone, Stalled (a PeerGone) when it
    takes nothing for too long, Interrupted when a signal ended the wait, and StreamBusy while somebody else waits in
    one of them. A Sink that stores raises DiskError, and one of a node NodeError. What is at fault in `send_file` and
    `splice_from`, the Sink or what it takes from, can be told apart.
    """

    def write(self, data: Buffer) -> None:
        """Takes all of `data`, which may be changed afterwards."""
        raise NotImplementedError

    def send_file(self, fd: int, offset: int, count: int) -> int:
        """Takes some of the `count` bytes at `offset` of a file, at least one, and returns how many; 0 if the file ends
        there. The file's own position is left alone. Raises OSError when the file can't be read."""
        data = os.pread(fd, min(count, CHUNK), offset)
        self.write(data)
        return len(data)

    def splice_from(self, source: Source, count: int) -> int:
        """Takes some of the next `count` bytes of a Source, at least one, and returns how many; 0 if the Source has
        ended. Waits for the Source first. Raises what the Source raises, and SinkFailed when the Sink itself is at
        fault."""
        if not self._can_splice(source):
            return self._copy_from(source, count)
        ahead = source.buffered(count)
        if ahead:
            return self._take(ahead)
        # The source has something for certain before the sink is tried, so that only the sink can make it wait.
        return source.splice_out(lambda fd: self._splice(fd, min(count, CHUNK)))

    def _can_splice(self, source: Source) -> bool:  # noqa: ARG002
        """Whether the kernel can move payload from the Source to here by way of `_splice`."""
        return False

    def _splice(self, fd: int, count: int) -> int:
        """See `splice_from`; `fd` has something, or has ended."""
        raise NotImplementedError

    def _copy_from(self, source: Source, count: int) -> int:
        try:
            buffer = _spare_buffers.pop()
        except IndexError:
            buffer = memoryview(bytearray(CHUNK))
        try:
            return self._take(buffer[: source.read_into(buffer[:count])])
        finally:
            if len(_spare_buffers) < _SPARE:
                _spare_buffers.append(buffer)

    def _take(self, data: Buffer) -> int:
        try:
            self.write(data)
        except AnnexshellError as error:
            raise SinkFailed(error, len(data)) from error
        return len(data)


class Stream(Source, Sink):
    """A connection: both directions, which may be used at the same time, each of them by one at a time."""

    def pause(self, seconds: float) -> None:
        """Waits for a time. Raises PeerGone as soon as the other side can no longer read. Only streams of clients need
        this."""
        raise NotImplementedError

    def close(self) -> None:
        """Closes both directions; may be called twice."""
        raise NotImplementedError


class ConflictDetector:
    """Notices when two use one direction of a stream at once, of whom each would get a part of what comes, or wait for
    ever: that is a mistake in this program, and the second one is told so. `doing` is what they do, for the error."""

    __slots__ = ("_doing", "_is_used")

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._is_used = False

    def __enter__(self) -> None:
        if self._is_used:
            raise StreamBusy(f"internal error, please report it: two at once are {self._doing} one connection")
        self._is_used = True

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._is_used = False


class LineBuffer:
    """Splits what is read into lines and keeps the rest."""

    __slots__ = ("_ahead",)

    def __init__(self) -> None:
        self._ahead = bytearray()

    def __len__(self) -> int:
        return len(self._ahead)

    def add(self, data: bytes) -> None:
        """Appends what was read."""
        self._ahead += data

    def clear(self) -> None:
        self._ahead.clear()

    def line(self, read: Callable[[int], bytes]) -> bytes | None:
        """See Source.read_line; `read` returns the next piece up to a limit, empty at the end."""
        ahead = self._ahead
        searched = 0
        while (end := ahead.find(b"\n", searched)) < 0:
            searched = len(ahead)
            if searched >= MAX_LINE:
                raise _too_long()
            data = read(_PIECE)
            if not data:
                return None
            ahead += data
        if end >= MAX_LINE:
            raise _too_long()
        line = bytes(ahead[:end])
        del ahead[: end + 1]
        return line[:-1] if line.endswith(b"\r") else line

    def take(self, limit: int) -> bytes:
        """See Source.buffered."""
        if not self._ahead:
            return b""
        data = bytes(self._ahead[:limit])
        del self._ahead[:limit]
        return data

    def fill(self, buffer: memoryview) -> int:
        """Moves what was read ahead into a buffer; returns the count."""
        data = self.take(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _too_long() -> LineTooLong:
    return LineTooLong(f"protocol error: a line of over {MAX_LINE} bytes")
