"""How a worker ends: it accepts no more requests, and finishes those that it has."""

from __future__ import annotations

import math
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.green.tasks import Tasks


class Shutdown:
    """Whether a worker is to end, and when at the latest. `news` tells what `Server.run` waits for."""

    def __init__(self, tasks: Tasks, grace: float) -> None:
        self._grace = grace
        self._deadline = math.inf  # monotonic seconds
        self.has_begun = False
        self.news = tasks.news()

    @property
    def is_final(self) -> bool:
        """Whether no other worker takes this one's place."""
        return self.has_begun and self._deadline < math.inf

    @property
    def is_overdue(self) -> bool:
        """Whether what is going on has to be cut off."""
        return time.monotonic() >= self._deadline

    def retire(self) -> None:
        """Another worker serves new requests: those of this one may take as long as they like."""
        self.has_begun = True
        self.news.tell()

    def stop(self) -> None:
        """The server is to stop: what is going on has a grace of some seconds."""
        self._deadline = min(self._deadline, time.monotonic() + self._grace)
        self.retire()
