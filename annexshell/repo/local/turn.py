"""Waiting for one's turn to store a content that somebody else is storing just now.

The other one is mostly done soon, and what it has stored needs not be sent again; or it breaks off, and what has come
of it needs not be sent again either. So whoever comes second waits for a while, by whichever front end and behind
whichever gateway. (The original lets it fail at once.)
"""

from __future__ import annotations

import time

from annexshell.errors import TransferBusy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.repo.local.takeover import Wish
    from annexshell.repo.port import AlreadyHave, Writing

LIMIT = 20.0  # seconds
_PAUSE = 0.1  # seconds


def put_in_turn(
    put: Callable[[], AlreadyHave | Writing],
    pause: Callable[[float], None],
    wish: Wish | None = None,
    limit: float | None = None,
) -> AlreadyHave | Writing:
    """The result of `put`, which begins to store a content, tried for `limit` seconds (LIMIT if None) while somebody
    else is at it. `pause` waits for some seconds, and raises PeerGone when the client is gone; the `wish` is made known
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
            if wish is not None:
                wish.ask()
            pause(_PAUSE)
    finally:
        if wish is not None:
            wish.withdraw()
