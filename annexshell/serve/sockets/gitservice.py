"""What only sessions in P2P networks can do: lead to git, and tell of changes to refs (upstream: P2P/IO.hs runRelay,
Annex/ChangedRefs.hs).

The output of git is read to its end before CONNECTDONE says so: the original is sometimes quicker, and clients then
wait for ever for what is missing.
"""

from __future__ import annotations

import os
import select
import time
from _signal import SIGKILL, SIGTERM  # type: ignore[import-not-found]  # see disk.spawn

from annexshell.errors import AnnexshellError, PeerError, PeerGone, Stalled, internal_error
from annexshell.git.watching import BURST
from annexshell.serve.beyond import Beyond
from annexshell.wire.codec import encode, parse
from annexshell.wire.messages import MAX_LINE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.git.watching import RefFiles, RefTables
    from annexshell.stream.blocking import FdStream
    from annexshell.stream.port import Waiter

_PIECE = 65536  # bytes
_GRACE = 5.0  # seconds for a child that nobody listens to any more, and for words that nobody has to say
_AT_ONCE = 400  # values of refs in a message, whose line must not be too long
_CONFUSED = "expected DATA or CONNECTDONE"


class Running:
    """A program that was started: its process, and our ends of its standard input and output."""

    __slots__ = ("from_it", "pid", "to_it")

    def __init__(self, pid: int, to_it: int, from_it: int) -> None:
        self.pid = pid
        self.to_it = to_it
        self.from_it = from_it


class SocketGitService(Beyond):
    """Serves one client, for whom `waiter` waits, on `stream`. `start` starts a service of git, or raises the reason
    why there is none. `watch` watches refs; the client hears of changes since `since`, in nanoseconds of the epoch."""

    def __init__(
        self,
        stream: FdStream,
        waiter: Waiter,
        start: Callable[[bytes], Running],
        watch: Callable[[], RefFiles | RefTables],
        since: int,
    ) -> None:
        self._stream = stream
        self._waiter = waiter
        self._start = start
        self._watch = watch
        self._since = since
        self._refs: RefFiles | RefTables | None = None
        self._news: list[bytes] = []

    def connect(self, service: bytes) -> None:
        try:
            running = self._start(service)
        except Exception as error:
            # In git's own protocol: git-annex's helper waits for ever for git to go, which waits for that.
            failure = error if isinstance(error, AnnexshellError) else internal_error(error)
            self._stream.write(_last_words(failure.public))
            _part(self._stream, self._waiter)
            return
        try:
            Relay(self._stream, self._waiter, running).run()
        finally:
            _end(running)

    def changed(self) -> list[bytes]:
        if self._refs is None:
            self._refs = self._watch()
            self._news = self._refs.values_since(self._since)
        while not self._news:
            self._wait_for(self._refs.fd)
            self._news = self._refs.changed_values()
        told, self._news = self._news[:_AT_ONCE], self._news[_AT_ONCE:]
        return told

    def _wait_for(self, refs: int) -> None:
        """Until something changes, and a moment more, for what changes with it."""
        with select.epoll() as ready:
            ready.register(refs, select.EPOLLIN)
            ready.register(self._stream.in_fd, select.EPOLLRDHUP)
            self._waiter.readable(ready.fileno())
            if self._stream.in_fd in [fd for fd, _ in ready.poll(0)]:
                raise PeerGone("the client closed the connection")
        self._waiter.pause(BURST)


