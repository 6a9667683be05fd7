"""When the location log of a repository is committed: a little after a change, and not at once after a failure."""

from __future__ import annotations

import time

from annexshell.errors import AnnexshellError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.green.tasks import Tasks

_DELAY = 1.0  # seconds of quiet before a commit, so that one commit has what many requests have recorded
_LIMIT = 3.5  # seconds after which it is committed whatever is going on
_PAUSE = 60.0  # seconds until it is tried again where that did not work


class CommitSchedule:
    """The commits of one repository, whose journal has what they are about. `warn` takes warnings."""

    def __init__(self, tasks: Tasks, warn: Callable[[str], None]) -> None:
        self._tasks = tasks
        self._warn = warn
        self._changed_since = 0.0  # monotonic seconds; 0 if nothing has changed
        self._last_change = 0.0
        self._next_try = 0.0
        self._is_failing = False  # the last commit did, which has been said

    @property
    def is_pending(self) -> bool:
        """Whether something is to be committed."""
        return self._changed_since > 0.0

    @property
    def is_due(self) -> bool:
        now = time.monotonic()
        since = self._changed_since
        is_quiet = now - self._last_change >= _DELAY
        return since > 0.0 and (is_quiet or now - since >= _LIMIT) and self.may_commit()

    def may_commit(self) -> bool:
        """Whether it may be tried again after a failure."""
        return time.monotonic() >= self._next_try

    def note_change(self) -> None:
        """Something is to be committed soon."""
        self._last_change = time.monotonic()
        self._changed_since = self._changed_since or self._last_change

    def note_leftovers(self) -> None:
        """Something is to be committed by the next opportunity, since nobody changes it any more."""
        self._changed_since = time.monotonic()

    def begin(self) -> None:
        """What has changed up to now is about to be committed."""
        self._changed_since = 0.0

    def run(self, commit: Callable[[], None]) -> None:
        """Commits, in a thread. After a failure no commit is tried for a while, since it would fail for each handle of
        the repository in turn."""
        commits = self.may_commit()
        try:
            self._tasks.offload(commit)
        except (AnnexshellError, OSError) as error:
            if not self._is_failing:
                self._warn(str(error))
            self._is_failing = True
            self._changed_since = self._changed_since or time.monotonic()
            self._next_try = time.monotonic() + _PAUSE
        else:
            self._is_failing = self._is_failing and not commits
