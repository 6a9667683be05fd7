"""The programs of P2P networks, git-annex-p2p-NETWORK, that lead an address to a socket of ours: started and watched.

Upstream: P2P/Generic.hs, doc/design/generic_p2p_transport. There nobody notices when one ends.
"""

from __future__ import annotations

import os
import time
from _signal import SIGKILL, SIGTERM  # type: ignore[import-not-found]  # see disk.spawn

from annexshell.disk.spawn import in_directory, is_program, spawn
from annexshell.errors import ChildFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.disk.spawn import Environment
    from annexshell.model.p2p import P2PAddress

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 300.0  # seconds until one that ended is started again; twice as long each time
_LASTING = 60.0  # seconds after which one is taken to have worked
_DONE_SOON = 10.0  # seconds within which one that ends without a complaint has done all that there is to do
_GRACE = 5.0  # seconds to end by itself


class NetworkProgram:
    """The program of one address. `tell` is for a person."""

    def __init__(self, address: P2PAddress, socket: bytes, directory: bytes, env: Environment,
                 tell: Callable[[str], None]) -> None:  # fmt: skip
        self.name = b"git-annex-p2p-" + address.network
        self.pid = 0
        self.due: float | None = 0.0  # monotonic seconds at which it is to start; None while it runs, or is done
        self._argv = [self.name, address.place, socket]
        self._directory = directory
        self._env = env
        self._tell = tell
        self._pause = _FIRST_PAUSE
        self._started = 0.0

    def start_if_due(self) -> None:
        now = time.monotonic()
        if self.due is None or now < self.due:
            return
        self.due, self._started = None, now
        try:
            if not is_program(self.name, self._env):
                raise ChildFailed(f"{os.fsdecode(self.name)} is not installed")
            # In a group of its own, so that what it starts ends with it.
            self.pid = spawn(in_directory(self._argv, self._directory), self._env, group=0)
        except ChildFailed as error:
            self._again(str(error))

    def ended(self, code: int) -> None:
        """Its process has ended."""
        self.pid = 0
        lasted = time.monotonic() - self._started
        if code == 0 and lasted < _DONE_SOON:
            return
        if lasted >= _LASTING:
            self._pause = _FIRST_PAUSE
        how = f"with exit code {code}" if code >= 0 else f"by signal {-code}"
        self._again(f"{os.fsdecode(self.name)} has ended {how}")

    def _again(self, why: str) -> None:
        self.due = time.monotonic() + self._pause
        self._tell(f"{why}, and is started again in {self._pause:g} seconds")
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def stop(self) -> None:
        """Ends it, by force if it takes its time, and does not start it again."""
        self.due = None
        if not self.pid:
            return
        pid, self.pid = self.pid, 0
        for signal in (SIGTERM, SIGKILL):
            try:
                os.killpg(pid, signal)
            except ProcessLookupError:
                pass
            deadline = time.monotonic() + _GRACE
            while time.monotonic() < deadline:
                if os.waitpid(pid, os.WNOHANG)[0]:
                    return
                time.sleep(0.005)
