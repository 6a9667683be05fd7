"""An upload over ssh that stands still makes room for another client with the same content, as one over HTTP does
(serve/http/repositories/takeover.py): its client has mostly lost the connection, which nobody here can know yet.

The receiving session is looked at once a second, by a timer that costs nothing between. A client is never cut off while
anything comes from it, nor for what takes time here.
"""

from __future__ import annotations

import time
from _signal import ITIMER_REAL, setitimer  # type: ignore[import-not-found]  # see disk.spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.repo.local.takeover import TakeoverRequest
    from annexshell.stream.blocking import Interrupts

_PERIOD = 1.0  # seconds between two looks


class Standstill:
    """In this context, a session ends where its client stands still and `takeover` finds another one that waits."""

    def __init__(
        self, interrupts: Interrupts, takeover: Callable[[], TakeoverRequest], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._interrupts = interrupts
        self._takeover = takeover
        self._now = now
        self._steps = -1
        self._since = 0.0

    def __enter__(self) -> Standstill:
        self._interrupts.tick = self.look
        setitimer(ITIMER_REAL, _PERIOD, _PERIOD)
        return self

    def __exit__(self, *_: object) -> None:
        setitimer(ITIMER_REAL, 0)
        self._interrupts.tick = None

    def look(self) -> None:
        """Raises Interrupted in the middle of a wait, or has the wait raise it."""
        interrupts = self._interrupts
        if interrupts.steps != self._steps or not interrupts.is_waiting:
            self._steps, self._since = interrupts.steps, self._now()
        elif self._takeover().is_urgent(self._now() - self._since):
            interrupts.end("the upload stood still while another client sends the same content")
