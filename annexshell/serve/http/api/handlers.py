"""The requests of the API as calls of the Repository port (upstream: P2P/Http/Server.hs)."""

from __future__ import annotations

import time

from annexshell.errors import (
    AccessDenied,
    AnnexshellError,
    BadRequest,
    ChildFailed,
    ContentLocked,
    DiskFull,
    LineTooLong,
    LockTimeout,
    NeedsLogin,
    NodeError,
    NodeFailed,
    NoSuchEndpoint,
    NotARepository,
    NotEncodable,
    NotPresent,
    PeerGone,
    QuotaExceeded,
    Refused,
    Stalled,
    TooLate,
    TooManyLocks,
    TooManyLogins,
    TransferBusy,
    WrongRepository,
    internal_error,
)
from annexshell.model.show import for_client
from annexshell.repo.local.leases import Holder
from annexshell.serve.http.access import auth
from annexshell.serve.http.api.call import Call
from annexshell.serve.http.api.content import send_content, send_range
from annexshell.serve.http.api.upload import answer_offset, take_upload
from annexshell.wire.httprequest import (
    Target,
    parse_path,
    read_unlock,
    split_target,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.serve.http.http1.exchange import Exchange
    from annexshell.serve.http.repositories.backend import Backend
    from annexshell.serve.http.repositories.directory import Repositories
    from annexshell.serve.http.repositories.served import Served

# Statuses by kind of error, the first that fits. A 404 makes a client ask again with an older version, so that it is
# only for what does not exist.
_STATUSES: tuple[tuple[type[AnnexshellError], int], ...] = (
    (BadRequest, 400),
    (NotEncodable, 400),
    (NeedsLogin, 401),
    (NoSuchEndpoint, 404),
    (WrongRepository, 404),
    (NotPresent, 404),
    (NotARepository, 503),
    (QuotaExceeded, 507),
    (AccessDenied, 403),
    (TooManyLogins, 429),
    (Refused, 403),
    (Stalled, 408),
    (TransferBusy, 409),
    (DiskFull, 507),
    (LockTimeout, 503),
    (ChildFailed, 500),
    (NodeError, 502),
)


_LOOK = 2.0  # seconds between two looks whether a lock that a client is connected for is there still


class Api:
    """Answers requests. `base` is the prefix of /git-annex in paths; `report` gets faults of this server."""

    def __init__(
        self,
        repositories: Repositories,
        access: auth.Access,
        report: Callable[[str], None],
        base: bytes = b"",
    ) -> None:
        self._repositories = repositories
        self._access = access
        self._report = report
        self._base = base
        self.git: Callable[[Exchange, bytes, bytes], bool] | None = None  # answers what is git's
        self.pages: dict[bytes, tuple[str, Callable[[Exchange], None]]] = {}  # besides the API, by path below the base

    def handle(self, exchange: Exchange) -> None:
        """Answers one request, whatever happens. Raises PeerGone, Malformed when the client is gone or confused."""
        try:
            self._answer(exchange)
        except AnnexshellError as error:
            is_gone = isinstance(error, PeerGone) and not isinstance(error, Stalled)
            if exchange.broken or exchange.answered or is_gone:
                raise
            self._fail(exchange, error)

    def _fail(self, exchange: Exchange, error: AnnexshellError) -> None:
        status = next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)
        if status >= 500 and not isinstance(error, QuotaExceeded):
            self._report(str(error))
        if exchange.endpoint == "putoffset" and exchange.user and status not in (400, 404):
            # After a refusal git-annex would try to upload without its password first, have no body left for the try
            # with it, and tell its user of that. So what is wrong is said in answer to the upload.
            exchange.json({"offset": 0})
            return
        exchange.error(status, for_client(error.public), auth.CHALLENGE if status == 401 else ())

    def _answer(self, exchange: Exchange) -> None:
        path, query = split_target(exchange.head.raw_target)
        page = self.pages.get(path.removeprefix(self._base))
        if page is not None and path.startswith(self._base) and exchange.head.method in (b"GET", b"HEAD"):
            exchange.endpoint, answer = page
            answer(exchange)
            return
        if self.git is not None and self.git(exchange, path, query):
            return
        target = parse_path(path, self._base)
        exchange.endpoint = target.endpoint
        methods = (b"GET", b"HEAD") if target.endpoint == "key" else (b"POST",)
        if exchange.head.method not in methods:
            exchange.error(405, "", (("Allow", b", ".join(methods).decode()),))
            return
        exchange.call = call = Call(target, query)
        served = self._find(exchange, target)
        exchange.repository = target.uuid
        if target.endpoint == "keeplocked":
            self._keep_locked(exchange, call, served)
        elif target.endpoint == "lockcontent":
            self._lock(exchange, call, served)
        elif target.endpoint == "checkpresent" and (present := served.knows(target.uuid, call.key)) is not None:
            exchange.json({"present": present})
        else:
            backend = served.backend(target.uuid, call.client, call.bypass, exchange.user)
            try:
                _HANDLERS[target.endpoint](exchange, call, backend)
            finally:
                backend.close()

    def _find(self, exchange: Exchange, target: Target) -> Served:
        """The repository that a request is for, if the client may do that there. For a node or cluster, the rules of
        the repository that proxies for it count."""
        authorization = exchange.head.header(b"authorization")
        visitor = self._access.visitor(authorization, exchange.secure, exchange.peer)
        exchange.user = visitor.user
        action = auth.ACTIONS[target.endpoint]
        visitor.check_anywhere(action)
        try:
            served = self._repositories.find(target.uuid)
        except WrongRepository:
            raise visitor.not_found() from None
        visitor.check(action, served.path, served.uuid)
        return served

    def _lock(self, exchange: Exchange, call: Call, served: Served) -> None:
        backend = served.backend(call.target.uuid, call.client, call.bypass)
        try:
            holder = Holder(call.client, exchange.peer.encode(), exchange.user)
            lock_id = served.locks.lock(call.key, holder, backend)
        except (NotPresent, ContentLocked, TooManyLocks):
            exchange.json({"locked": False})
        else:
            exchange.json({"locked": True, "lockid": lock_id})

    def _keep_locked(self, exchange: Exchange, call: Call, served: Served) -> None:
        """Waits for the client to end its lock, for as long as there is a lock. A silent or vanished client changes
        nothing."""
        locks = served.locks
        if not locks.keep(call.lock_id, call.target.uuid):
            exchange.dismiss()
        else:
            try:
                if _await_unlock(exchange, lambda: locks.is_over(call.lock_id)):
                    locks.release(call.lock_id)
            finally:
                locks.leave(call.lock_id)
        exchange.json({"locked": False})


