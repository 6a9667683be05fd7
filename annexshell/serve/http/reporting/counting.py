"""What is counted of requests: a worker's side, which writes, and the sums over all workers, for whoever shows them.

What clients send is counted under names from fixed lists, and under the uuids of repositories that are really served:
no request can make a new name.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_left

from annexshell.serve.http.reporting.scoreboard import ROW_FIELDS, Scoreboard
from annexshell.wire.endpoints import ENDPOINTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from annexshell.serve.http.http1.exchange import Exchange
    from annexshell.serve.http.reporting.scoreboard import Row, Slot

METHODS = ("GET", "HEAD", "POST", "OPTIONS", "other")
_GIT = ("info/refs", "git-upload-pack", "git-receive-pack", "config", "object")
LABELS = (*ENDPOINTS, *_GIT, "browse", "healthz", "status", "other")  # of what was asked for
STATUSES = (200, 204, 206, 304, 400, 401, 403, 404, 405, 408, 409, 411, 413, 414, 415, 416, 429, 431, 499, 500, 501,
            502, 503, 505, 507, 0)  # fmt: skip
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0)  # seconds

_METHOD = {name.encode(): number for number, name in enumerate(METHODS)}
_LABEL = {name: number for number, name in enumerate(LABELS)}
_STATUS = {status: number for number, status in enumerate(STATUSES)}
_OTHER_METHOD, _OTHER_LABEL, _OTHER_STATUS = len(METHODS) - 1, len(LABELS) - 1, len(STATUSES) - 1

# Where things are among the numbers of a slot.
_DURATIONS = len(METHODS) * len(LABELS) * len(STATUSES)
_BUCKETS = len(BOUNDS) + 1
_SECONDS = _DURATIONS + len(LABELS) * _BUCKETS
_SINGLE = _SECONDS + len(LABELS)
RECEIVED, SENT, ACCEPTED, LOGINS_FAILED = range(_SINGLE, _SINGLE + 4)
CONNECTIONS, IN_FLIGHT = range(_SINGLE + 4, _SINGLE + 6)  # true only as long as the worker lives
_NUMBERS = _SINGLE + 6

# And in the row of a repository, behind the requests by endpoint.
ROW_ERRORS, ROW_RECEIVED, ROW_SENT, ROW_UPLOADS, ROW_DOWNLOADS = range(len(ENDPOINTS), len(ENDPOINTS) + 5)
_ROW_NOW = (ROW_UPLOADS, ROW_DOWNLOADS)
_LONGEST = 300  # characters of a key or name that are shown


def new_scoreboard() -> Scoreboard:
    return Scoreboard(_NUMBERS)


class Counting:
    """A worker counts its requests."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self._numbers = numbers = slot.numbers
        self._running: dict[Exchange, list[int]] = {}  # with the bytes received and sent that are counted already
        self._moved = (numbers[RECEIVED], numbers[SENT])
        self._busy: list[tuple[Row, int]] = []  # what counts transfers in progress
        numbers[CONNECTIONS] = numbers[IN_FLIGHT] = 0.0  # those of the one who had the slot before
        for row in slot.rows().values():
            for field in _ROW_NOW:
                row[field] = 0.0

    def opened(self) -> None:
        """A client has connected."""
        self._numbers[ACCEPTED] += 1.0
        self._numbers[CONNECTIONS] += 1.0

    def closed(self) -> None:
        self._numbers[CONNECTIONS] -= 1.0

    def began(self, exchange: Exchange) -> None:
        self._running[exchange] = [0, 0]
        self._numbers[IN_FLIGHT] += 1.0

    def ended(self, exchange: Exchange) -> None:
        """A request was answered, or its client is gone."""
        self._account(exchange, self._running.pop(exchange))
        numbers = self._numbers
        numbers[IN_FLIGHT] -= 1.0
        head, status = exchange.head, exchange.outcome
        label = _LABEL.get(exchange.endpoint, _OTHER_LABEL)
        numbers[_cell(_METHOD.get(head.method, _OTHER_METHOD), label, _STATUS.get(status, _OTHER_STATUS))] += 1.0
        seconds = time.monotonic() - exchange.began
        numbers[_DURATIONS + label * _BUCKETS + bisect_left(BOUNDS, seconds)] += 1.0
        numbers[_SECONDS + label] += seconds
        if exchange.repository:
            row = self._slot.row(exchange.repository)
            row[label] += 1.0  # what is about a repository is an endpoint of the API, and those come first
            if status >= 500:
                row[ROW_ERRORS] += 1.0
        if status == 401 and head.header(b"authorization"):
            numbers[LOGINS_FAILED] += 1.0

    def refused(self, status: int) -> None:
        """What a client sent was no request."""
        self._numbers[_cell(_OTHER_METHOD, _OTHER_LABEL, _STATUS.get(status, _OTHER_STATUS))] += 1.0

    def _account(self, exchange: Exchange, counted: list[int]) -> None:
        received, sent = exchange.body.received - counted[0], exchange.sent - counted[1]
        if not received and not sent:
            return
        counted[0] += received
        counted[1] += sent
        self._numbers[RECEIVED] += received
        self._numbers[SENT] += sent
        if exchange.repository:
            row = self._slot.row(exchange.repository)
            row[ROW_RECEIVED] += received
            row[ROW_SENT] += sent

    def tick(self) -> None:
        """To be called every now and then: shows what is going on."""
        for row, field in self._busy:
            row[field] = 0.0
        self._busy = []
        shown = []
        for exchange, counted in self._running.items():
            self._account(exchange, counted)
            if exchange.is_transfer:
                field = ROW_UPLOADS if exchange.endpoint == "put" else ROW_DOWNLOADS
                row = self._slot.row(exchange.repository)
                row[field] += 1.0
                self._busy.append((row, field))
                shown.append(_described(exchange))
        if shown or self._slot.read_note():
            self._slot.write_note(shown)
        received, sent = moved = (self._numbers[RECEIVED], self._numbers[SENT])
        if moved != self._moved:
            self._slot.moved(received - self._moved[0], sent - self._moved[1])
            self._moved = moved


