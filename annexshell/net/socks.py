"""Connections through a SOCKS 5 proxy such as tor's, which finds the host by its name (RFC 1928)."""

from __future__ import annotations

from annexshell.errors import PeerGone
from annexshell.net.connect import open_tcp, plain_stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.stream.blocking import FdStream
    from annexshell.stream.port import Stream, Waiting

_VERSION, _NO_LOGIN, _CONNECT, _BY_NAME = 5, 0, 1, 3
_ADDRESS_LENGTHS = {1: 4, 4: 16}  # bytes of an address of IPv4, and of IPv6
_REASONS = {
    1: "the proxy failed",
    2: "the proxy does not allow it",
    3: "its network can't be reached",
    4: "it can't be found; it may not be running",
    5: "it refused the connection",
    6: "it did not answer in time",
}


def open_by_proxy(proxy: tuple[str, int], host: str, port: int, waiting: Waiting) -> FdStream:
    """A connection to a host that the proxy looks up and connects to. Raises PeerGone, whose sentence says why."""
    try:
        connected = open_tcp(*proxy, waiting)
    except PeerGone as error:
        raise PeerGone(f"there is no proxy at {proxy[0]} port {proxy[1]} ({error.public})") from None
    stream = plain_stream(connected, waiting.connect.within(waiting.connect.limit))
    try:
        _negotiate(stream, host.encode("ascii"), port)
    except BaseException:
        stream.close()
        raise
    stream.use(waiting.connect)
    return stream


def _negotiate(stream: Stream, host: bytes, port: int) -> None:
    stream.write(bytes([_VERSION, 1, _NO_LOGIN]))
    if _read(stream, 2) != bytes([_VERSION, _NO_LOGIN]):
        raise PeerGone("the proxy is none of SOCKS 5, or wants a login")
    stream.write(bytes([_VERSION, _CONNECT, 0, _BY_NAME, len(host)]) + host + port.to_bytes(2, "big"))
    version, code, _, kind = _read(stream, 4)
    if version != _VERSION:
        raise PeerGone("the proxy is none of SOCKS 5")
    if code:
        raise PeerGone(_REASONS.get(code, f"the proxy answered {code}"))
    _read(stream, (_ADDRESS_LENGTHS.get(kind) or _read(stream, 1)[0]) + 2)


def _read(stream: Stream, length: int) -> bytes:
    buffer = bytearray(length)
    got = 0
    while got < length:
        count = stream.read_into(memoryview(buffer)[got:])
        if count == 0:
            raise PeerGone("the proxy closed the connection")
        got += count
    return bytes(buffer)
