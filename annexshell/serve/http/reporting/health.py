"""Whether this server is well: what /healthz answers, and how workers know that the others live."""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.green.tasks import Tasks
    from annexshell.serve.http.http1.exchange import Exchange
    from annexshell.serve.http.reporting.scoreboard import Scoreboard, Slot
    from annexshell.serve.http.repositories.directory import Repositories

_HEADERS = (("Content-Type", "text/plain"), ("Cache-Control", "no-store"))
_FRESH = 1.0  # seconds for which an answer holds, so that asking often costs little
_DISK_LIMIT = 5.0  # seconds
_BEAT = 5.0  # seconds between two signs of life
BEAT_LIMIT = 30.0  # seconds without one after which a worker is taken to be stuck


class Health:
    """`is_ending` says whether the server is about to stop. `reason` is empty, or says in a sentence that tells nothing
    of the server's insides what is wrong."""

    def __init__(
        self, is_ending: Callable[[], bool], repositories: Repositories, tasks: Tasks, board: Scoreboard
    ) -> None:
        self._is_ending = is_ending
        self._repositories = repositories
        self._tasks = tasks
        self._board = board
        self._disk = ""
        self._looked = -_FRESH  # monotonic seconds

    def answer(self, exchange: Exchange) -> None:
        """200, or 503 for who should send clients elsewhere."""
        reason = self.reason()
        exchange.respond(503 if reason else 200, f"{reason or 'ok'}\n".encode(), _HEADERS)

    def reason(self) -> str:
        if not self._repositories.has_searched:
            return "the server is starting"
        if self._is_ending():
            return "the server is stopping"
        if any(slot.is_taken and slot.beat_age > BEAT_LIMIT for slot in self._board.slots):
            return "a worker does not answer"
        now = time.monotonic()
        if now - self._looked >= _FRESH:
            self._looked = now  # whoever comes while we look gets the last answer
            self._disk = self._look()
        return self._disk

    def _look(self) -> str:
        if not self._repositories.all:
            self._tasks.spawn(self._repositories.search)  # which the requests do that nobody sends us meanwhile
        try:
            return self._tasks.offload(self._look_at_disk, _DISK_LIMIT)
        except TimeoutError:
            return "the disk does not answer"

    def _look_at_disk(self) -> str:
        directories = self._repositories.directories
        if not all(map(os.path.isdir, directories)):
            return "a directory with repositories is gone"
        if not directories and not any(os.path.isdir(served.path) for served in self._repositories.all):
            return "the repository is gone"
        return ""


def give_signs_of_life(
    probe: Callable[[], bool], slot: Slot, watchdog: float | None, pause: Callable[[float], object]
) -> None:
    """Gives signs of life as long as requests are answered, as `probe` finds out, several in the seconds that a
    watchdog waits. Never returns."""
    while True:
        if probe():
            slot.beat()
        pause(min(_BEAT, watchdog / 8) if watchdog else _BEAT)
