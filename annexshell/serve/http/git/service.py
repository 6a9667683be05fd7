"""Answers requests for the urls of repositories that are not the API's."""

from __future__ import annotations

from annexshell.errors import NotPresent, QuotaExceeded, WrongRepository
from annexshell.git.serving import input_limit, settings
from annexshell.model.access import APPEND_ONLY, READ_WRITE
from annexshell.model.key import key_from_file_name
from annexshell.repo.local.quota import LimitedRepository
from annexshell.serve.http.access.rules import GIT, PUSH, READ, REMOVE, WRITE
from annexshell.serve.http.api.content import send_range
from annexshell.serve.http.git.discovery import HEADERS, NOT_YET, config_text
from annexshell.serve.http.git.finding import find_place
from annexshell.serve.http.git.target import CONFIG, OBJECT, RECEIVE_PACK, parse_target, split_api

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.serve.http.access.auth import Access, Visitor
    from annexshell.serve.http.git.pushes import Pushes
    from annexshell.serve.http.git.running import Runner
    from annexshell.serve.http.git.target import Target
    from annexshell.serve.http.http1.exchange import Exchange
    from annexshell.serve.http.repositories.directory import Repositories
    from annexshell.serve.http.repositories.places import Place, Places

_ANNEX_BRANCHES = (b"refs/heads/git-annex", b"refs/heads/synced/git-annex")


class GitService:
    """git over HTTP for the repositories of a server. `api_url` says where clients find the API of a repository by the
    words of its path."""

    def __init__(
        self,
        places: Places,
        repositories: Repositories,
        access: Access,
        runner: Runner,
        pushes: Pushes,
        api_url: Callable[[Exchange, tuple[bytes, ...]], bytes],
        base: bytes = b"",
    ) -> None:
        self._places = places
        self._repositories = repositories
        self._access = access
        self._runner = runner
        self._pushes = pushes
        self._api_url = api_url
        self._base = base

    def answer(self, exchange: Exchange, path: bytes, query: bytes) -> bool:
        """Answers a request if it is for one of our urls, else returns False. Raises AnnexshellError."""
        target = parse_target(path, query, self._base)
        if target is None:
            return False
        exchange.endpoint = target.endpoint
        if exchange.head.method not in target.methods:
            exchange.error(405, "", (("Allow", b", ".join(target.methods).decode()),))
            return True
        visitor = self._access.visitor(
            exchange.head.header(b"authorization"), exchange.sender.is_secure, exchange.sender.address
        )
        exchange.user = visitor.user
        place = self._pushes.created(exchange, visitor, target)
        if place is None:
            try:
                place = find_place(self._places, self._repositories, visitor, target.words, _action(target))
            except WrongRepository:
                if target.endpoint != CONFIG or not self._pushes.may_create(visitor, target):
                    raise
                exchange.respond(200, NOT_YET, HEADERS)
                return True
        if target.endpoint == CONFIG:
            exchange.respond(200, config_text(place, self._api_url(exchange, target.words)), HEADERS)
        elif target.endpoint == OBJECT:
            self._send_object(exchange, place, target.name)
        else:
            self._run(exchange, visitor, place, target)
        return True

    def plain(self, exchange: Exchange, path: bytes) -> bytes:
        """The path of a request of the API without that of the repository which it may have in front. Repositories that
        a search does not find are known from then on, to who may see them."""
        found = split_api(path, self._base)
        if found is None:
            return path
        words, rest = found
        visitor = self._access.visitor(
            exchange.head.header(b"authorization"), exchange.sender.is_secure, exchange.sender.address
        )
        for candidate in self._places.candidates(words):
            if self._repositories.uuid_at(candidate) or not visitor.may(READ, candidate, b""):
                continue
            place = self._places.find(candidate)
            if place is not None and place.uuid:
                self._repositories.at(candidate)
        return rest

    def _send_object(self, exchange: Exchange, place: Place, name: bytes) -> None:
        served = self._repositories.at(place.path) if place.uuid else None
        if served is None or served.uuid != place.uuid:
            raise NotPresent("there is no such object here")
        lent = served.lend(served.uuid)
        try:
            send_range(exchange, lent, key_from_file_name(name))
        finally:
            lent.close()

    def _room(self, place: Place) -> int | None:
        """Bytes that a quota leaves, None without one."""
        served = self._repositories.at(place.path) if place.uuid else None
        if served is None:
            return None
        lent = served.lend(served.uuid)
        try:
            repository = lent.repository
            return lent.offload(repository.room) if isinstance(repository, LimitedRepository) else None
        finally:
            lent.close()

    def _run(self, exchange: Exchange, visitor: Visitor, place: Place, target: Target) -> None:
        if target.service != RECEIVE_PACK:
            chosen = settings(READ_WRITE, place.config)
            self._runner.run(exchange, place, target, chosen.items(), lambda: None)
            return

        def may(action: str) -> bool:
            return visitor.may(action, place.path, place.uuid)

        chosen = settings(READ_WRITE if may(REMOVE) else APPEND_ONLY, place.config)
        hidden = [] if may(WRITE) else [(b"receive.hideRefs", ref) for ref in _ANNEX_BRANCHES]
        room = self._room(place) if exchange.head.method == b"POST" else None
        if room == 0:
            raise QuotaExceeded("the quota of this repository is used up: nothing can be pushed")
        if room is not None:
            chosen |= input_limit(place.config, room)
        with self._pushes.under_way(place):
            self._runner.run(
                exchange, place, target, [*chosen.items(), *hidden], lambda: self._pushes.ended(place, may(WRITE))
            )


def _action(target: Target) -> str:
    if target.asks_for_push:
        return PUSH
    return READ if target.endpoint == OBJECT else GIT
