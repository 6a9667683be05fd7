"""How much longer a node may take to answer than for the simplest question.

Without this, whoever is silent would keep an upload to all nodes of a cluster waiting for as long as the longest answer
may take.
"""

from __future__ import annotations

from math import inf

_SPEED = 10_000_000  # bytes a second that a slow disk takes to hash and flush an object


def asking(remote_hops: int, limit: float) -> float:
    """Seconds more for a question to what is behind other gateways, each of which may have to wait for `limit`."""
    return remote_hops * limit


def storing(remote_hops: int, length: int) -> float:
    """Seconds more to store an object of some bytes that has come. A gateway may pass it on then to where uploads take
    long; it only has to stay there."""
    return inf if remote_hops else length / _SPEED


def working(remote_hops: int) -> float:
    """Seconds more to remove a content or to begin to send it, which behind other gateways may take long."""
    return inf if remote_hops else 0.0
