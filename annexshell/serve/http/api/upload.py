"""Uploads (upstream: P2P/Http/Server.hs servePut, servePutOffset)."""

from __future__ import annotations

import os

from annexshell.errors import (
    AnnexshellError,
    BadRequest,
    NodeFailed,
    NotPresent,
    PeerGone,
    TransferBusy,
    VerificationFailed,
)
from annexshell.relay.copy import discard, receive
from annexshell.repo.local.turn import LIMIT, put_in_turn
from annexshell.repo.port import AlreadyHave, Writing
from annexshell.wire.httprequest import read_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.serve.http.api.call import Call
    from annexshell.serve.http.http1.exchange import Exchange
    from annexshell.serve.http.repositories.request import RequestRepository

# Seconds to wait for somebody else who uploads the same content, for who only asks: long enough for a client to take
# over from itself.
_OFFSET_LIMIT = 2.5
_LENGTH = b"x-git-annex-data-length"


def answer_offset(
    exchange: Exchange, lent: RequestRepository, call: Call
) -> tuple[dict[str, object], list[bytes] | None]:
    """The answer from where an upload can continue, or that none is needed, with further repositories that have the
    key.
    """
    try:
        result = _begin(exchange, lent, call, _OFFSET_LIMIT)
    except TransferBusy:
        return {"offset": 0}, None
    if isinstance(result, AlreadyHave):
        return {"alreadyhave": True}, result.uuids
    lent.call(result.abandon)
    return {"offset": result.offset}, None


def take_upload(exchange: Exchange, lent: RequestRepository, call: Call) -> tuple[bool, list[bytes]]:
    """Stores what the client sends; returns whether it is here now, and the further repositories that have it."""
    length = _data_length(exchange)
    offset = call.offset
    size = call.key.size
    if call.data_present:
        return _confirm(lent, call)
    if size is not None and offset + length > size:
        return False, []  # it can't be the content, and nothing of it is worth keeping
    result = _begin(exchange, lent, call, LIMIT)
    if isinstance(result, AlreadyHave):
        return True, result.uuids
    takeovers = lent.takeovers
    takeovers.begin(call.upload, exchange, _who(exchange, call))
    try:
        if not _receive(exchange, lent, result, length, offset) or (size is not None and offset + length < size):
            lent.call(result.abandon)
            return False, []
    except BaseException:
        lent.call(result.abandon)
        raise
    finally:
        takeovers.end(call.upload, exchange)
    try:
        uuids = lent.call(lambda: result.finish(True))
    except (VerificationFailed, NodeFailed) as error:
        lent.warn(f"{os.fsdecode(call.key.serialized)} was not stored: {error}")
        return False, []
    finally:
        lent.changed()
    return True, uuids


def _data_length(exchange: Exchange) -> int:
    value = exchange.head.header(_LENGTH)
    if not value:
        raise BadRequest("Header X-git-annex-data-length is required")
    try:
        return read_number(value)
    except BadRequest:
        raise BadRequest("Error parsing header X-git-annex-data-length failed") from None


def _who(exchange: Exchange, call: Call) -> bytes:
    """The client that an upload belongs to: all users of a web page may give the same uuid, but not the same
    address."""
    return b"%b %b" % (call.client, exchange.sender.address.encode())


def _begin(exchange: Exchange, lent: RequestRepository, call: Call, limit: float) -> AlreadyHave | Writing:
    """Like Repository.put, but waits up to `limit` seconds while somebody else stores the key. Raises TransferBusy
    then.
    """
    tasks = lent.settings.tasks
    takeover = lent.takeovers.request(call.upload, _who(exchange, call))

    def pause(seconds: float) -> None:
        tasks.offload(takeover.ask)
        exchange.stream.pause(seconds)

    try:
        return put_in_turn(lambda: lent.call(lambda: lent.repository.put(call.key, call.file)), pause, limit=limit)
    finally:
        takeover.withdraw()


def _receive(exchange: Exchange, lent: RequestRepository, writing: Writing, length: int, offset: int) -> bool:
    """Whether as much came as was announced, and it fits to what is there."""
    known = writing.offset - offset  # bytes that are sent although they are here
    if not 0 <= known <= length:
        return False
    body = exchange.body
    try:
        if known and discard(body, known) < known:
            return False
        receive(body, lambda rest: lent.call(lambda: writing.begin(rest)), length - known)
    except PeerGone:
        if body.ended:
            return False
        raise
    return body.at_end()


def _confirm(lent: RequestRepository, call: Call) -> tuple[bool, list[bytes]]:
    """Handles an object that arrived another way, as the client says."""
    try:
        result = lent.call(lambda: lent.repository.put(call.key, call.file))
        if isinstance(result, AlreadyHave):
            return True, result.uuids
        return True, lent.call(result.finish_present)
    except (NotPresent, NodeFailed, VerificationFailed):
        return False, []
    except AnnexshellError:
        raise
    finally:
        lent.changed()
