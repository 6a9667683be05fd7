"""What git and its clients leave behind, removed once in a while."""

from __future__ import annotations

import os
from functools import partial

from annexshell.errors import AnnexshellError
from annexshell.git.paths import locate
from annexshell.git.quarantine import remove_abandoned
from annexshell.repo.initialization.creating import remove_if_empty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.disk.spawn import Environment
    from annexshell.green.tasks import Tasks
    from annexshell.serve.http.repositories.directory import Repositories

_INTERVAL = 3600.0  # seconds
_PAUSE = 0.1  # seconds between two repositories
_AGE = 86400.0  # seconds


class Tidying:
    """Removes what was received of pushes that were killed, and repositories that were made by a push and stayed empty,
    both after a day."""

    def __init__(
        self, repositories: Repositories, env: Environment, tasks: Tasks, report: Callable[[str], None]
    ) -> None:
        self._repositories = repositories
        self._env = env
        self._tasks = tasks
        self._report = report

    def run(self) -> None:
        """Goes on for ever."""
        while True:
            self._tasks.news().wait(_INTERVAL)
            for served in self._repositories.all:
                self._tasks.offload(partial(self.tidy, served.path))
                self._tasks.news().wait(_PAUSE)

    def tidy(self, path: bytes, age: float = _AGE) -> None:
        """Looks at one repository. Is called in a thread."""
        try:
            paths = locate(path)
            remove_abandoned(paths.common_dir, age)
            remove_if_empty(path, self._env, age)
        except (AnnexshellError, OSError) as error:
            self._report(f"{os.fsdecode(path)}: leftovers of pushes could not be removed: {error}")
