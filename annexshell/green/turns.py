"""Turns: whoever always finds something to do gives way to others every few milliseconds. A greenlet that never has to
wait would otherwise keep the hub to itself for as long as its peer likes.
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
    """To be called once for each step by whoever moves bytes or handles what has come: lets others run when it is time
    for that. In a thread there is nobody to give way to, as the interpreter sees to that."""
    if time.monotonic() - _Turn.began > _LONGEST and get_ident() == main_thread().ident:
        sleep(_LEAST)
        _Turn.began = time.monotonic()
