"""Faults, one after the other: kills, restarts, a full disk, locks that git has left behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import psutil

from tests.chaos.ledger import Ledger
from tests.chaos.world import World

_LOCKS = ("refs/heads/git-annex.lock", "annex/index.lock", "packed-refs.lock")
_PAUSE = 0.7  # seconds between two faults, at most


class Mischief:
    """All that it does to the world can be `undone`."""

    def __init__(self, world: World, ledger: Ledger, dice: Random) -> None:
        self._world = world
        self._ledger = ledger
        self._dice = dice
        self._stale: list[tuple[Path, object]] = []
        self._what = ""
        self._filler = world.repositories["small"] / "filler"

    def run(self, is_over: Callable[[], bool]) -> None:
        faults = (
            self._kill_session,
            self._kill_session,
            self._kill_session,
            self._kill_worker,
            self._kill_server,
            self._hang_up,
            self._stop_session,
            self._fill_disk,
            self._leave_lock,
        )
        while not is_over():
            fault = self._dice.choice(faults)
            self._what = ""
            if fault():
                self._ledger.tell(f"{fault.__name__.strip('_')} {self._what}")
                self._ledger.count(fault.__name__.strip("_").replace("_", " "))
            time.sleep(self._dice.random() * _PAUSE)

    def undo(self) -> None:
        self._remove_locks()
        self._filler.unlink(missing_ok=True)
        for process in self._world.processes():
            _signal(process, signal.SIGCONT)

    def _kill_session(self) -> bool:
        return self._strike(self._world.sessions(), signal.SIGKILL)

    def _stop_session(self) -> bool:
        """For a moment, as a machine that is too busy."""
        sessions = self._world.sessions()
        if not self._strike(sessions, signal.SIGSTOP):
            return False
        time.sleep(self._dice.random())
        for process in sessions:
            _signal(process, signal.SIGCONT)
        return True

    def _kill_worker(self) -> bool:
        return self._strike(self._dice.choice([*self._world.servers.values()]).workers(), signal.SIGKILL)

    def _kill_server(self) -> bool:
        self._dice.choice([*self._world.servers.values()]).kill()
        return True

    def _hang_up(self) -> bool:
        self._dice.choice([*self._world.servers.values()]).signal(signal.SIGHUP)
        return True

    def _fill_disk(self) -> bool:
        """The small disk, or gives it back."""
        if self._filler.exists():
            self._filler.unlink()
            self._what = "given back"
            return True
        if not os.path.ismount(self._filler.parent):
            return False
        self._what = "full"
        try:
            with open(self._filler, "wb") as file:
                while file.write(bytes(4096)):
                    file.flush()
        except OSError:
            pass
        return True

    def _leave_lock(self) -> bool:
        """As a git that was killed; somebody removes it before long, as the doctor says."""
        self._remove_locks()
        path = self._dice.choice([*self._world.repositories.values()]) / self._dice.choice(_LOCKS)
        self._what = f"{path.parent.name}/{path.name}"
        try:
            path.touch(exist_ok=False)
        except OSError:
            return False
        self._stale.append((path, _identity(path)))
        return True

    def _remove_locks(self) -> None:
        """Those that are still ours: whoever found one stale may have put a real one in its place."""
        for path, identity in self._stale:
            if _identity(path) == identity:
                path.unlink(missing_ok=True)
        self._stale = []

    def _strike(self, processes: list[psutil.Process], number: int) -> bool:
        if not processes:
            return False
        process = self._dice.choice(processes)
        self._what = " ".join(_command(process)[-3:])
        return _signal(process, number)


def _identity(path: Path) -> object:
    try:
        info = path.stat()
    except OSError:
        return None
    return info.st_dev, info.st_ino, info.st_ctime_ns


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _signal(process: psutil.Process, number: int) -> bool:
    try:
        process.send_signal(number)
    except psutil.Error:
        return False
    return True
