"""Worker processes that share one address to listen at. The process that starts them only looks after them: it holds
the sockets, so that no connection is lost while a worker is replaced, and starts a new worker when one dies.
"""

from __future__ import annotations

import os
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Sequence

    from annexshell.serve.http.reporting.scoreboard import Scoreboard, Slot

_STOP = (signal.SIGTERM, signal.SIGINT)
_WATCHED = {*_STOP, signal.SIGHUP, signal.SIGCHLD}
_PAUSE = 1.0  # seconds before a worker is replaced that has not lived longer than that
_LOOK = 0.02  # seconds between two looks whether new workers are ready
_START_LIMIT = 60.0  # seconds in which they have to be
_OLD_SETS = 4  # that may finish what is going on for as long as that takes; the oldest is to hurry then


def begin_work() -> None:
    """Unblocks the signals that were held back while a worker had no handlers for them."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)


class _Worker:
    """A process. `ready` is the end of a pipe that says when it accepts connections, -1 once it has."""

    def __init__(self, number: int, slot: Slot | None, ready: int) -> None:
        self.number = number  # of its listener
        self.slot = slot
        self.ready = ready
        self.started = time.monotonic()
        self.hurries = False  # whether it is to end although something is going on

    def is_ready(self) -> bool:
        if self.ready >= 0 and _read(self.ready):
            self.close()
        return self.ready < 0

    def close(self) -> None:
        if self.ready >= 0:
            os.close(self.ready)
            self.ready = -1


class Workers:
    """One worker for each of `listeners`. `serve` is what a worker does with its listener until SIGTERM or SIGHUP,
    after which it finishes what is going on; it calls `begin_work` when it is ready for signals, and what it is given
    last when it accepts connections, and gives the exit code. In its slot of `board` it gives signs of life. `tell` is
    for a person who watches, `notify` for systemd, which wants to hear from us every `watchdog` seconds."""

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        board: Scoreboard,
        serve: Callable[[socket.socket, Slot | None, Callable[[], None]], int],
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
        self._current: dict[int, _Worker] = {}  # by process id
        self._fresh: dict[int, _Worker] = {}  # those that are to replace them, until all of them are ready
        self._old: dict[int, _Worker] = {}  # those that are to end, the oldest first
        self._due: dict[int, float] = {}  # numbers of listeners that lack a worker, and when it starts
        self._hanging: set[int] = set()  # process ids of those that gave no sign of life
        self._asked_again = False  # whether a replacement is to follow the present one

    def run(self) -> int:
        """Looks after the workers until a signal says to stop. SIGHUP replaces them all, which reads certificates and
        passwords anew: the old ones go on until the new ones are ready, and many signals count as one."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        self._due = dict.fromkeys(range(len(self._listeners)), 0.0)
        self._start_due()
        self._notify("READY=1")
        while (number := self._next_signal()) not in _STOP:
            self._asked_again |= number == signal.SIGHUP
            self._reap(replace=True)
            self._start_due()
            if self._fresh:
                self._change_over()
            elif self._asked_again and self._has_room():
                self._start_fresh()
        self._notify("STOPPING=1")
        self._retire(self._fresh, signal.SIGTERM)
        self._retire(self._current, signal.SIGTERM)
        _signal(self._old, signal.SIGTERM)
        while self._old:
            signal.sigwait({signal.SIGCHLD})
            self._reap(replace=False)
        return 0

    def _next_signal(self) -> int:
        """The next signal, or 0 if none came for a while. Feeds the watchdog meanwhile if all is well."""
        now = time.monotonic()
        limit = _LOOK if self._fresh or self._due or self._asked_again else None
        if self._watchdog is not None:
            if now - self._told >= self._watchdog / 4 and not self._some_hang(self._watchdog / 2):
                self._told = now
                self._notify("WATCHDOG=1")
            limit = limit or self._watchdog / 8
        if limit is None:
            return signal.sigwait(_WATCHED)
        came = signal.sigtimedwait(_WATCHED, limit)
        return 0 if came is None else came.si_signo

    def _some_hang(self, limit: float) -> bool:
        """Whether workers have given no sign of life for that many seconds. Reports each of them once."""
        slots = ((pid, worker.slot) for pid, worker in self._current.items())
        hanging = {pid for pid, slot in slots if slot is not None and slot.beat_age >= limit}
        for pid in hanging - self._hanging:
            self._tell(f"worker {pid} has not answered for {limit:g} seconds")
        self._hanging = hanging
        return bool(hanging)

    def _start_due(self) -> None:
        now = time.monotonic()
        for number in [number for number, due in self._due.items() if due <= now]:
            del self._due[number]
            self._start(number, self._current)

    def _has_room(self) -> bool:
        """Whether there may be one more set of old workers; else the oldest are told to hurry."""
        excess = len(self._old) - (_OLD_SETS - 1) * len(self._listeners)
        for pid, worker in list(self._old.items())[: max(0, excess)]:
            if not worker.hurries:
                worker.hurries = True
                os.kill(pid, signal.SIGTERM)
        return excess <= 0

    def _start_fresh(self) -> None:
        self._asked_again = False
        self._notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        for number in range(len(self._listeners)):
            self._start(number, self._fresh)

    def _change_over(self) -> None:
        """Replaces the old workers by the new ones as soon as all of the new ones are ready."""
        fresh = self._fresh.values()
        if all(worker.is_ready() for worker in fresh):
            self._retire(self._current, signal.SIGHUP)
            self._current, self._fresh = self._fresh, {}
            self._due = {}
            self._notify("READY=1")
        elif time.monotonic() - min(worker.started for worker in fresh) > _START_LIMIT:
            self._give_up_fresh("they took too long")

    def _give_up_fresh(self, why: str) -> None:
        self._tell(f"the new workers could not start, and the old ones go on: {why}")
        self._retire(self._fresh, signal.SIGTERM)
        self._notify("READY=1")

    def _start(self, number: int, among: dict[int, _Worker]) -> None:
        slot = self._board.take()
        read, write = os.pipe()
        os.set_blocking(read, False)
        pid = os.fork()
        if pid == 0:
            self._work(self._listeners[number], slot, write)
        os.close(write)
        among[pid] = _Worker(number, slot, read)

    def _work(self, listener: socket.socket, slot: Slot | None, ready: int) -> None:
        def tell_ready() -> None:
            os.write(ready, b"1")
            os.close(ready)

        code = 1
        try:
            for other in self._listeners:
                if other is not listener:
                    other.close()
            for worker in (*self._current.values(), *self._fresh.values(), *self._old.values()):
                worker.close()
            code = self._serve(listener, slot, tell_ready)
        except Exception as error:
            self._tell(f"a worker failed: {type(error).__name__}: {error}")
        finally:
            os._exit(code)

    def _retire(self, workers: dict[int, _Worker], number: int) -> None:
        """Tells workers to end."""
        _signal(workers, number)
        self._old.update(workers)
        workers.clear()

    def _reap(self, replace: bool) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._ended(pid, os.waitstatus_to_exitcode(status), replace)

    def _ended(self, pid: int, code: int, replace: bool) -> None:
        sets = (self._current, self._fresh, self._old)
        where = next((workers for workers in sets if pid in workers), None)
        if where is None:
            return
        worker = where.pop(pid)
        worker.close()
        if worker.slot is not None:
            worker.slot.end()
        if where is self._fresh:
            self._give_up_fresh(f"one of them ended with exit code {code}")
        elif where is self._current and replace:
            self._tell(f"a worker ended with exit code {code}, and is replaced")
            lived = time.monotonic() - worker.started
            self._due[worker.number] = time.monotonic() + (_PAUSE if lived < _PAUSE else 0.0)


def _signal(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        os.kill(pid, number)


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 1)
    except BlockingIOError:
        return b""
