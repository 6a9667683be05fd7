"""The byte port: what a protocol session needs of a connection, and who waits for it.

A `Stream` hands out lines and payload. Payload is reached in two ways: as bytes that were read ahead together with a
line (`buffered`), and as a file descriptor for the kernel to move (`in_fd`, `out_fd`). Only the relay uses the latter,
through `reading` and `writing`, which wait as the stream waits.

A `Waiter` is what a stream calls when its file descriptor isn't ready: plain blocking for a session on one repository,
greenlets for gateways and HTTP.
"""

from __future__ import annotations

from annexshell.errors import LineTooLong

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


class Stream:
    """A connection in both directions. Implementations: blocking.FdStream and memory.MemoryStream.

    All calls raise PeerGone when the other side is gone, and Interrupted when a signal ended the wait.
    """

    shares = False  # whether others go on while this one waits: what takes a while is then left to `work`
    in_fd: int  # -1 where there is no file descriptor: the relay then copies with `read_into` and `write`
    out_fd: int

    def read_line(self) -> bytes | None:
        """The next line without its newline (a CR before it is dropped), or None at the end of the stream.

        Raises LineTooLong at MAX_LINE bytes; an incomplete last line counts as the end.
        """
        raise NotImplementedError

    def buffered(self, limit: int) -> bytes:
        """Up to `limit` bytes that were read ahead already; never waits, may be empty."""
        raise NotImplementedError

    def read_into(self, buffer: memoryview) -> int:
        """Reads at least one byte into `buffer`, read-ahead first. Returns the count, 0 at the end of the stream."""
        raise NotImplementedError

    def read_ready(self, buffer: memoryview) -> int | None:
        """The same without waiting: None if nothing has come. Needed only of a stream that `shares`; may be called by
        what it is given as `work`."""
        raise NotImplementedError

    def write(self, data: Buffer) -> None:
        """Writes all of `data`."""
        raise NotImplementedError

    def reading(self, syscall: Callable[..., Any], *args: Any) -> Any:
        """The result of one system call that takes bytes from `in_fd`, made again until it does not have to wait."""
        raise NotImplementedError

    def writing(self, syscall: Callable[..., Any], *args: Any) -> Any:
        """The result of one system call that puts bytes into `out_fd`, made again until it does not have to wait."""
        raise NotImplementedError

    def wait_readable(self) -> None:
        """Waits until `in_fd` has something, or has ended."""
        raise NotImplementedError

    def wait_writable(self) -> None:
        """Waits until `out_fd` takes something, or is broken."""
        raise NotImplementedError

    def pause(self, seconds: float) -> None:
        """Waits for a time. Raises PeerGone as soon as the other side can no longer read. Only streams of clients need
        this."""
        raise NotImplementedError

    def work(self, function: Callable[[], Result]) -> Result:
        """The result of a function that keeps a disk or a processor busy for a while."""
        return function()

    def close(self) -> None:
        """Closes both directions; may be called twice."""
        raise NotImplementedError


class LineBuffer:
    """Splits what is read into lines and keeps the rest; shared by the implementations of Stream."""

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

    def line(self, read: Callable[[], bytes]) -> bytes | None:
        """See Stream.read_line; `read` returns the next piece, empty at the end."""
        ahead = self._ahead
        searched = 0
        while (end := ahead.find(b"\n", searched)) < 0:
            searched = len(ahead)
            if searched >= MAX_LINE:
                raise _too_long()
            data = read()
            if not data:
                return None
            ahead += data
        if end >= MAX_LINE:
            raise _too_long()
        line = bytes(ahead[:end])
        del ahead[: end + 1]
        return line[:-1] if line.endswith(b"\r") else line

    def take(self, limit: int) -> bytes:
        """See Stream.buffered."""
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