def _await_unlock(exchange: Exchange, is_over: Callable[[], bool]) -> bool:
    """Whether the client ends its lock, before the end of its request or of the lock itself."""
    stream = exchange.stream
    limits = stream.limit, stream.pace
    stream.limit = stream.pace = None  # it may hold its lock for as long as it is there
    exchange.interruptible = True
    try:
        while not is_over():
            stream.deadline = time.monotonic() + _LOOK
            try:
                return _read_unlock(exchange)
            except Stalled:
                pass
        exchange.dismiss()
        return False
    finally:
        stream.deadline = None
        stream.limit, stream.pace = limits


def _read_unlock(exchange: Exchange) -> bool:
    try:
        while (line := exchange.body.read_line()) is not None:
            if read_unlock(line):
                return True
    except LineTooLong as error:
        raise BadRequest(str(error)) from None
    return False


def _check_present(exchange: Exchange, call: Call, backend: Backend) -> None:
    exchange.json({"present": backend.call(lambda: backend.repository.present(call.key))})


def _timestamp(exchange: Exchange, call: Call, backend: Backend) -> None:  # noqa: ARG001
    exchange.json({"timestamp": backend.call(backend.repository.timestamp)})


def _remove(exchange: Exchange, call: Call, backend: Backend) -> None:
    uuids: list[bytes] = []
    removed = False
    try:
        uuids = backend.call(lambda: backend.repository.remove(call.key, call.before))
        removed = True
    except NodeFailed as error:
        uuids = error.uuids
    except (ContentLocked, TooLate):
        pass
    finally:
        backend.changed()
    exchange.json(call.with_uuids({"removed": removed}, uuids))


def _get(exchange: Exchange, call: Call, backend: Backend) -> None:
    if call.target.version is None:
        send_range(exchange, backend, call.key)
    else:
        send_content(exchange, backend, call.key, call.offset, call.file)


def _put_offset(exchange: Exchange, call: Call, backend: Backend) -> None:
    answer, uuids = answer_offset(exchange, backend, call)
    exchange.json(answer if uuids is None else call.with_uuids(answer, uuids))


def _put(exchange: Exchange, call: Call, backend: Backend) -> None:
    stored, uuids = take_upload(exchange, backend, call)
    exchange.json(call.with_uuids({"stored": stored}, uuids))


_HANDLERS = {
    "key": _get,
    "checkpresent": _check_present,
    "gettimestamp": _timestamp,
    "putoffset": _put_offset,
    "put": _put,
    "remove": _remove,
    "remove-before": _remove,
}


def unexpected(error: Exception) -> AnnexshellError:
    """The error for a mistake in this program."""
    return internal_error(error)
