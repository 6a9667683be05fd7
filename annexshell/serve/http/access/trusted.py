"""What a reverse proxy says of its client, if that is to be believed.

Only X-Forwarded-For and X-Forwarded-Proto are read. The Forwarded of RFC 7239 would say the same; but a proxy that sets
one passes on what its client says in the other.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

from annexshell.errors import BadUsage
from annexshell.serve.http.http1.sender import Sender

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Network, IPv6Network

    from annexshell.serve.http.http1.heads import Head

    Networks = tuple[IPv4Network | IPv6Network, ...]

UNIX = "unix"
_MOST_HOPS = 32
_LONGEST = 100  # bytes of an address, with a port and white space


class TrustedProxies:
    """`places` are addresses, networks such as 10.0.0.0/8, or `unix` for whoever connects to a Unix socket. Raises
    BadUsage."""

    def __init__(self, places: Sequence[str] = ()) -> None:
        self._unix = UNIX in places
        try:
            self._networks: Networks = tuple(ip_network(place) for place in places if place != UNIX)
        except ValueError as error:
            raise BadUsage(f"--trust-proxy takes an address, a network, or unix: {error}") from None
        self._any = bool(places)
        self._trusts = lru_cache(maxsize=1000)(self._look_up)

    def sender(self, peer: str, secure: bool, head: Head) -> Sender:
        """The client that sent a request. `peer` is the address at the other end of the connection, empty for a Unix
        socket, and `secure` says whether this connection has TLS."""
        if not self.trusts(peer):
            return Sender(peer, secure)
        scheme = head.header(b"x-forwarded-proto").rpartition(b",")[2].strip().lower()
        address = self._client(peer, head.header(b"x-forwarded-for"))
        return Sender(address, scheme == b"https" if scheme else secure, is_proxied=True)

    def trusts(self, peer: str) -> bool:
        """Whether the peer is a proxy that we believe."""
        return self._any and self._trusts(peer)

    def _client(self, peer: str, hops: bytes) -> str:
        """Each proxy appends the address that it was connected to. So the rightmost one that is not a proxy of ours is
        the client; everything to the left of it may be made up."""
        for hop in reversed(hops.rsplit(b",", _MOST_HOPS)[-_MOST_HOPS:]):
            address = _address(hop.strip()) if len(hop) <= _LONGEST else ""
            if not address:
                break
            peer = address
            if not self._trusts(address):
                break
        return peer

    def _look_up(self, peer: str) -> bool:
        if not peer:
            return self._unix
        address = ip_address(peer)
        return any(address in network for network in self._networks)


@lru_cache(maxsize=1000)
def _address(hop: bytes) -> str:
    """An address as proxies write it, with or without a port; empty if it is none."""
    text = hop.decode("latin-1")
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return plain_address(text)
    except ValueError:
        return ""


def plain_address(text: str) -> str:
    """An address in the one way to write it; one of IPv4 that came by a socket of IPv6 as it was. Raises ValueError."""
    address = ip_address(text)
    return str(address.ipv4_mapped or address) if isinstance(address, IPv6Address) else str(address)