def _cell(method: int, label: int, status: int) -> int:
    return (method * len(LABELS) + label) * len(STATUSES) + status


def _described(exchange: Exchange) -> dict[str, Any]:
    call = exchange.call
    assert call is not None
    is_upload = exchange.endpoint == "put"
    return {
        "repository": _text(exchange.repository),
        "transfer": "receiving" if is_upload else "sending",
        "key": _text(call.key.serialized),
        "file": _text(call.file),
        "client": _text(call.client),
        "user": _text(exchange.user),
        "address": exchange.sender.address,
        "started": time.time() - (time.monotonic() - exchange.began),
        "done": call.offset + (exchange.body.received if is_upload else exchange.sent),
        "size": call.key.size,
    }


def _text(data: bytes) -> str:
    return os.fsdecode(data)[:_LONGEST]


class Totals:
    """The sums over all workers, as of the moment when it is made."""

    def __init__(self, board: Scoreboard) -> None:
        slots = board.slots
        alive = [slot for slot in slots if slot.is_taken]
        self.workers = len(alive)
        self._numbers: list[float] = list(map(sum, zip(*(slot.numbers.tolist() for slot in slots))))
        for field in (CONNECTIONS, IN_FLIGHT):
            self._numbers[field] = sum(slot.numbers[field] for slot in alive)
        self.transfers: list[dict[str, Any]] = [note for slot in alive for note in slot.read_note()]
        self.repositories: dict[bytes, list[float]] = {}
        self.history: dict[int, tuple[float, float]] = {}
        for slot in slots:
            self._add_rows(slot)
            for step, (received, sent) in slot.history().items():
                before = self.history.get(step, (0.0, 0.0))
                self.history[step] = before[0] + received, before[1] + sent

    def _add_rows(self, slot: Slot) -> None:
        for name, row in slot.rows().items():
            values = list(row)
            if not slot.is_taken:
                for field in _ROW_NOW:
                    values[field] = 0.0
            if name or any(values):
                known = self.repositories.setdefault(name, [0.0] * ROW_FIELDS)
                self.repositories[name] = [one + other for one, other in zip(known, values)]

    def number(self, field: int) -> float:
        return self._numbers[field]

    def requests(self) -> Iterator[tuple[str, str, int, float]]:
        """(method, endpoint, status, count) of what has occurred; status 0 is for those that nobody thought of."""
        for number in range(_DURATIONS):
            if count := self._numbers[number]:
                rest, status = divmod(number, len(STATUSES))
                method, label = divmod(rest, len(LABELS))
                yield METHODS[method], LABELS[label], STATUSES[status], count

    def durations(self) -> Iterator[tuple[str, list[tuple[float, float]], float]]:
        """(endpoint, [(bound, requests up to it)], all seconds). The last bound is infinite."""
        for number, endpoint in enumerate(LABELS):
            start = _DURATIONS + number * _BUCKETS
            counts = self._numbers[start : start + _BUCKETS]
            if any(counts):
                sums = [sum(counts[: i + 1]) for i in range(_BUCKETS)]
                yield endpoint, list(zip((*BOUNDS, float("inf")), sums)), self._numbers[_SECONDS + number]
