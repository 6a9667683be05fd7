"""The HTTP API of git-annex: which operation a request asks for, of which repository, and whether the client may."""

from __future__ import annotations

from annexshell.errors import WrongRepository
from annexshell.serve.http.api.call import Call
from annexshell.serve.http.api.operations import OPERATIONS
from annexshell.wire.httprequest import parse_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.serve.http.access.auth import Access
    from annexshell.serve.http.http1.exchange import Exchange
    from annexshell.serve.http.repositories.directory import Repositories
    from annexshell.serve.http.repositories.served import ServedRepository


class Api:
    """Answers requests. `base` is the prefix of /git-annex in paths."""

    def __init__(self, repositories: Repositories, access: Access, base: bytes = b"") -> None:
        self._repositories = repositories
        self._access = access
        self._base = base

    def answer(self, exchange: Exchange, path: bytes, query: bytes) -> None:
        """Answers one request, or raises what it could not be fulfilled for, an AnnexshellError."""
        target = parse_path(path, self._base)
        endpoint = target.endpoint
        exchange.endpoint = endpoint.name
        if exchange.head.method not in endpoint.methods:
            exchange.error(405, "", (("Allow", b", ".join(endpoint.methods).decode()),))
            return
        exchange.call = call = Call(target, query)
        operation = OPERATIONS[endpoint]
        served = self._find(exchange, target.uuid, operation.right)
        exchange.repository = target.uuid
        operation.handler(exchange, call, served)

    def _find(self, exchange: Exchange, uuid: bytes, right: str) -> ServedRepository:
        """The repository that a request is for, if the client has the right there. For a node or cluster, the rules of
        the repository that proxies for it count."""
        authorization = exchange.head.header(b"authorization")
        visitor = self._access.visitor(authorization, exchange.sender.is_secure, exchange.sender.address)
        exchange.user = visitor.user
        visitor.check_anywhere(right)
        try:
            served = self._repositories.find(uuid)
        except WrongRepository:
            raise visitor.not_found() from None
        visitor.check(right, served.path, served.uuid)
        return served
