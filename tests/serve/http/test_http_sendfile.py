"""Who is told of files to send, and how."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from annexshell.errors import BadUsage
from annexshell.serve.http.http1.sendfile import SendFile
from tests.support.admin import ours
from tests.support.httpserver import Api, Server
from tests.support.real import Repo


def test_headers() -> None:
    assert SendFile("x-accel-redirect:/files/").header(b"/srv/a b%\xff") == (
        "X-Accel-Redirect",
        "/files/srv/a%20b%25%FF",
    )
    assert SendFile("X-Sendfile").header(b"/srv/x\r\ny") == ("X-Sendfile", "/srv/x%0D%0Ay")


@pytest.mark.parametrize("text", ["X-Send", "X-Accel-Redirect:files", "", ":/files"])
def test_what_is_no_header(text: str) -> None:
    with pytest.raises(BadUsage):
        SendFile(text)


def test_it_takes_a_proxy(repo: Repo) -> None:
    assert "needs --trust-proxy" in ours(repo.path, "p2phttp", "--port=0", "--sendfile-header=X-Sendfile").err


@pytest.mark.parametrize(("proxy", "is_told"), [("127.0.0.1", True), ("unix", False)])
def test_only_a_proxy_is_told(
    repo: Repo, start: Callable[..., Server], talk: Callable[..., Api], proxy: str, is_told: bool
) -> None:
    key = repo.add("a", b"hello\n")
    server = start(repo.path, "--wideopen", f"--trust-proxy={proxy}", "--sendfile-header=X-Sendfile")
    answer = talk(server, repo.uuid).get(key)
    assert answer.status == 200
    assert answer.headers["x-git-annex-data-length"] == "6"
    path = Path(answer.headers["x-sendfile"]) if is_told else None
    assert (path.read_bytes() if path else answer.body) == b"hello\n"
