"""Answers to requests that could not be fulfilled: the status for each kind of error."""

from __future__ import annotations

from annexshell.errors import (
    AccessDenied,
    AnnexshellError,
    BadRequest,
    ChildFailed,
    DiskFull,
    LockTimeout,
    NeedsLogin,
    NodeError,
    NoSuchEndpoint,
    NotARepository,
    NotEncodable,
    NotPresent,
    QuotaExceeded,
    Refused,
    Stalled,
    TooBusy,
    TooManyLogins,
    TransferBusy,
    WrongRepository,
)
from annexshell.model.show import for_client
from annexshell.serve.http.access.auth import CHALLENGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.serve.http.http1.exchange import Exchange

# The first that fits counts. A 404 makes a client ask again with an older version, so it is only for what does not
# exist.
_STATUSES: tuple[tuple[type[AnnexshellError], int], ...] = (
    (BadRequest, 400),
    (NotEncodable, 400),
    (NeedsLogin, 401),
    (NoSuchEndpoint, 404),
    (WrongRepository, 404),
    (NotPresent, 404),
    (NotARepository, 503),
    (TooBusy, 503),
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


def status_of(error: AnnexshellError) -> int:
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


def refuse(exchange: Exchange, error: AnnexshellError, report: Callable[[str], None]) -> None:
    """Answers a request that ended with an error. `report` is told of those that are this server's fault."""
    status = status_of(error)
    if status >= 500 and not isinstance(error, (QuotaExceeded, TooBusy)):
        report(str(error))
    if exchange.endpoint == "putoffset" and exchange.user and status not in (400, 404):
        # After a refusal git-annex would try to upload without its password first, have no body left for the try with
        # it, and tell its user of that. So the error is told in answer to the upload.
        exchange.json({"offset": 0})
        return
    exchange.error(status, for_client(error.public), CHALLENGE if status == 401 else ())
