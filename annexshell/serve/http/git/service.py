"""Answers requests for the urls of repositories that are not the API's."""

from __future__ import annotations

from annexshell.errors import (
    AnnexshellError,
    NotARepository,
    NotPresent,
)
from annexshell.git.program import with_config
from annexshell.git.serving import settings
from annexshell.model.access import APPEND_ONLY, READ_WRITE
from annexshell.model.key import key_from_file_name
from annexshell.model.show import visible
from annexshell.serve.http.access.rules import GIT, PUSH, READ, REMOVE, WRITE
from annexshell.serve.http.api.content import send_range
from annexshell.serve.http.git import cgi
from annexshell.serve.http.git.chunks import Chunks
from annexshell.serve.http.git.discovery import HEADERS, api_url, config_text
from annexshell.serve.http.git.process import Backend
from annexshell.serve.http.git.target import CONFIG, OBJECT, RECEIVE_PACK, parse_target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.disk.spawn import Environment
    from annexshell.green.tasks import Tasks
    from annexshell.serve.http.access.auth import Access, Visitor
    from annexshell.serve.http.git.target import Target
    from annexshell.serve.http.http1.exchange import Exchange
    from annexshell.serve.http.repositories.directory import Repositories
    from annexshell.serve.http.repositories.places import Place, Places

_ANNEX_BRANCHES = (b"refs/heads/git-annex", b"refs/heads/synced/git-annex")


class GitService:
    """git over HTTP for the repositories of a server. `env` is the environment of git, `report` gets faults."""

    def __init__(
        self,
        places: Places,
        repositories: Repositories,
        access: Access,
        env: Environment,
        tasks: Tasks,
        report: Callable[[str], None],
        base: bytes = b"",
    ) -> None:
        self._places = places
        self._repositories = repositories
        self._access = access
        self._env = cgi.kept(env)
        self._tasks = tasks
        self._report = report
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
        visitor = self._access.visitor(exchange.head.header(b"authorization"), exchange.secure, exchange.peer)
        exchange.user = visitor.user
        place = self._find(visitor, target)
        if target.endpoint == CONFIG:
            exchange.respond(200, config_text(place, api_url(exchange, self._base)), HEADERS)
        elif target.endpoint == OBJECT:
            self._send_object(exchange, place, target.name)
        else:
            self._run(exchange, visitor, place, target)
        return True

    def _find(self, visitor: Visitor, target: Target) -> Place:
        """The repository, if the visitor may do that there. Nothing on disk is looked at for who may not, so that the
        time of the answer does not tell what exists."""
        action = _action(target)
        visitor.check_anywhere(action)
        refusal: AnnexshellError | None = None
        for path in self._places.candidates(target.words):
            try:
                visitor.check(action, path, self._repositories.uuid_at(path))
                place = self._places.find(path)
                if place is None:
                    continue
                visitor.check(action, path, place.uuid)
            except AnnexshellError as error:
                refusal = refusal or error
            else:
                return place
        raise refusal or visitor.not_found()

    def _send_object(self, exchange: Exchange, place: Place, name: bytes) -> None:
        served = self._repositories.at(place.path) if place.uuid else None
        if served is None or served.uuid != place.uuid:
            raise NotPresent("there is no such object here")
        backend = served.backend(served.uuid, b"", [])
        try:
            send_range(exchange, backend, key_from_file_name(name))
        finally:
            backend.close()

    def _run(self, exchange: Exchange, visitor: Visitor, place: Place, target: Target) -> None:
        if not target.service:
            exchange.error(403, "only git's smart protocol is spoken here")
            return
        if not cgi.is_known_coding(exchange.head):
            exchange.error(415, "the coding of the body is unknown")
            return
        if not place.is_trusted:
            self._report(f"{place.path!r} belongs to somebody else: git refuses to work in it")
            raise NotARepository("git refuses to work in this repository")
        backend = Backend(self._environment(exchange, visitor, place, target), self._tasks)
        wants_rest = target.service == RECEIVE_PACK
        try:
            backend.feed(exchange.body if exchange.head.method == b"POST" else None)
            _pass_on(exchange, backend)
        finally:
            backend.end(wants_rest)
            if backend.complaint and not backend.cut_off:
                self._report(f"git: {visible(backend.complaint.decode('utf-8', 'replace'))}")

    def _environment(self, exchange: Exchange, visitor: Visitor, place: Place, target: Target) -> Environment:
        told = cgi.variables(target, exchange.head, place.paths.git_dir, visitor.user, exchange.peer)
        configured = settings(self._mode(visitor, place), place.config) | {
            b"http.getanyfile": b"false",
            b"http.uploadpack": b"true",
            b"http.receivepack": b"true" if target.service == RECEIVE_PACK else b"false",
            b"safe.directory": b"*",
        }
        env = with_config({**self._env, **told}, configured)
        if not visitor.may(WRITE, place.path, place.uuid):
            for ref in _ANNEX_BRANCHES:
                env = with_config(env, {b"receive.hideRefs": ref})
        return env

    def _mode(self, visitor: Visitor, place: Place) -> str:
        return READ_WRITE if visitor.may(REMOVE, place.path, place.uuid) else APPEND_ONLY


def _action(target: Target) -> str:
    if target.asks_for_push:
        return PUSH
    return READ if target.endpoint == OBJECT else GIT


def _pass_on(exchange: Exchange, backend: Backend) -> None:
    head, begun = backend.read_head()
    if head.status != 200:
        backend.stop_feeding()
        exchange.error(head.status, "")
        return
    if not begun:
        backend.output.wait_readable()  # the answer begins when there is one, and not while a push is coming in still
    exchange.stream.write(exchange.begin(200, None, head.headers))
    if exchange.head.method == b"HEAD":
        return
    exchange.broken = True
    chunks = exchange.sink = Chunks(exchange)
    chunks.write(begun)
    while chunks.pass_on(backend.output):
        pass
    backend.stop_feeding()
    chunks.end()
    exchange.broken = False
