"""Downloads. What a client is told of a content's validity is whether all announced bytes come."""

from __future__ import annotations

import os

from annexshell.errors import AnnexshellError, PeerGone
from annexshell.stream.port import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from annexshell.model.key import Key
    from annexshell.repo.port import Reading
    from annexshell.serve.http.backend import Backend
    from annexshell.serve.http.exchange import Exchange
    from annexshell.stream.port import Buffer


def send_content(exchange: Exchange, backend: Backend, key: Key, offset: int, file: bytes) -> None:
    """Answers a request for the content of a key from an offset. Raises AnnexshellError when nothing was sent yet."""
    repository = backend.repository
    if backend.is_own and not backend.served.is_thin:
        reading = repository.get(key, offset, file)  # opens a file, for which a thread would be too much
    else:
        reading = backend.call(lambda: repository.get(key, offset, file))
    delivered = False
    try:
        delivered = _send(exchange, backend, reading)
    finally:
        if backend.is_own:
            reading.close(delivered)
        else:
            backend.call(lambda: reading.close(delivered))


def _send(exchange: Exchange, backend: Backend, reading: Reading) -> bool:
    """Whether all of it was sent."""
    length = reading.length
    headers = (("Content-Type", "application/octet-stream"), ("X-git-annex-data-length", str(length)))
    if exchange.head.method == b"HEAD":
        exchange.stream.write(exchange.begin(200, length, headers))
        return True
    data = reading.read_small() if length else b""
    if data is not None:
        valid = _is_valid(backend, reading)
        exchange.respond(200, data if valid else data[:-1], headers)
        return valid
    exchange.stream.write(exchange.begin(200, length, headers))
    exchange.broken = True
    sink = HoldingBack(exchange.stream, length)
    try:
        exchange.sent = reading.send(sink)
        complete = exchange.sent == length and _is_valid(backend, reading)
    except PeerGone:
        raise
    except AnnexshellError as error:
        raise PeerGone(f"{error}; the connection has to be closed") from error
    if complete:
        exchange.stream.write(sink.held)
        exchange.broken = False
    return complete


def _is_valid(backend: Backend, reading: Reading) -> bool:
    return reading.is_valid() if backend.is_own else backend.call(reading.is_valid)


class HoldingBack(Stream):
    """Passes content on to a connection, but for the last byte of it: that is sent when it is known to be valid."""

    in_fd = -1

    def __init__(self, stream: Stream, length: int) -> None:
        self._stream = stream
        self._left = length - 1
        self.out_fd = stream.out_fd
        self.shares = stream.shares
        self.held = b""

    def write(self, data: Buffer) -> None:
        passed = min(self._left, len(data))
        if passed < len(data):
            self.held = bytes(data[passed:])
            data = memoryview(data)[:passed]
        self._left -= passed
        if passed:
            self._stream.write(data)

    def writing(self, syscall: Callable[..., Any], *args: Any) -> Any:
        """For the system calls that the relay makes: sendfile from a file, splice from a pipe."""
        if syscall is os.sendfile:
            out_fd, fd, offset, count = args
            if self._left == 0:
                self.held = os.pread(fd, 1, offset)
                return len(self.held)
            args = (out_fd, fd, offset, min(count, self._left))
        else:
            fd, out_fd, count, *rest = args
            if self._left == 0:
                self.held = os.read(fd, 1)
                return len(self.held)
            args = (fd, out_fd, min(count, self._left), *rest)
        sent: int = self._stream.writing(syscall, *args)
        self._left -= sent
        return sent

    def wait_writable(self) -> None:
        self._stream.wait_writable()

    def work(self, function: Callable[[], Any]) -> Any:
        return self._stream.work(function)

    def close(self) -> None:
        pass
