"""Real git-annex as clients: it copies, gets, drops, moves and syncs, is killed now and then, and must not lose any
content, since it removes none of which it knows no other copy."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from subprocess import DEVNULL

from tests.chaos.ledger import Ledger
from tests.chaos.world import CLUSTER, NODES, World
from tests.oracle.clients import Clone

_LIMIT = 90.0  # seconds for a command, which makes many requests and starts again itself
_KILLED = 0.15  # of commands


class Real:
    """One client. `contents` are those of all files that it has added, by key."""

    def __init__(self, world: World, ledger: Ledger, clone: Clone, dice: Random) -> None:
        self._world = world
        self._ledger = ledger
        self._clone = clone
        self._dice = dice
        self._files: list[str] = []
        self._made = 0  # files, those included that could not be added
        self.contents: dict[str, bytes] = {}

    def run(self, is_over: Callable[[], bool]) -> None:
        self._add()
        while not is_over():
            if self._dice.random() < 0.2:
                self._add()
            self._command(is_over)

    def _add(self) -> None:
        # Never an earlier name, even if that was not added: it may be a link by now, and root writes into objects.
        name = f"{self._clone.path.name}{self._made}"
        self._made += 1
        content = self._dice.randbytes(self._dice.choice((10, 5000, 200_000)))
        (self._clone.path / name).write_bytes(content)
        added = self._clone.try_annex("add", "-q", name).returncode == 0
        key = self._clone.try_annex("lookupkey", name).stdout.strip()  # none where git has not taken it up
        if added and key:
            self.contents[key] = content
            self._clone.try_git("commit", "-q", "-m", name)
            self._files.append(name)

    def _command(self, is_over: Callable[[], bool]) -> None:
        dice = self._dice
        files = dice.sample(self._files, min(len(self._files), 3))
        remote = f"origin-{dice.choice((CLUSTER, CLUSTER, *NODES))}"
        remote = "origin" if dice.random() < 0.2 else remote
        words = dice.choice(
            (
                ["copy", "--to", remote, "-J2", *files],
                ["copy", "--to", remote, *files],
                ["get", "-J2", *files],
                ["drop", "-J2", *files],
                ["drop", "--from", remote, *files],
                ["move", "--to", remote, *files],
                ["move", "--from", remote, *files],
                ["sync", "-q", "--no-content"],
            )
        )
        self._run(["git", "annex", *words], is_over)
        self._ledger.count("commands of git-annex")

    def _run(self, argv: list[str], is_over: Callable[[], bool]) -> None:
        place, env = self._clone.path, self._clone.env
        process = subprocess.Popen(
            argv, cwd=place, env=env, start_new_session=True, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL
        )
        limit = _LIMIT
        if self._dice.random() < _KILLED:
            limit = self._dice.random() * 2
            self._ledger.count("clients killed")
        deadline = time.monotonic() + limit
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        if process.poll() is None:
            if limit == _LIMIT:
                self._ledger.accuse(f"git-annex took over {_LIMIT:.0f} s: {' '.join(argv)}")
            kill_group(process)
        process.wait()
        if process.returncode == -signal.SIGKILL:
            self._remove_locks()

    def _remove_locks(self) -> None:
        """Does as git advises after a git was killed: nothing could be added from then on."""
        for lock in (self._clone.path / ".git").glob("**/*.lock"):
            lock.unlink(missing_ok=True)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Beside:
    """The original, at work in the servers' repositories. It is never killed there: what it leaves is not ours."""

    def __init__(self, world: World, dice: Random) -> None:
        self._world = world
        self._dice = dice

    def run(self, is_over: Callable[[], bool]) -> None:
        while not is_over():
            place: Path = self._world.repositories[self._dice.choice(("gw", "dir", "far"))]
            words = self._dice.choice((["merge"], ["info", "--fast"], ["whereis", "--all"], ["unused"]))
            env = {**self._world.clones[0].env, "HOME": str(self._world.top / "server")}
            subprocess.run(["git", "annex", *words], cwd=place, env=env, capture_output=True, timeout=60, check=False)
            time.sleep(self._dice.random())
