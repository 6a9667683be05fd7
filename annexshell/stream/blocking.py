"""A Stream over two file descriptors.

Without a waiter the descriptors are expected to block; with one they are non-blocking, and the waiter is asked whenever
they would block. Signals that end a session are honoured only while we wait for the peer, never in the middle of work
on disk: see `Interrupts`.
"""

from __future__ import annotations

import os
from errno import ECONNABORTED, ECONNRESET, ENOTCONN, EPIPE, ETIMEDOUT
from stat import S_ISFIFO, S_ISSOCK

from annexshell.errors import AnnexshellError, Interrupted, PeerGone
from annexshell.stream.port import CHUNK, ConflictDetector, SinkFailed, Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from annexshell.stream.port import Buffer, Source, Waiter

_GONE = (EPIPE, ECONNRESET, ECONNABORTED, ENOTCONN, ETIMEDOUT)


class Interrupts:
    """Turns a signal into an exception, but only at a moment when nothing can be left half done.

    `handle` is the signal handler. It raises at once while a stream waits for its peer; otherwise it notes the signal,
    and the next wait raises. A waiter that waits elsewhere than in a system call leaves in `wake` how to wake it.
    `steps` counts what has come and gone, and `tick` is what `alarm`, the handler of a timer, calls. `is_shared` says
    that others than the peer are waited for with it too.
    """

    __slots__ = ("is_shared", "pending", "reason", "steps", "tick", "waiting", "wake")

    def __init__(self) -> None:
        self.pending = False
        self.reason = "ended by a signal"
        self.waiting = False
        self.wake: Callable[[], object] | None = None
        self.steps = 0
        self.tick: Callable[[], object] | None = None
        self.is_shared = False

    @property
    def is_waiting(self) -> bool:
        """Whether it is certainly the peer who is waited for just now."""
        return not self.is_shared and (self.waiting or self.wake is not None)

    def handle(self, _signum: int, _frame: object) -> None:
        self.end(self.reason)

    def alarm(self, *_: object) -> None:
        if self.tick is not None:
            self.tick()

    def end(self, reason: str) -> None:
        """Ends the session, at once if it waits."""
        self.reason = reason
        self.pending = True
        if self.waiting:
            raise self.error()
        self.note()

    def error(self) -> Interrupted:
        """What ends the session."""
        return Interrupted(self.reason)

    def note(self) -> None:
        """In place of `handle`, where nothing may be raised."""
        self.pending = True
        if self.wake is not None:
            self.wake()


