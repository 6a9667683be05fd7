"""Waiting in tests that run gevent's hub themselves."""

from __future__ import annotations

from collections.abc import Callable

import gevent

_PATIENCE = 20.0  # seconds


def until(condition: Callable[[], object]) -> None:
    """Lets other greenlets run until something is so; fails if it never is."""
    with gevent.Timeout(_PATIENCE):
        while not condition():
            gevent.sleep(0.001)
