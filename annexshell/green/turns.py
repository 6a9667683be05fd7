"""Turns: a greenlet that always finds something to do gives way to others every few milliseconds. Otherwise it would
keep the hub to itself for as long as its peer likes.
"""

from __future__ import annotations

import time
from threading import get_ident, main_thread

from gevent import sleep

_LONGEST = 0.005  # seconds
# Seconds: the least that is not 0, for which the hub would go on with the same greenlet dozens of times before it looks
# what has come for others.
_LEAST = 1e-9


class _Turn:
    """The present one; `began` in monotonic seconds."""

    began = 0.0


def give_way() -> None:
    """Lets others run when it is time for that. Code that moves bytes or handles requests calls this at each step. In a
    thread it does nothing: there the interpreter switches by itself."""
    if time.monotonic() - _Turn.began > _LONGEST and get_ident() == main_thread().ident:
        sleep(_LEAST)
        _Turn.began = time.monotonic()