class Relay:
    """Messages with data in one direction, the bytes themselves in the other. Each end is read only when what it said
    last has been passed on, so that nothing piles up here."""

    def __init__(self, stream: FdStream, waiter: Waiter, running: Running) -> None:
        self._stream = stream
        self._waiter = waiter
        self._running = running
        self._to_git = memoryview(b"")
        self._to_client = memoryview(b"")
        self._heard = bytearray()  # of the client, and not looked at yet
        self._left = 0  # bytes of data that the present message announced
        self._has_done = False  # whether the client has said its last word, or gone
        self._is_confused = False
        self._is_deaf = False  # whether the client can't be told anything
        self._exit = _exit_of(running.pid)  # becomes readable when git ends
        self._has_exited = False

    def run(self) -> None:
        """Raises PeerGone if the client has gone before the end."""
        running, stream = self._running, self._stream
        os.set_blocking(running.to_it, False)
        self._hear(stream.buffered(MAX_LINE + _PIECE))
        try:
            while running.from_it >= 0 or self._to_client:
                for fd in self._ready():
                    self._move(fd)
        finally:
            self._forget_exit()
        if self._is_deaf:
            raise PeerGone("the client closed the connection before git had ended")
        if not self._is_confused:
            code = _end(running)
            if code and not self._has_done:
                stream.write(_last_words("git has failed on the server"))
            else:
                stream.write(encode(b"CONNECTDONE", max(code, 0)))
        if not self._has_done:
            _part(stream, self._waiter)

    def _move(self, fd: int) -> None:
        """Something can be done at one of the ends. The client's may be the same for both directions."""
        running, stream = self._running, self._stream
        if fd == self._exit:
            self._has_exited = True
            self._forget_exit()
        elif fd == running.from_it:
            self._read_git()
        elif fd == running.to_it:
            self._write_git()
        if fd == stream.in_fd and not self._has_done and not self._to_git:
            self._read_client()
        if fd == stream.out_fd and self._to_client:
            self._write_client()

    def _forget_exit(self) -> None:
        if self._exit >= 0:
            os.close(self._exit)
            self._exit = -1

    def _ready(self) -> list[int]:
        """The ends for which there is something to do now."""
        running, stream = self._running, self._stream
        wanted: dict[int, int] = {}
        if running.from_it >= 0 and not self._to_client:
            wanted[running.from_it] = select.EPOLLIN
        if running.to_it >= 0 and self._to_git:
            wanted[running.to_it] = select.EPOLLOUT
        if self._to_client:
            wanted[stream.out_fd] = select.EPOLLOUT
        if not self._has_done and not self._to_git:
            wanted[stream.in_fd] = wanted.get(stream.in_fd, 0) | select.EPOLLIN
        if self._exit >= 0:
            wanted[self._exit] = select.EPOLLIN
        with select.epoll() as ready:
            for fd, events in wanted.items():
                ready.register(fd, events)
            is_over = self._has_exited and not self._to_client
            try:
                (self._waiter.within(_GRACE) if is_over else self._waiter).readable(ready.fileno())
            except Stalled:
                if not is_over:
                    raise
                self._finish_output()  # what else git has started does not speak to the client
            return [fd for fd, _ in ready.poll(0)]

    # From git to the client

    def _read_git(self) -> None:
        data = os.read(self._running.from_it, _PIECE)
        if not data:
            self._finish_output()
        elif not self._is_deaf:
            self._to_client = memoryview(encode(b"DATA", len(data)) + data)

    def _finish_output(self) -> None:
        os.close(self._running.from_it)
        self._running.from_it = -1

    def _write_client(self) -> None:
        try:
            self._to_client = self._to_client[os.write(self._stream.out_fd, self._to_client) :]
        except BlockingIOError:
            pass
        except OSError:
            self._lose_client()

    def _lose_client(self) -> None:
        """Lets git end by itself, since it tidies up then; what it says is read away."""
        self._is_deaf = True
        self._to_client = memoryview(b"")
        self._finish_input()

    # From the client to git

    def _read_client(self) -> None:
        try:
            data = os.read(self._stream.in_fd, _PIECE)
        except BlockingIOError:
            return
        except OSError:
            self._lose_client()
            return
        if data:
            self._hear(data)
        else:
            self._finish_input()

    def _hear(self, data: bytes) -> None:
        self._heard += data
        while self._heard and not self._to_git and not self._has_done:
            if self._left:
                piece = bytes(self._heard[: self._left])
                del self._heard[: len(piece)]
                self._left -= len(piece)
                if self._running.to_it >= 0:
                    self._to_git = memoryview(piece)
            elif not self._understand():
                return

    def _understand(self) -> bool:
        """Looks at the next line; whether it is complete."""
        end = self._heard.find(b"\n", 0, MAX_LINE)
        if end < 0 and len(self._heard) < MAX_LINE:
            return False
        line = bytes(self._heard[: end if end >= 0 else MAX_LINE])
        del self._heard[: len(line) + 1]
        try:
            message = parse(line.removesuffix(b"\r"))
        except PeerError:
            message = None
        if message is not None and message.word == b"DATA" and message.args[0] >= 0:
            self._left = message.args[0]
        else:
            if message is None or message.word != b"CONNECTDONE":
                self._complain()
            self._finish_input()
        return True

    def _complain(self) -> None:
        self._is_confused = True
        words = encode(b"ERROR", _CONFUSED.encode()) + encode(b"CONNECTDONE", 1)
        self._to_client = memoryview(bytes(self._to_client) + words)

    def _write_git(self) -> None:
        try:
            self._to_git = self._to_git[os.write(self._running.to_it, self._to_git) :]
        except BlockingIOError:
            return
        except OSError:  # it has heard enough, or has gone
            self._close_input()
        if self._to_git:
            return
        if self._has_done:
            self._close_input()
        else:
            self._hear(b"")

    def _finish_input(self) -> None:
        """Nothing more comes from the client."""
        self._has_done = True
        self._heard.clear()
        if not self._to_git:
            self._close_input()

    def _close_input(self) -> None:
        self._to_git = memoryview(b"")
        if self._running.to_it >= 0:
            os.close(self._running.to_it)
            self._running.to_it = -1


def _last_words(why: str) -> bytes:
    """What has a client's git fail, wherever it is in its protocol (gitprotocol-pack(5)), and then the end."""
    text = b"ERR %b\n" % why.encode()
    packet = b"%04x%b" % (len(text) + 4, text)
    return encode(b"DATA", len(packet)) + packet + encode(b"CONNECTDONE", 1)


def _part(stream: FdStream, waiter: Waiter) -> None:
    """Lets the client have its last word: a connection that is closed before would take ours with it."""
    stream.use(waiter.within(_GRACE))
    try:
        while (line := stream.read_line()) is not None and not line.startswith(b"CONNECTDONE"):
            pass
    except AnnexshellError:
        pass


def _exit_of(pid: int) -> int:
    """A file descriptor that becomes readable when a process ends; -1 from a kernel that has none."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return -1


def _end(running: Running) -> int:
    """The exit code of a program; ended by force if it does not end by itself soon."""
    for fd in (running.to_it, running.from_it):
        if fd >= 0:
            os.close(fd)
    running.to_it = running.from_it = -1
    if running.pid == 0:
        return 0
    pid, running.pid = running.pid, 0
    for signal in (0, SIGTERM, SIGKILL):
        if signal:
            os.kill(pid, signal)
        deadline = time.monotonic() + _GRACE
        while time.monotonic() < deadline:
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.002)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
