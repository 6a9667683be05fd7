"""Work that has to be done in all repositories once in a while, beside requests."""

from __future__ import annotations

from annexshell.errors import AnnexshellError
from annexshell.repo.local.expiry import interval

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.green.tasks import Tasks
    from annexshell.serve.http.repositories.directory import Repositories
    from annexshell.serve.http.repositories.served import ServedRepository

_PAUSE = 0.1  # seconds between two steps


class Housekeeping:
    """Has the partial files expire that nobody has touched for `age` seconds."""

    def __init__(self, repositories: Repositories, tasks: Tasks, age: float) -> None:
        self._repositories = repositories
        self._tasks = tasks
        self._age = age

    def run(self) -> None:
        """Goes on for ever: one repository after the other, and then a pause."""
        while True:
            self._tasks.news().wait(interval(self._age))
            for served in self._repositories.all:
                while self._step(served):
                    self._tasks.news().wait(_PAUSE)

    def _step(self, served: ServedRepository) -> bool:
        try:
            return served.expire_partials(self._age)
        except (AnnexshellError, OSError) as error:
            served.warn(f"abandoned uploads could not be deleted: {error}")
            return False
