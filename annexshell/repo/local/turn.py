"""Waiting for one's turn to store a key that somebody else is storing just now.

Mostly the other client is done soon, and the key need not be sent again; or it breaks off, and the part that has
arrived need not be sent again. So the second client waits for a while, in every front end and behind every gateway.
(With the original it fails at once.)
"""

from __future__ import annotations

import time

from annexshell.errors import TransferBusy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.repo.local.takeover import TakeoverRequest
    from annexshell.repo.port import AlreadyHave, Writing

LIMIT = 20.0  # seconds
_PAUSE = 0.1  # seconds


def put_in_turn(
    put: Callable[[], AlreadyHave | Writing],
    pause: Callable[[float], None],
    takeover: TakeoverRequest | None = None,
    limit: float | None = None,
) -> AlreadyHave | Writing:
    """The result of `put`, which begins an upload, tried for `limit` seconds (LIMIT if None) while somebody else stores
    the key. `pause` waits for some seconds, and raises PeerGone when the client is gone; the `takeover` is made known
    meanwhile. Raises what `put` raises, TransferBusy in the end."""
    limit = LIMIT if limit is None else limit
    deadline = time.monotonic() + limit
    left = int(limit / _PAUSE)
    try:
        while True:
            try:
                return put()
            except TransferBusy:
                if not left or time.monotonic() >= deadline:
                    raise
            left -= 1
            if takeover is not None:
                takeover.ask()
            pause(_PAUSE)
    finally:
        if takeover is not None:
            takeover.withdraw()
