"""What is looked at for the page where there are more repositories than it shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from annexshell.serve.http.reporting.scoreboard import ROW_FIELDS
from annexshell.serve.http.status.page import page
from annexshell.serve.http.status.view import RepositoryView, StatusView, Summaries

BUSY = b"uuid-140"


class Served:
    """Of a repository: how often somebody looked at its files, and into it."""

    def __init__(self, number: int) -> None:
        self.path = b"/srv/%03d" % number
        self.uuid = b"uuid-%03d" % number
        self.leases = self
        self.counted = self.listed = self.inspected = 0

    def count(self) -> int:
        self.counted += 1
        return 2

    def transfers(self) -> list[Any]:
        self.listed += 1
        return []

    def inspect(self, _look: object) -> dict[str, Any]:
        self.inspected += 1
        return {"description": "described", "nodes": [], "clusters": []}

    def warn(self, text: str) -> None:
        raise AssertionError(text)


class Tasks:
    """Does at once what is to be done beside."""

    def spawn(self, function: Callable[[], None]) -> None:
        function()


class Totals:
    def __init__(self) -> None:
        self.repositories = {BUSY: [7.0] * ROW_FIELDS}


def repositories(all_served: list[Any], summaries: Summaries) -> list[RepositoryView]:
    totals: Any = Totals()
    return [RepositoryView(served, totals, summaries) for served in all_served]


def at_once() -> Summaries:
    tasks: Any = Tasks()
    return Summaries(tasks)


def test_only_what_is_shown_is_looked_at() -> None:
    all_served: list[Any] = [Served(number) for number in range(150)]
    seen = StatusView(repositories(all_served, at_once()), "", False)
    expected = [140, *range(99)]
    assert [all_served.index(each.served) for each in seen.shown] == expected
    assert [number for number, served in enumerate(all_served) if served.counted] == sorted(expected)
    assert [number for number, served in enumerate(all_served) if served.listed] == sorted(expected)
    text = page(seen).decode()
    assert "<b>150</b>repositories" in text
    assert '<p class="dim">and 50 more</p>' in text
    assert "contents locked" not in text  # of a part only
    few = StatusView(repositories(all_served[:3], at_once()), "", False)
    assert "<b>6</b>contents locked" in page(few).decode()


def test_each_is_looked_into_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("annexshell.serve.http.status.view.time.monotonic", lambda: now)
    all_served: list[Any] = [Served(number) for number in range(4)]
    summaries = at_once()
    summaries.refresh(all_served[:2], all_served)
    summaries.refresh(all_served[1:3], all_served)  # what another visitor sees does not wait for the time of the first
    assert [served.inspected for served in all_served] == [1, 1, 1, 0]
    now += 61
    summaries.refresh(all_served[:1], all_served[:2])
    assert [served.inspected for served in all_served] == [2, 1, 1, 0]
    assert summaries.get(all_served[1])[1] is not None
    assert summaries.get(all_served[2])[1] is None  # it is not served any more
