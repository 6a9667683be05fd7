"""Addresses of clients on the Internet."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address


@lru_cache(maxsize=1000)
def network_of(address: str) -> str:
    """The network that counts as one client: for IPv6 a /64, since everybody has that many addresses. Text that is not
    an address stands for itself."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return parsed.exploded[:19] if isinstance(parsed, IPv6Address) else address
