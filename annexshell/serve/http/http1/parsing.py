"""Requests as they come out of a connection's bytes (RFC 9112). A library reads their heads; where a body ends, and the
next request begins, is found here. No I/O.

The library is httptools where it is there and new enough, else h11.
"""

from __future__ import annotations

import re
from functools import partial

from annexshell.serve.http.http1.heads import MAX_HEAD, Head, Malformed, check_plain

try:
    from annexshell.serve.http.http1.parsing_httptools import read_head
except ImportError:
    from annexshell.serve.http.http1.parsing_h11 import read_head

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn, Union

    Event = Union[Head, bytes, "Mark"]  # noqa: UP007

_BETWEEN = b"\r\n"  # what some clients send behind a body
_MAX_FRAMING = 16384  # bytes of chunk extensions and trailers without any payload between them
_TOKEN = rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+"
_SIZE = rb"(?:0+|0*([1-9A-Fa-f][0-9A-Fa-f]{0,14}))"  # in such a way that many zeros are not tried again and again
_EXTENSIONS = rb'(?:;%b(?:=(?:%b|"[\t !#-\[\]-~]*"))?)*' % (_TOKEN, _TOKEN)
_CHUNK = re.compile(_SIZE + _EXTENSIONS).fullmatch
_NEXT_CHUNK = re.compile(rb"\r\n([1-9A-Fa-f][0-9A-Fa-f]{0,14})\r\n").match  # as it is written nearly always
_TRAILER = re.compile(rb"(?!(?i:content-length|transfer-encoding|host):)%b:[\t -~\x80-\xff]*" % _TOKEN).fullmatch


class Mark:
    """An event that says nothing but what it is."""


END = Mark()  # of a request's body
MORE = Mark()  # bytes have to be fed first


class RequestParser:
    """Turns bytes into events: a Head, pieces of its body, END, and then the next."""

    def __init__(self, read_head: Callable[[bytes], Head] = read_head) -> None:
        self._read_head = read_head
        self._pending = bytearray()  # what was fed, and is in no event yet
        self._searched = 0  # bytes of it in which no end of a head, or of a line, begins
        self._framing = 0  # bytes of lines since the last payload
        self._left = 0  # bytes of payload up to the end of the body, or of a chunk
        self._in_chunks = False
        self._step: Callable[[], Event | None] = self._begin

    @property
    def has_begun(self) -> bool:
        """Whether part of a request is here that is in no event yet."""
        pending = self._pending
        return bool(pending[:1].strip(_BETWEEN) or pending.lstrip(_BETWEEN))  # in most cases a look at one byte will do

    @property
    def pending_head(self) -> int:
        """Bytes that have come of a head that is unfinished."""
        return len(self._pending) if self._step == self._begin else 0

    @property
    def payload_is_next(self) -> bool:
        """Whether what comes next need not be fed, but can be stripped."""
        return not self._pending and self._step == self._payload

    @property
    def is_in_chunks(self) -> bool:
        """Whether the body at hand comes in chunks, of any size."""
        return self._in_chunks

    def feed(self, data: bytes) -> None:
        """Takes what has come."""
        self._pending += data

    def forget(self) -> None:
        """Gives back the memory of what is in no event, of which none is wanted any more."""
        self._pending = bytearray()

    def strip(self, buffer: memoryview, count: int) -> int:
        """Takes the first `count` bytes of a buffer, which came while `payload_is_next`, and leaves their payload at
        its beginning. Returns the number of payload bytes; what comes behind the payload is in the next events."""
        read = kept = 0
        while read < count and self._step == self._payload:
            size = min(self._left, count - read)
            if read > kept:
                buffer[kept : kept + size] = buffer[read : read + size]
            read += size
            kept += size
            self._took(size)
            follows = _NEXT_CHUNK(buffer, read, count) if self._step == self._end_chunk else None
            if follows is not None:
                read = follows.end()
                self._left = int(follows[1], 16)
                self._step = self._payload
        self._pending += buffer[read:count]
        return kept

    def next(self) -> Event:
        """The next event. Raises Malformed, after which nothing else can be had."""
        event = None
        try:
            while event is None:
                event = self._step()
        except Malformed as error:
            self._step = partial(_refuse, error)
            raise
        return event

    # Each of the following takes something from what is pending, and says what is next.

    def _begin(self) -> Event | None:
        pending = self._pending
        if pending.startswith((b"\r", b"\n")):
            pending[:] = pending.lstrip(_BETWEEN)
        raw = self._until(b"\r\n\r\n")
        if len(begun := raw or pending) > MAX_HEAD:
            raise Malformed(431 if b"\r\n" in begun[:MAX_HEAD] else 414, "the request's headers are too large")
        if raw is None:
            return MORE
        check_plain(raw)  # some of which the libraries take
        head = self._read_head(raw)
        head.size = len(raw)
        self._in_chunks = head.length is None
        self._left = head.length or 0
        if self._in_chunks:
            self._step = self._begin_chunk
        elif self._left:
            self._step = self._payload
        else:
            self._step = self._end
        return head

    def _payload(self) -> Event | None:
        piece = bytes(self._pending[: self._left])
        if not piece:
            return MORE
        del self._pending[: len(piece)]
        self._took(len(piece))
        return piece

    def _took(self, count: int) -> None:
        self._left -= count
        self._framing = 0
        if not self._left:
            self._step = self._end_chunk if self._in_chunks else self._end

    def _end(self) -> Event | None:
        self._step = self._begin
        return END

    def _begin_chunk(self) -> Event | None:
        line = self._line()
        if line is None:
            return MORE
        match = _CHUNK(line)
        if match is None:
            raise Malformed(400, "a chunk has no size")
        self._left = int(match[1] or b"0", 16)
        self._step = self._payload if self._left else self._trailer
        return None

    def _end_chunk(self) -> Event | None:
        end = bytes(self._pending[:2])
        if not b"\r\n".startswith(end):
            raise Malformed(400, "a chunk is longer than it says")
        if len(end) < 2:
            return MORE
        del self._pending[:2]
        self._step = self._begin_chunk
        return None

    def _trailer(self) -> Event | None:
        line = self._line()
        if line is None:
            return MORE
        if not line:
            self._framing = 0
            return self._end()
        if not _TRAILER(line):  # we know none, but proxies that do have to see the same
            raise Malformed(400, "a trailer makes no sense")
        return None

    def _line(self) -> bytes | None:
        """The next line of what stands between chunks, without its end; None if it has not come."""
        line = self._until(b"\r\n")
        if self._framing + len(line or self._pending) > _MAX_FRAMING:
            raise Malformed(400, "there is too much between two chunks")
        if line is None:
            return None
        self._framing += len(line)
        return line[:-2]

    def _until(self, mark: bytes) -> bytes | None:
        """What is pending up to a mark and with it; None if that has not come."""
        pending = self._pending
        end = pending.find(mark, self._searched)
        if end < 0:
            if not self._searched:
                check_plain(pending)  # the mark may never come: it is another protocol
            self._searched = max(0, len(pending) - len(mark) + 1)
            return None
        self._searched = 0
        taken = bytes(pending[: end + len(mark)])
        del pending[: len(taken)]
        return taken


def _refuse(error: Malformed) -> NoReturn:
    raise error
