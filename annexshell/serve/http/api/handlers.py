"""The operations of the API as calls of the Repository port (upstream: P2P/Http/Server.hs)."""

from __future__ import annotations

import time

from annexshell.errors import (
    BadRequest,
    ContentLocked,
    LineTooLong,
    NodeFailed,
    NotPresent,
    Stalled,
    TooLate,
    TooManyLocks,
)
from annexshell.repo.local.leases import Holder
from annexshell.serve.http.api.content import send_content, send_range
from annexshell.serve.http.api.upload import answer_offset, take_upload
from annexshell.stream.port import MAX_LINE
from annexshell.wire.httprequest import read_unlock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.serve.http.api.call import Call
    from annexshell.serve.http.http1.exchange import Exchange
    from annexshell.serve.http.repositories.request import RequestRepository
    from annexshell.serve.http.repositories.served import ServedRepository

    Handler = Callable[[Exchange, Call, ServedRepository], None]

_LOOK = 2.0  # seconds between two looks whether a lock that a client is connected for is there still


def _with_repository(answer: Callable[[Exchange, Call, RequestRepository], None]) -> Handler:
    """A handler that has a repository to itself until it is done."""

    def handle(exchange: Exchange, call: Call, served: ServedRepository) -> None:
        lent = served.lend(call.target.uuid, call.client, call.bypass, exchange.user)
        try:
            answer(exchange, call, lent)
        finally:
            lent.close()

    return handle


# Presence and removal


def check_present(exchange: Exchange, call: Call, served: ServedRepository) -> None:
    present = served.knows(call.target.uuid, call.key)
    if present is None:
        _look_for_content(exchange, call, served)
    else:
        exchange.json({"present": present})


@_with_repository
def _look_for_content(exchange: Exchange, call: Call, lent: RequestRepository) -> None:
    exchange.json({"present": lent.call(lambda: lent.repository.present(call.key))})


@_with_repository
def get_timestamp(exchange: Exchange, call: Call, lent: RequestRepository) -> None:  # noqa: ARG001
    exchange.json({"timestamp": lent.call(lent.repository.timestamp)})


@_with_repository
def remove(exchange: Exchange, call: Call, lent: RequestRepository) -> None:
    uuids: list[bytes] = []
    removed = False
    try:
        uuids = lent.call(lambda: lent.repository.remove(call.key, call.before))
        removed = True
    except NodeFailed as error:
        uuids = error.uuids
    except (ContentLocked, TooLate):
        pass
    finally:
        lent.changed()
    exchange.json(call.with_uuids({"removed": removed}, uuids))


# Content


@_with_repository
def get(exchange: Exchange, call: Call, lent: RequestRepository) -> None:
    send_content(exchange, lent, call.key, call.offset, call.file)


@_with_repository
def get_plain(exchange: Exchange, call: Call, lent: RequestRepository) -> None:
    send_range(exchange, lent, call.key)


@_with_repository
def put_offset(exchange: Exchange, call: Call, lent: RequestRepository) -> None:
    answer, uuids = answer_offset(exchange, lent, call)
    exchange.json(answer if uuids is None else call.with_uuids(answer, uuids))


def put(exchange: Exchange, call: Call, served: ServedRepository) -> None:
    with served.uploads.place(exchange.sender.address):
        _store(exchange, call, served)


@_with_repository
def _store(exchange: Exchange, call: Call, lent: RequestRepository) -> None:
    stored, uuids = take_upload(exchange, lent, call)
    exchange.json(call.with_uuids({"stored": stored}, uuids))


# Locks


def lock_content(exchange: Exchange, call: Call, served: ServedRepository) -> None:
    lent = served.lend(call.target.uuid, call.client, call.bypass)
    try:
        holder = Holder(call.client, exchange.sender.address.encode(), exchange.user)
        lock_id = served.locks.lock(call.key, holder, lent)
    except (NotPresent, ContentLocked, TooManyLocks):
        exchange.json({"locked": False})
    else:
        exchange.json({"locked": True, "lockid": lock_id})


def keep_locked(exchange: Exchange, call: Call, served: ServedRepository) -> None:
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
    patience = exchange.stream.patience
    limits = patience.limit, patience.pace
    patience.limit = patience.pace = None  # it may hold its lock for as long as it is there
    exchange.interruptible = True
    try:
        while not is_over():
            patience.deadline = time.monotonic() + _LOOK
            try:
                return _read_unlock(exchange)
            except Stalled:
                pass
        exchange.dismiss()
        return False
    finally:
        patience.deadline = None
        patience.limit, patience.pace = limits


def _read_unlock(exchange: Exchange) -> bool:
    try:
        while (line := exchange.body.read_line()) is not None:
            if read_unlock(line):
                return True
        return read_unlock(exchange.body.buffered(MAX_LINE))  # the last line may have no end
    except LineTooLong as error:
        raise BadRequest(str(error)) from None
