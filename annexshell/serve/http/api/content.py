"""Downloads. A client learns that an object was not valid by getting fewer bytes than were announced."""

from __future__ import annotations

from contextlib import contextmanager

from annexshell.errors import AnnexshellError, PeerGone
from annexshell.relay.holdback import Enough, HoldBack
from annexshell.serve.http.api.ranges import entity_tag, is_known, resolve, wanted_range
from annexshell.serve.http.api.sendfile import delegated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from annexshell.model.key import Key
    from annexshell.repo.port import Reading
    from annexshell.serve.http.http1.exchange import Exchange
    from annexshell.serve.http.repositories.request import RequestRepository

    Headers = tuple[tuple[str, str], ...]


def send_range(exchange: Exchange, lent: RequestRepository, key: Key, kind: str = "") -> None:
    """Answers a request of other programs than git-annex for an object or a part of it, as a media type: with one that
    is not the usual, nobody else sends it, who might not pass on the headers that go with it. Raises AnnexshellError
    while nothing has been sent yet."""
    tag = entity_tag(key)
    headers: Headers = (("ETag", tag), ("Accept-Ranges", "bytes"))
    wanted = wanted_range(exchange.head, tag)
    if wanted is None and not is_known(exchange.head, tag):
        send_content(exchange, lent, key, 0, b"", headers, kind=kind)
        return
    with _opened(lent, key, 0, b"") as whole:
        size = whole.length
    if is_known(exchange.head, tag):
        exchange.respond(304, b"", headers)
        return
    part = resolve(wanted or (0, None), size)
    if part is None:
        exchange.respond(416, b"", (("Content-Range", f"bytes */{size}"),))
        return
    offset, length = part
    headers += (("Content-Range", f"bytes {offset}-{offset + length - 1}/{size}"),)
    send_content(exchange, lent, key, offset, b"", headers, 206, length, kind)


@contextmanager
def _opened(lent: RequestRepository, key: Key, offset: int, file: bytes) -> Iterator[Reading]:
    """The object, to look at: nothing of it is sent."""
    reading = _open(lent, key, offset, file)
    try:
        yield reading
    finally:
        _close(lent, reading, False)


def send_content(
    exchange: Exchange,
    lent: RequestRepository,
    key: Key,
    offset: int,
    file: bytes,
    headers: Headers = (),
    status: int = 200,
    limit: int | None = None,
    kind: str = "",
) -> None:
    """Answers a request for an object from an offset, or for `limit` bytes from there; `kind` is as above. Raises
    AnnexshellError while nothing has been sent yet."""
    reading = _open(lent, key, offset, file)
    delivered = False
    try:
        length = reading.length if limit is None else min(limit, reading.length)
        headers += (("Content-Type", kind or "application/octet-stream"), ("X-git-annex-data-length", str(length)))
        is_ours = bool(kind or (offset and limit is None))
        elsewhere = None if is_ours else delegated(exchange, lent, reading, limit is not None)
        if elsewhere is None:
            delivered = _send(exchange, lent, reading, length, headers, status)
        else:
            exchange.respond(200, b"", (*headers, elsewhere))
            delivered = True
    finally:
        _close(lent, reading, delivered)


def _open(lent: RequestRepository, key: Key, offset: int, file: bytes) -> Reading:
    repository = lent.repository
    if lent.is_own and not lent.is_thin:
        return repository.get(key, offset, file)  # opens a file, for which a thread would be too much
    return lent.call(lambda: repository.get(key, offset, file))


def _close(lent: RequestRepository, reading: Reading, delivered: bool) -> None:
    if lent.is_own:
        reading.close(delivered)
    else:
        lent.call(lambda: reading.close(delivered))


def _send(
    exchange: Exchange, lent: RequestRepository, reading: Reading, length: int, headers: Headers, status: int
) -> bool:
    """Whether all of it was sent."""
    if exchange.head.method == b"HEAD":
        exchange.stream.write(exchange.begin(status, length, headers))
        return True
    data = reading.read_small() if length else b""
    if data is not None:
        valid = _is_valid(lent, reading)
        exchange.respond(status, data[:length] if valid else data[: length - 1], headers)
        return valid
    exchange.stream.write(exchange.begin(status, length, headers))
    exchange.broken = True
    exchange.sink = sink = HoldBack(exchange.stream, length)
    try:
        complete = _pass_on(lent, reading, sink)
    except PeerGone:
        raise
    except AnnexshellError as error:
        end = "; the connection has to be closed"
        raise PeerGone(f"{error}{end}", error.public + end) from error
    if complete:
        exchange.stream.write(sink.held)
        exchange.broken = False
    return complete


def _pass_on(lent: RequestRepository, reading: Reading, sink: HoldBack) -> bool:
    """Whether all that is wanted came, and is valid as far as that can be told."""
    try:
        sent = reading.send(sink)
    except Enough:
        return True
    return sent == reading.length and _is_valid(lent, reading)


def _is_valid(lent: RequestRepository, reading: Reading) -> bool:
    return reading.is_valid() if lent.is_own else lent.call(reading.is_valid)
