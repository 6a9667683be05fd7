"""A page for browsers about what the server is doing: plain HTML and SVG, which loads nothing and runs no script."""

from __future__ import annotations

import os

from annexshell.errors import AccessDenied, NeedsLogin, WrongRepository
from annexshell.serve.http.access.rules import READ
from annexshell.serve.http.reporting.counting import Totals
from annexshell.serve.http.status.page import HEADERS, page
from annexshell.serve.http.status.view import RepositoryView, StatusView, Summaries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.green.tasks import Tasks
    from annexshell.serve.http.access.auth import Access, Visitor
    from annexshell.serve.http.http1.exchange import Exchange
    from annexshell.serve.http.reporting.scoreboard import Scoreboard
    from annexshell.serve.http.repositories.directory import Repositories
    from annexshell.serve.http.repositories.served import ServedRepository


class StatusPage:
    """Shows visitors the repositories that they may read, and facts about the whole server if they may read all."""

    def __init__(self, board: Scoreboard, repositories: Repositories, access: Access, tasks: Tasks) -> None:
        self._board = board
        self._repositories = repositories
        self._access = access
        self._tasks = tasks
        self._summaries = Summaries(tasks)

    def answer(self, exchange: Exchange) -> None:
        """Raises NeedsLogin, AccessDenied, BadRequest, TooManyLogins."""
        authorization = exchange.head.header(b"authorization")
        visitor = self._access.visitor(authorization, exchange.sender.is_secure, exchange.sender.address)
        exchange.user = visitor.user
        if exchange.head.raw_target.endswith(b"?login") and visitor.may_log_in:
            raise NeedsLogin("a user name and a password are needed")
        visitor.check_anywhere(READ)
        self._repositories.search()
        everything = self._repositories.all
        visible = [served for served in everything if _may_read(visitor, served)]
        if everything and not visible and visitor.may_log_in:
            raise NeedsLogin("a user name and a password are needed")
        sees_all = len(visible) == len(everything)
        text, shown = self._tasks.offload(lambda: self._page(visible, visitor, sees_all))
        self._summaries.refresh(shown, everything)
        exchange.respond(200, text, HEADERS)

    def _page(
        self, visible: list[ServedRepository], visitor: Visitor, sees_all: bool
    ) -> tuple[bytes, list[ServedRepository]]:
        """The page, and the repositories that it is about in detail."""
        totals = Totals(self._board)
        repositories = [RepositoryView(served, totals, self._summaries) for served in visible]
        view = StatusView(repositories, os.fsdecode(visitor.user), visitor.may_log_in)
        view.add_transfers(totals.transfers)
        if sees_all:
            view.show_all(totals)
        return page(view), [repository.served for repository in view.shown]


def _may_read(visitor: Visitor, served: ServedRepository) -> bool:
    try:
        visitor.check(READ, served.path, served.uuid)
    except (AccessDenied, NeedsLogin, WrongRepository):
        return False
    return True
