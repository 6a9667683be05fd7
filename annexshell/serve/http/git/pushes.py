"""What surrounds a push: the repository that it is for may have to be made first, and looked after when it is over."""

from __future__ import annotations

from contextlib import contextmanager

from annexshell.errors import AccessDenied, AnnexshellError
from annexshell.git.config import read_config
from annexshell.git.program import Git
from annexshell.repo.initialization.creating import check_name, create, hold, note_filled
from annexshell.repo.initialization.pushed import after_push
from annexshell.serve.http.access.rules import CREATE, PUSH
from annexshell.serve.http.git.target import INFO_REFS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from annexshell.disk.spawn import Environment
    from annexshell.green.tasks import Tasks
    from annexshell.serve.http.access.auth import Visitor
    from annexshell.serve.http.git.target import Target
    from annexshell.serve.http.http1.exchange import Exchange
    from annexshell.serve.http.repositories.places import Place, Places

_BROWSERS = (b"origin", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest")


class Pushes:
    """New repositories go below `directories`; there are none if it is empty."""

    def __init__(
        self,
        places: Places,
        directories: Sequence[bytes],
        env: Environment,
        tasks: Tasks,
        report: Callable[[str], None],
    ) -> None:
        self._places = places
        self._directories = directories
        self._env = env
        self._tasks = tasks
        self._report = report

    def created(self, exchange: Exchange, visitor: Visitor, target: Target) -> Place | None:
        """The repository that is made for a push to where there is none, by who may make one there; else None. Raises
        Refused, ChildFailed, OSError."""
        if target.endpoint != INFO_REFS or not target.asks_for_push or not target.words:
            return None
        top = self._top(visitor, target)
        if top is None:
            self._ask_for_login(visitor, target)
            return None
        if any(self._places.find(path) is not None for path in self._places.candidates(target.words)):
            return None
        if any(map(exchange.head.header, _BROWSERS)) or exchange.head.header(b"user-agent").startswith(b"Mozilla/"):
            raise AccessDenied("repositories are made by a push of git's, and not from a browser")
        check_name(target.words)
        path = self._tasks.offload(
            lambda: create(top, target.words, visitor.user or b"anonymous", None, self._env, self._report)
        )
        return self._places.find(path)

    def may_create(self, visitor: Visitor, target: Target) -> bool:
        """Whether a push by the visitor would make a repository where there is none."""
        return bool(target.words) and self._top(visitor, target) is not None

    def _top(self, visitor: Visitor, target: Target) -> bytes | None:
        return next((top for top in self._directories if visitor.may(CREATE, _path(top, target), b"")), None)

    def _ask_for_login(self, visitor: Visitor, target: Target) -> None:
        """Who has not logged in may be somebody who may make a repository there. Raises NeedsLogin."""
        if any(visitor.may(PUSH, path, b"") for path in self._places.candidates(target.words)):
            return
        for top in self._directories:
            visitor.check_login(CREATE, _path(top, target))

    @contextmanager
    def under_way(self, place: Place) -> Iterator[None]:
        """For as long as a push lasts. Raises WrongRepository."""
        lock = self._tasks.offload(lambda: hold(place.paths, place.config))
        try:
            yield
        finally:
            if lock is not None:
                lock.release()

    def ended(self, place: Place, may_initialize: bool) -> None:
        """A push has come to a good end."""
        self._tasks.offload(lambda: self._look_after(place, may_initialize))

    def _look_after(self, place: Place, may_initialize: bool) -> None:
        git = Git(place.paths.git_dir, self._env)
        try:
            after_push(place.paths, git, may_initialize, self._report)
            note_filled(git, read_config(git))
        except (AnnexshellError, OSError) as error:
            self._report(f"{place.shown}: {error}")
        finally:
            git.close()


def _path(top: bytes, target: Target) -> bytes:
    *above, last = target.words
    return b"/".join([top.rstrip(b"/"), *above, last if last.endswith(b".git") else last + b".git"])
