"""Asking several nodes at once."""

from __future__ import annotations

import threading
from typing import Any

from annexshell.repo.gateway.health import _each


def test_answers_belong_to_those_who_gave_them() -> None:
    """Also when the last answers first, and one breaks in a way that nobody thought of."""
    remotes: list[Any] = [f"node{number}" for number in range(5)]
    go = threading.Event()
    told: list[tuple[int, int | None]] = []

    def ask(remote: Any) -> str | None:
        if remote == "node4":
            go.set()
            return "is the last"
        assert go.wait(20)
        if remote == "node2":
            raise ZeroDivisionError("oops")
        return None

    answers = _each(ask, remotes, lambda _what, done, total: told.append((done, total)))
    assert [answers[number] for number in (0, 1, 3, 4)] == [None, None, None, "is the last"]
    assert "ZeroDivisionError: oops" in (answers[2] or "")
    assert told == [(done, 5) for done in range(6)]


def test_without_nodes_nobody_is_asked() -> None:
    assert _each(lambda _remote: "never", [], lambda *_: None) == {}
