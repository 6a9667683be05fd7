"""git http-backend as a child of ours, fed and read at the same time: neither end may have to wait for the other.

It is ended by closing its input, never by a signal first: git then finds that something is missing and cleans up, while
a signal leaves behind what was received of a push.
"""

from __future__ import annotations

import os
import time

from annexshell.disk.spawn import pipes, spawn
from annexshell.errors import ChildFailed, PeerGone
from annexshell.green.waiter import GeventWaiter
from annexshell.serve.http.git.cgi import MAX_HEAD, CgiHead, split_head
from annexshell.serve.http.http1.heads import Malformed
from annexshell.stream.blocking import FdStream, widen_pipe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gevent import Greenlet

    from annexshell.disk.spawn import Environment
    from annexshell.green.tasks import Tasks
    from annexshell.serve.http.git.turns import Turn
    from annexshell.stream.port import Source

_PATIENCE = 3600.0  # seconds for which git may say nothing: it indexes a pack, or a hook takes its time
_PIECE = 65536  # bytes
_LONGEST_COMPLAINT = 4096  # bytes
_LAST_WORDS = 1.0  # seconds for what a program that has ended wrote to its standard error
_KILL_AFTER = 600.0  # seconds that git may take to end once its input is closed
_SIGKILL = 9
_NICE = 5  # packing takes a processor for long, and whoever asks whether a file is there should not wait for that


class Backend:
    """A running http-backend. Raises ChildFailed if it can't be started."""

    def __init__(self, env: Environment, tasks: Tasks, turn: Turn) -> None:
        self._tasks = tasks
        self._turn = turn
        waiter = GeventWaiter(_PATIENCE)
        (child_in, to_child), (from_child, child_out), (errors, child_errors) = pipes(3)
        try:
            self._pid = spawn(["git", "http-backend"], env, child_in, child_out, child_errors)
        except ChildFailed:
            for fd in (to_child, from_child, errors):
                os.close(fd)
            raise
        finally:
            for fd in (child_in, child_out, child_errors):
                os.close(fd)
        _be_nice(self._pid)
        for fd in (to_child, from_child, errors):
            os.set_blocking(fd, False)
        widen_pipe(from_child)
        self._input = FdStream(-1, to_child, waiter)
        self.output = FdStream(from_child, -1, waiter)
        self._errors = FdStream(errors, -1, waiter)
        self.complaint = b""  # what it wrote to its standard error, up to some length
        self._code: int | None = None
        self.cut_off = False  # whether the client went, or made no sense, before all of its request had come
        self._feeding: Greenlet[[], None] | None = None
        self._listening = tasks.spawn(self._listen)

    def feed(self, body: Source | None) -> None:
        """Passes a body on to it, beside the caller; closes its input afterwards."""
        if body is None:
            self._input.close()
        else:
            self._feeding = self._tasks.spawn(lambda: self._feed(body))

    def _feed(self, body: Source) -> None:
        buffer = memoryview(bytearray(_PIECE))
        try:
            while count := self._read(body, buffer):
                self._input.write(buffer[:count])
        except PeerGone:  # it has read enough
            pass
        finally:
            self._input.close()

    def _read(self, body: Source, buffer: memoryview) -> int:
        self._turn.waits_since = time.monotonic()
        try:
            return body.read_into(buffer)
        except (PeerGone, Malformed):
            self.cut_off = True
            return 0
        finally:
            self._turn.waits_since = None

    def read_head(self) -> tuple[CgiHead, bytes]:
        """Its headers, and what has come behind them. Raises ChildFailed."""
        data = b""
        buffer = memoryview(bytearray(MAX_HEAD))
        while (found := split_head(data)) is None:
            count = self.output.read_into(buffer)
            data += buffer[:count]
            if count == 0 or len(data) > MAX_HEAD:
                raise ChildFailed("git http-backend gave no answer")
        return CgiHead(found[0]), found[1]

    def _listen(self) -> None:
        buffer = memoryview(bytearray(_LONGEST_COMPLAINT))
        try:
            while count := self._errors.read_into(buffer):
                self.complaint += bytes(buffer[: max(0, min(count, _LONGEST_COMPLAINT - len(self.complaint)))])
        except PeerGone:
            pass

    def stop_feeding(self) -> None:
        """Has nobody read the body any more, and closes its input."""
        if self._feeding is not None:
            self._feeding.kill()
        self._input.close()

    def end(self, wants_rest: bool = False) -> int:
        """Waits for its end; its exit code. With `wants_rest` it may say to the end what nobody reads any more. May be
        called again."""
        if self._code is not None:
            return self._code
        self.stop_feeding()
        if wants_rest:
            self._skip_output()
        self.output.close()
        try:
            self._code = code = self._tasks.offload(self._wait)
        finally:
            self._listening.join(_LAST_WORDS)
            self._listening.kill()
            self._errors.close()
        return code

    def _skip_output(self) -> None:
        buffer = memoryview(bytearray(_PIECE))
        try:
            while self.output.read_into(buffer):
                pass
        except PeerGone:
            pass

    def _wait(self) -> int:
        """In a thread, looks for the end of it now and then: a wait of its own would have no limit."""
        limit = time.monotonic() + _KILL_AFTER
        pause = 0.001
        while (found := os.waitpid(self._pid, os.WNOHANG)) == (0, 0):
            if time.monotonic() > limit:
                os.kill(self._pid, _SIGKILL)
            time.sleep(pause)
            pause = min(0.1, pause * 1.5)
        return os.waitstatus_to_exitcode(found[1])


def _be_nice(pid: int) -> None:
    try:
        os.setpriority(os.PRIO_PROCESS, pid, _NICE)
    except OSError:  # a sandbox may think that this takes a privilege
        pass
