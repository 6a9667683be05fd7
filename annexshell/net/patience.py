"""Extra time that a node may take to answer, beyond that for the simplest question.

Without this, a silent node would hold up an upload to all nodes of a cluster for as long as the longest answer may
take.
"""

from __future__ import annotations

from math import inf

SLOWEST = 100.0  # bytes a second that have to come of what is downloaded, in the long run
_SPEED = 10_000_000  # bytes per second at which even a slow disk hashes and flushes an object


def asking(remote_hops: int, limit: float) -> float:
    """Extra seconds for a question that passes other gateways, each of which may wait for `limit` seconds."""
    return remote_hops * limit


def storing(remote_hops: int, length: int) -> float:
    """Extra seconds to store an object of `length` bytes after it has arrived. A gateway may only then pass it on, to a
    place where uploads take long, so all that it has to do is to stay connected."""
    return inf if remote_hops else length / _SPEED


def working(remote_hops: int) -> float:
    """Extra seconds to remove an object or to begin to send it, which may take long behind other gateways."""
    return inf if remote_hops else 0.0
