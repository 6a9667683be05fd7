"""Addresses of clients on the Internet."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address


@lru_cache(maxsize=1000)
def network_of(address: str) -> str:
    """What stands for one client where clients are counted: of IPv6 everybody has 2**64 addresses. What is no address
    stands for itself."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return parsed.exploded[:19] if isinstance(parsed, IPv6Address) else address
