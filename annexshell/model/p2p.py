"""Addresses in P2P networks, as urls of remotes and in the files that git-annex keeps. Pure.

Upstream: P2P/Address.hs.
"""

from __future__ import annotations

TOR = b"tor"
_SCHEME, _TOR_SCHEME = b"p2p-annex::", b"tor-annex::"


class P2PAddress:
    """`network` is its name; `place` the address in it, which for tor is ONION:PORT."""

    __slots__ = ("network", "place")

    def __init__(self, network: bytes, place: bytes) -> None:
        self.network = network
        self.place = place

    def __eq__(self, other: object) -> bool:
        return isinstance(other, P2PAddress) and (other.network, other.place) == (self.network, self.place)

    def __hash__(self) -> int:
        return hash((self.network, self.place))

    @property
    def url(self) -> bytes:
        if self.network == TOR:
            return _TOR_SCHEME + self.place
        return b"%b%b:%b" % (_SCHEME, self.network, self.place)

    @property
    def file_name(self) -> bytes:
        """The name of the file with the token for this address: all but letters and digits is escaped."""
        text = self.place.partition(b":")[0] if self.network == TOR else self.network + b":" + self.place
        shown = text.decode("utf-8", "surrogateescape")
        pieces = (c if c.isalnum() else "".join(f"%{byte:02X}" for byte in _encoded(c)) for c in shown)
        return _encoded("".join(pieces))

    @property
    def onion(self) -> tuple[str, int]:
        """The host name and the port of an address of tor."""
        host, _, port = self.place.partition(b":")
        return host.decode("ascii"), int(port)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def is_p2p_url(url: bytes) -> bool:
    return url.startswith((_SCHEME, _TOR_SCHEME))


def parse_p2p_url(url: bytes) -> P2PAddress | None:
    """The address that a url says; None where it says none that can be used."""
    if url.startswith(_TOR_SCHEME):
        place = url[len(_TOR_SCHEME) :]
        host, _, port = place.partition(b":")
        is_name = host.isascii() and host.replace(b".", b"").replace(b"-", b"").isalnum() and len(host) < 256
        is_port = port.isdigit() and len(port) < 6 and 0 < int(port) < 65536
        return P2PAddress(TOR, place) if is_name and is_port else None
    network, _, place = url.removeprefix(_SCHEME).partition(b":")
    if not url.startswith(_SCHEME) or not is_network(network) or not is_place(place):
        return None
    return P2PAddress(network, place)


def is_network(name: bytes) -> bool:
    """Whether a name can be that of a network whose program we call."""
    return bool(name) and not any(c in b"/:" or c < 33 or c == 127 for c in name)


def is_place(text: bytes) -> bool:
    """Whether a text can be an address in such a network: programs would take some for options, and lines end."""
    return bool(text) and not text.startswith(b"-") and not any(c < 32 or c == 127 for c in text)


def parse_token(text: bytes) -> bytes:
    """A token, which is one in upper case as well; empty if the text is none."""
    return text.lower() if text.isalnum() else b""
