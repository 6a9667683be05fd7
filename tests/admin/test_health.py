"""Asking several nodes at once."""

from __future__ import annotations

import threading

from annexshell.admin.health import _each
from annexshell.errors import NodeError
from annexshell.model.remote import SSH, Remote


def test_answers_belong_to_those_who_gave_them() -> None:
    """Also when the last answers first, and one breaks in a way that nobody thought of."""
    remotes = [Remote(f"node{number}", b"", SSH, b"", {}) for number in range(5)]
    go = threading.Event()
    told: list[tuple[int, int | None]] = []

    def ask(remote: Remote) -> NodeError | None:
        if remote.name == "node4":
            go.set()
            return NodeError(remote.name, "is the last")
        assert go.wait(20)
        if remote.name == "node2":
            raise ZeroDivisionError("oops")
        return None

    answers = _each(ask, remotes, lambda _what, done, total: told.append((done, total)))
    assert [str(answers[number]) for number in (0, 1, 3, 4)] == ["None", "None", "None", "node4: is the last"]
    assert str(answers[2]) == "node2: internal error, please report it: ZeroDivisionError: oops"
    assert told == [(done, 5) for done in range(6)]


def test_without_nodes_nobody_is_asked() -> None:
    assert _each(lambda remote: NodeError(remote.name, "never"), [], lambda *_: None) == {}
