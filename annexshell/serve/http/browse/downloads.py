"""Downloads of files: from git, or annexed content from here or a node. Nothing of it is a page of this server."""

from __future__ import annotations

import os
import time
from urllib.parse import quote

from annexshell.disk.spawn import NOWHERE, spawn, wait
from annexshell.errors import NodeError, NotPresent, WrongRepository
from annexshell.green.waiter import GeventWaiter
from annexshell.model.show import visible
from annexshell.relay.copy import discard, pump
from annexshell.relay.holdback import HoldBack
from annexshell.serve.http.api.content import send_range
from annexshell.serve.http.api.ranges import is_known, resolve, wanted_range
from annexshell.serve.http.browse.links import IMAGE
from annexshell.serve.http.browse.pages import image_kind
from annexshell.stream.blocking import FdStream
from annexshell.stream.port import CHUNK, SinkFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from annexshell.errors import AnnexshellError
    from annexshell.git.program import Git
    from annexshell.green.tasks import Tasks
    from annexshell.model.key import Key
    from annexshell.serve.http.git.turns import Turn
    from annexshell.serve.http.http1.exchange import Exchange
    from annexshell.serve.http.repositories.served import ServedRepository

    Headers = tuple[tuple[str, str], ...]

_PATIENCE = 300.0  # seconds for which git may say nothing
_SIGKILL = 9
_SAVED = "application/octet-stream"
_LONGEST_NAME = 200  # characters
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_. ")


def kind_of(name: bytes, get: bytes) -> str:
    """The media type of a file: that of an image where one is to be shown and may be, else that of bytes."""
    return (image_kind(name) if get == IMAGE else "") or _SAVED


def headers_for(name: bytes, kind: str) -> Headers:
    """What keeps a file from being more than bytes, or an image, to a browser."""
    text = visible(name, _LONGEST_NAME).replace("\\", "_")
    plain = "".join(c if c in _PLAIN else "_" for c in text)
    how = "attachment" if kind == _SAVED else "inline"
    return (
        ("Content-Disposition", f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(text, safe='')}"),
        ("Content-Security-Policy", "default-src 'none'; sandbox"),
        ("X-Content-Type-Options", "nosniff"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", "private, no-cache"),
    )


def send_key(
    exchange: Exchange,
    served: ServedRepository,
    key: Key,
    kind: str,
    headers: Headers,
    nodes: Callable[[], Sequence[bytes]],
) -> None:
    """Sends an annexed file, from the first of the `nodes` that has it if it is not here. Raises NodeError where none
    has it and some may, and other AnnexshellErrors."""
    failure = _failure(exchange, served, served.uuid, key, kind, headers)
    if isinstance(failure, NotPresent):
        for node in nodes():
            found = _failure(exchange, served, node, key, kind, headers)
            if found is None:
                return
            failure = found if isinstance(found, NodeError) else failure
    if failure is not None:
        raise failure


def _failure(
    exchange: Exchange, served: ServedRepository, uuid: bytes, key: Key, kind: str, headers: Headers
) -> AnnexshellError | None:
    """Why nothing of it was sent; None if it was."""
    others = exchange.headers
    exchange.headers = others + headers
    try:
        lent = served.lend(uuid)
        try:
            send_range(exchange, lent, key, kind)
        finally:
            lent.close()
    except (NotPresent, NodeError, WrongRepository) as error:
        if exchange.answered:
            raise
        return error if isinstance(error, NodeError) else NotPresent("the content of this file is not here")
    finally:
        exchange.headers = others
    return None


class BlobSender:
    """Sends files that are in git, each by a child of its own, which has a `turn`."""

    def __init__(self, git: Git, turn: Turn, tasks: Tasks) -> None:
        self._git = git
        self._turn = turn
        self._tasks = tasks

    def send(self, exchange: Exchange, blob: bytes, size: int, kind: str, headers: Headers) -> None:
        """Sends a file of `size` bytes or what is wanted of it. Raises ChildFailed, PeerGone, Stalled."""
        tag = f'"{blob.decode()}"'
        head = exchange.head
        headers += (("ETag", tag), ("Accept-Ranges", "bytes"))
        if is_known(head, tag):
            exchange.respond(304, b"", headers)
            return
        wanted = wanted_range(head, tag)
        part = (0, size) if wanted is None else resolve(wanted, size)
        if part is None:
            exchange.respond(416, b"", (("Content-Range", f"bytes */{size}"),))
            return
        offset, length = part
        headers += (("Content-Type", kind),)
        if wanted is not None:
            headers += (("Content-Range", f"bytes {offset}-{offset + length - 1}/{size}"),)
        status = 200 if wanted is None else 206
        if head.method == b"HEAD" or length == 0:
            exchange.stream.write(exchange.begin(status, length, headers))
        else:
            self._stream(exchange, blob, part, exchange.begin(status, length, headers))

    def _stream(self, exchange: Exchange, blob: bytes, part: tuple[int, int], begun: bytes) -> None:
        offset, length = part
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        source = FdStream(reading, -1, GeventWaiter(_PATIENCE))
        try:
            try:
                pid = spawn(self._git.argv("cat-file", "blob", blob), self._git.env, None, writing, NOWHERE)
            finally:
                os.close(writing)
            try:
                exchange.broken = True
                exchange.stream.write(begun)
                if discard(source, offset) == offset and self._pass_on(exchange, source, length) == length:
                    exchange.broken = False
            finally:
                os.kill(pid, _SIGKILL)
                self._tasks.offload(lambda: wait(pid))
        finally:
            source.close()

    def _pass_on(self, exchange: Exchange, source: FdStream, length: int) -> int:
        """How many bytes came."""
        exchange.sink = sink = HoldBack(exchange.stream, length)
        moved = 0
        while moved < length:
            source.wait_readable()
            self._turn.waits_since = time.monotonic()
            try:
                count = pump(source, sink, min(CHUNK, length - moved))
            except SinkFailed as failure:
                raise failure.cause from None
            finally:
                self._turn.waits_since = None
            moved += count
            if count == 0:
                return moved
        exchange.stream.write(sink.held)
        return moved
