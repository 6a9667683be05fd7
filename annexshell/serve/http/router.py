"""Which part of the server answers a request, as its path says, and the answer if that part could not."""

from __future__ import annotations

from annexshell.errors import AnnexshellError, PeerGone, Stalled
from annexshell.serve.http.api.refusals import refuse
from annexshell.wire.httprequest import split_target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Protocol

    from annexshell.serve.http.api.dispatch import Api
    from annexshell.serve.http.http1.exchange import Exchange

    class Urls(Protocol):
        """The urls of repositories by their paths."""

        def answer(self, exchange: Exchange, path: bytes, query: bytes) -> bool:
            """Answers a request that is for one of them, else returns False. Raises AnnexshellError."""

    class GitUrls(Urls, Protocol):
        """Those for git."""

        def plain(self, exchange: Exchange, path: bytes) -> bytes:
            """The path of a request of the API without that of the repository which it may have in front."""


class Page:
    """Something to look at besides the API, by GET or HEAD. `name` is what it is counted and logged as; `answer` may
    raise an AnnexshellError."""

    __slots__ = ("answer", "name")

    def __init__(self, name: str, answer: Callable[[Exchange], None]) -> None:
        self.name = name
        self.answer = answer


class Router:
    """Gives each request to one of `pages`, by the path below `base`; to `git` or `browse`, which say whether they have
    answered; or to the API. `report` gets faults of this server."""

    def __init__(
        self,
        api: Api,
        pages: Mapping[bytes, Page],
        git: GitUrls | None,
        report: Callable[[str], None],
        base: bytes = b"",
        browse: Urls | None = None,
    ) -> None:
        self._api = api
        self._pages = pages
        self._git = git
        self._browse = browse
        self._report = report
        self._base = base

    def handle(self, exchange: Exchange) -> None:
        """Answers one request, whatever happens. Raises PeerGone, Malformed when the client is gone or confused."""
        try:
            self._answer(exchange)
        except AnnexshellError as error:
            is_gone = isinstance(error, PeerGone) and not isinstance(error, Stalled)
            if exchange.broken or exchange.answered or is_gone:
                raise
            refuse(exchange, error, self._report)

    def _answer(self, exchange: Exchange) -> None:
        path, query = split_target(exchange.head.raw_target)
        page = self._page(path) if exchange.head.method in (b"GET", b"HEAD") else None
        if page is not None:
            exchange.endpoint = page.name
            page.answer(exchange)
        else:
            self._answer_urls(exchange, path, query)

    def _answer_urls(self, exchange: Exchange, path: bytes, query: bytes) -> None:
        if self._git is not None:
            if self._git.answer(exchange, path, query):
                return
            path = self._git.plain(exchange, path)
        if self._browse is None or not self._browse.answer(exchange, path, query):
            self._api.answer(exchange, path, query)

    def _page(self, path: bytes) -> Page | None:
        return self._pages.get(path[len(self._base) :]) if path.startswith(self._base) else None
