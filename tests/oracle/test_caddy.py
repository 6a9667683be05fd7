"""The real git-annex uses our server behind Caddy, as docs/http.md has its configuration."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oracle.clients import Clone
from tests.support.httpserver import Server
from tests.support.pages import DOCS, blocks, text_of
from tests.support.ports import free_port
from tests.support.real import Repo

PROGRAM = shutil.which("caddy")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no caddy")
_SECTION = re.search(r"^### Caddy\n(.*?)^### ", text_of(DOCS / "http.md"), re.DOTALL | re.MULTILINE)


class Caddy:
    """A reverse proxy without TLS, to be stopped."""

    def __init__(self, directory: Path, behind: int) -> None:
        assert _SECTION is not None
        directory.mkdir()
        self.port = free_port()
        site = textwrap.indent("\n".join(blocks(_SECTION[1])).replace(":9417", f":{behind}"), "    ")
        text = f"{{\n    admin off\n    auto_https off\n}}\nhttp://127.0.0.1:{self.port} {{\n{site}\n}}\n"
        (directory / "Caddyfile").write_text(text)
        homes = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), str(directory))
        self._log = open(directory / "log", "wb")
        self._process = subprocess.Popen(
            [str(PROGRAM), "run", "--config", directory / "Caddyfile", "--adapter", "caddyfile"],
            env={**os.environ, **homes},
            stdin=subprocess.DEVNULL,
            stderr=self._log,
        )
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert self._process.poll() is None, (directory / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.01)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._log.close()


@pytest.fixture
def clone(repo: Repo, tmp_path: Path, programs: Path) -> Iterator[Clone]:
    server = Server(repo.path, "--wideopen", "--base-path=/annex", "--trust-proxy=127.0.0.1", "--cpus=1")
    proxy = Caddy(tmp_path / "caddy", server.port)
    made = Clone.of(str(repo.path), tmp_path / "clone", programs)
    made.git("config", "annex.security.allowed-ip-addresses", "all")
    made.git("config", "remote.origin.annexUrl", f"annex+http://127.0.0.1:{proxy.port}/annex")
    yield made
    proxy.stop()
    assert server.stop() == ""


def test_contents_come_and_go(clone: Clone) -> None:
    clone.add(["small", "large"], size=5_000_000)
    clone.annex("copy", "--to", "origin", "-J2")
    assert "locking origin" in clone.annex("drop", "large")
    clone.annex("get", "large")
    clone.annex("move", "--from", "origin", "small")
    assert clone.has("large")