class FdStream(Stream):
    """A Stream that reads from one file descriptor and writes to another (or to the same: a socket)."""

    def __init__(
        self, in_fd: int, out_fd: int, waiter: Waiter | None = None, interrupts: Interrupts | None = None
    ) -> None:
        super().__init__()
        self.in_fd = in_fd
        self.out_fd = out_fd
        self.interrupts = interrupts or Interrupts()
        self._waiter = waiter
        self._writer = ConflictDetector("writing to")
        self._modes: dict[int, int] = {}

    def use(self, waiter: Waiter) -> None:
        """From now on, a waiter does the waiting."""
        if self._waiter is None:
            for fd in {self.in_fd, self.out_fd}:
                os.set_blocking(fd, False)
        self._waiter = waiter

    def read_line(self) -> bytes | None:
        self._take_turn()  # lines may be here already
        return super().read_line()

    def _take_turn(self) -> None:
        if self._waiter is not None:
            self._waiter.take_turn()

    def _read_into(self, buffer: memoryview) -> int:
        count: int = self._reading(os.readv, self.in_fd, [buffer])
        return count

    def _read(self, limit: int) -> bytes:
        try:
            data: bytes = self._reading(os.read, self.in_fd, limit)
        except OSError as error:
            raise PeerGone(f"the connection broke ({error.strerror})") from None
        return data

    def is_pipe(self) -> bool:
        return S_ISFIFO(self._mode(self.in_fd))

    def _mode(self, fd: int) -> int:
        """What kind of file a descriptor is of. It is looked up when the first payload is to be moved."""
        if fd not in self._modes:
            self._modes[fd] = mode = os.fstat(fd).st_mode if fd >= 0 else 0
            if S_ISFIFO(mode):
                widen_pipe(fd)
        return self._modes[fd]

    def splice_out(self, splice: Callable[[int], int]) -> int:
        with self._reader:
            self._wait_readable()
            return splice(self.in_fd)

    def write(self, data: Buffer) -> None:
        try:
            with self._writer:
                self._write(data)
        except OSError as error:
            raise PeerGone(f"the connection broke ({error.strerror})") from None

    def _write(self, data: Buffer) -> None:
        sent = self._writing(os.write, self.out_fd, data)
        if sent != len(data):
            rest = memoryview(data)
            while sent < len(rest):
                sent += self._writing(os.write, self.out_fd, rest[sent:])

    def send_file(self, fd: int, offset: int, count: int) -> int:
        mode = self._mode(self.out_fd)
        if not S_ISFIFO(mode) and not S_ISSOCK(mode):
            return super().send_file(fd, offset, count)
        count = min(count, CHUNK)
        with self._writer:
            sent: int = (
                self._writing(os.splice, fd, self.out_fd, count, offset)
                if S_ISFIFO(mode)
                else self._writing(os.sendfile, self.out_fd, fd, offset, count)
            )
        return sent

    def _can_splice(self, source: Source) -> bool:
        return source.in_fd >= 0 and (source.is_pipe() or S_ISFIFO(self._mode(self.out_fd)))

    def _splice(self, in_fd: int, count: int) -> int:
        flags = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK
        try:
            with self._writer:
                taken: int = self._writing(os.splice, in_fd, self.out_fd, count, None, None, flags)
        except AnnexshellError as error:
            cause = error.__context__
            if S_ISFIFO(self._mode(self.out_fd)) and isinstance(cause, OSError) and cause.errno != EPIPE:
                raise  # a pipe that is written to breaks in no other way: it was the source
            raise SinkFailed(error, 0) from error
        return taken

    def _reading(self, syscall: Callable[..., Any], *args: Any) -> Any:
        """The result of a system call that takes bytes from `in_fd`, made again until it does not have to wait."""
        self._take_turn()
        while True:
            try:
                return self._interruptible(syscall, args)
            except BlockingIOError:
                self._wait_readable()

    def _writing(self, syscall: Callable[..., Any], *args: Any) -> Any:
        """The same for one that puts bytes into `out_fd`."""
        self._take_turn()
        while True:
            try:
                return self._interruptible(syscall, args)
            except BlockingIOError:
                if self._waiter is not None:
                    self._waiter.writable(self.out_fd)
                else:
                    self._interruptible(_poll, (self.out_fd, 4))  # POLLOUT

    def _wait_readable(self) -> None:
        if self._waiter is not None:
            self._waiter.readable(self.in_fd)
        else:
            self._interruptible(_poll, (self.in_fd, 1))  # POLLIN

    def pause(self, seconds: float) -> None:
        if self._waiter is None:
            is_broken = self._interruptible(_poll, (self.out_fd, 0, seconds * 1000))
        else:
            is_broken = self._interruptible(_poll, (self.out_fd, 0, 0))
            self._waiter.pause(0 if is_broken else seconds)
        if is_broken:
            raise PeerGone("the client closed the connection in the middle of an operation")

    def _interruptible(self, syscall: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        interrupts = self.interrupts
        interrupts.waiting = True
        try:
            if interrupts.pending:
                raise interrupts.error()
            result = syscall(*args)
            interrupts.steps += 1
            return result
        except OSError as error:
            if error.errno in _GONE:
                raise PeerGone(f"the peer closed the connection ({error.strerror})") from None
            raise
        finally:
            interrupts.waiting = False

    def close(self) -> None:
        for fd in {self.in_fd, self.out_fd} - {-1}:
            os.close(fd)
        self.in_fd = self.out_fd = -1


def widen_pipe(fd: int) -> None:
    """Makes a pipe hold a whole chunk, so that fewer system calls move more. It does no harm if that is not allowed, or
    if the descriptor is of something else."""
    from fcntl import F_GETPIPE_SZ, F_SETPIPE_SZ, fcntl

    try:
        if fd >= 0 and fcntl(fd, F_GETPIPE_SZ) < CHUNK:
            fcntl(fd, F_SETPIPE_SZ, CHUNK)
    except OSError:
        pass


def _poll(fd: int, event: int, limit: float | None = None) -> bool:
    """Waits for an event or the end of a file descriptor, up to `limit` milliseconds; whether there was one."""
    from select import poll

    poller = poll()
    poller.register(fd, event)
    return bool(poller.poll(limit))
