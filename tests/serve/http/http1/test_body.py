"""The body of a request that comes in chunks of a byte: nobody else waits until all of them have been looked at."""

from __future__ import annotations

from typing import Any, cast

import pytest

from annexshell.serve.http.http1.body import BodySource, EventReader
from annexshell.serve.http.http1.heads import Head

_HEAD = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
_CRUMB = b"1\r\nx\r\n"


class Here:
    """A connection on which everything has come already."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.turns = 0
        self.most = 0  # bytes that were taken at once
        self.patience = self

    def take_turn(self) -> None:
        self.turns += 1

    def read(self, limit: int) -> bytes:
        data, self._data = self._data[:limit], self._data[limit:]
        self.most = max(self.most, len(data))
        return data

    def read_ready(self, buffer: memoryview) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


@pytest.fixture
def here() -> Here:
    return Here(_HEAD + _CRUMB * 100_000 + b"0\r\n\r\n")


@pytest.fixture
def body(here: Here) -> BodySource:
    source = EventReader(cast(Any, here))
    assert isinstance(source.next(), Head)
    here.turns = 0
    return BodySource(source, is_empty=False, expects=False)


def test_others_have_turns_while_what_nobody_wants_is_skipped(here: Here, body: BodySource) -> None:
    assert body.skip_ready()
    assert here.turns >= 6


def test_not_much_is_looked_at_without_a_pause(here: Here, body: BodySource) -> None:
    buffer = memoryview(bytearray(1 << 20))
    count = 0
    while piece := body.read_ready(buffer):
        count += piece
    assert count == 100_000
    assert here.most <= 1 << 18
