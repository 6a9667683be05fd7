"""Whom servers that run let in."""

from __future__ import annotations

import pytest

from annexshell.cli.admin.watching.doctor.servers import Listening, check_open, look
from tests.support.httpserver import Server
from tests.support.real import Repo


@pytest.mark.parametrize(
    ("words", "addresses", "told"),
    [
        (["p2phttp", "--wideopen", "/srv"], ["0.0.0.0"], True),
        (["p2phttp", "--wide", "/srv"], ["127.0.0.1", "fe80::1%eth0"], True),
        (["p2phttp", "--wideopen", "/srv"], ["127.0.0.1", "::1", "127.8.8.8"], False),
        (["p2phttp", "--wideopen", "/srv"], [], False),
        (["p2phttp", "--unauth-readonly", "/srv"], ["::"], False),
    ],
)
def test_who_lets_anybody_in(words: list[str], addresses: list[str], told: bool) -> None:
    texts = [found.text for found in check_open([Listening(7, words, addresses)])]
    assert len(texts) == told
    assert not told or (f"process 7, lets all who reach it at {addresses[-1]}" in texts[0])


def test_a_server_that_runs(repo: Repo) -> None:
    server = Server(repo.path, "--wideopen")
    try:
        (seen,) = [each for each in look() if each.pid == server.process.pid]
        assert "--wideopen" in seen.words
        assert seen.addresses == ["127.0.0.1"]
    finally:
        server.stop()
