"""Worker processes that share one place to listen at. The process that starts them only looks after them: it holds the
sockets, so that no connection is lost while a worker is replaced, and starts a new one when one dies.
"""

from __future__ import annotations

import os
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from annexshell.serve.http.scoreboard import Scoreboard, Slot

_STOP = (signal.SIGTERM, signal.SIGINT)
_WATCHED = {*_STOP, signal.SIGHUP, signal.SIGCHLD}
_PAUSE = 1.0  # seconds before a worker is replaced that has not lived longer than that


def begin_work() -> None:
    """Lets the signals come that were held back while a worker had no handlers for them."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)


class Workers:
    """One worker for each of `listeners`. `serve` is what a worker does with its listener until SIGTERM or SIGHUP,
    after which it finishes what is going on; it calls `begin_work` when it is ready for signals, and gives the exit
    code. In its slot of `board` it gives signs of life. `tell` is for a person who watches, `notify` for systemd,
    which wants to hear from us every `watchdog` seconds."""

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        board: Scoreboard,
        serve: Callable[[socket.socket, Slot | None], int],
        tell: Callable[[str], None],
        notify: Callable[[str], None],
        watchdog: float | None = None,
    ) -> None:
        self._listeners = listeners
        self._board = board
        self._serve = serve
        self._tell = tell
        self._notify = notify
        self._watchdog = watchdog
        self._told = 0.0  # monotonic seconds of the last word to the watchdog
        self._slots: dict[int, Slot | None] = {}  # by process id
        self._current: dict[int, tuple[int, float]] = {}  # process ids to number of the listener and time of start
        self._hanging: set[int] = set()  # process ids of those that gave no sign of life
        self._old: set[int] = set()  # process ids of those that are to end

    def run(self) -> int:
        """Looks after the workers until a signal says to stop. SIGHUP replaces them all, which reads certificates and
        passwords anew."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        self._start_all()
        self._notify("READY=1")
        while (number := self._next_signal()) not in _STOP:
            if number == signal.SIGHUP:
                self._notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
                self._retire_all(signal.SIGHUP)
                self._start_all()
                self._notify("READY=1")
            self._reap(replace=True)
        self._notify("STOPPING=1")
        self._retire_all(signal.SIGTERM)
        while self._old:
            signal.sigwait({signal.SIGCHLD})
            self._reap(replace=False)
        return 0

    def _next_signal(self) -> int:
        """The next signal, or 0 if none came for a while; meanwhile the watchdog is told that all is well, if it is."""
        if self._watchdog is None:
            return signal.sigwait(_WATCHED)
        now = time.monotonic()
        if now - self._told >= self._watchdog / 4 and not self._some_hang(self._watchdog / 2):
            self._told = now
            self._notify("WATCHDOG=1")
        came = signal.sigtimedwait(_WATCHED, self._watchdog / 8)
        return 0 if came is None else came.si_signo

    def _some_hang(self, limit: float) -> bool:
        """Whether workers have given no sign of life for so many seconds. Each of them is named once."""
        slots = ((pid, self._slots[pid]) for pid in self._current)
        hanging = {pid for pid, slot in slots if slot is not None and slot.beat_age >= limit}
        for pid in hanging - self._hanging:
            self._tell(f"worker {pid} has not answered for {limit:g} seconds")
        self._hanging = hanging
        return bool(hanging)

    def _start_all(self) -> None:
        for number in range(len(self._listeners)):
            self._start(number)

    def _start(self, number: int) -> None:
        slot = self._board.take()
        pid = os.fork()
        if pid == 0:
            self._work(self._listeners[number], slot)
        self._current[pid] = (number, time.monotonic())
        self._slots[pid] = slot

    def _work(self, listener: socket.socket, slot: Slot | None) -> None:
        code = 1
        try:
            for other in self._listeners:
                if other is not listener:
                    other.close()
            code = self._serve(listener, slot)
        except Exception as error:
            self._tell(f"a worker failed: {type(error).__name__}: {error}")
        finally:
            os._exit(code)

    def _retire_all(self, number: int) -> None:
        self._old.update(self._current)
        self._current = {}
        for pid in self._old:
            os.kill(pid, number)

    def _reap(self, replace: bool) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            slot = self._slots.pop(pid, None)
            if slot is not None:
                slot.end()
            self._old.discard(pid)
            number, started = self._current.pop(pid, (-1, 0.0))
            if number >= 0 and replace:
                self._tell(f"a worker ended with exit code {os.waitstatus_to_exitcode(status)}, and is replaced")
                if time.monotonic() - started < _PAUSE:
                    time.sleep(_PAUSE)
                self._start(number)
