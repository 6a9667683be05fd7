"""The real git-annex uses its own servers, and ours, as nodes behind our HTTP server; and works over https."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.oracle.clients import Clone
from tests.support.admin import ours, succeed
from tests.support.httpserver import Server
from tests.support.p2phttp import P2pHttp
from tests.support.real import Repo

_FAILING = {"removeKey", "storeKey", "checkPresent"}  # of "unavailable remote": these fail with every HTTP server
_SSH = """#!/bin/sh
# Stands in for ssh: runs the command for git-annex-shell here, with the server of the host that is asked for.
for command; do :; done
case " $* " in *" theirs "*) PATH="{theirs}:$PATH";; *) PATH="{ours}:$PATH";; esac
exec sh -c "$command"
"""


class Setting:
    """A gateway that serves HTTP, whose nodes are reached over HTTP and ssh: the original's and ours."""

    def __init__(self, top: Path, programs: Path, shell: Path, start: Callable[..., Server]) -> None:
        served = top / "served"
        served.mkdir()
        self.nodes = {name: Repo(served / name) for name in ("http", "theirs", "ours")}
        self.http = P2pHttp(served, "--wideopen")
        self.gateway = Repo(top / "gateway")
        self.gateway.add("first", b"first content\n")
        ssh = top / "ssh"
        ssh.mkdir()
        (ssh / "ssh").write_text(_SSH.format(theirs=programs, ours=shell.parent))
        (ssh / "ssh").chmod(0o755)
        self.gateway.git("config", "annex.sshcaching", "false")
        self._add("http", f"http://127.0.0.1:{self.http.port}/", annexUrl=self.http.url)
        self._add("theirs", f"ssh://theirs{self.nodes['theirs'].path}")
        self._add("ours", f"ssh://ours{self.nodes['ours'].path}")
        self.gateway.annex("initcluster", "cluster")
        for name in self.nodes:
            self.gateway.git("config", f"remote.{name}.annex-cluster-node", "cluster")
        env = {"PATH": f"{ssh}:{os.environ['PATH']}"}
        for verb in ("updatecluster", "updateproxy"):
            succeed(ours(self.gateway.path, verb))
        self.server = start(self.gateway.path, "--wideopen", env=env)
        self.clone = Clone.of(str(self.gateway.path), top / "clone", programs)
        self.clone.git("config", "annex.security.allowed-ip-addresses", "all")
        self.clone.git("config", "remote.origin.annexUrl", self.server.url)

    def _add(self, name: str, url: str, **settings: str) -> None:
        self.gateway.git("remote", "add", name, url)
        uuid = self.nodes[name].uuid
        for setting, value in {"annex-uuid": uuid, "annex-proxy": "true", "annex-ignore": "false", **settings}.items():
            self.gateway.git("config", f"remote.{name}.{setting}", value)

    def holders(self, key: str) -> set[str]:
        return {name for name, node in self.nodes.items() if node.annex("contentlocation", key, check=False)}


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def make(place: Path, *options: str, env: dict[str, str] | None = None) -> Server:
        servers.append(Server(place, *options, env=env))
        return servers[-1]

    yield make
    for server in servers:
        assert "internal error" not in server.stop()


@pytest.fixture
def setting(tmp_path: Path, programs: Path, shell: Path, start: Callable[..., Server]) -> Iterator[Setting]:
    made = Setting(tmp_path, programs, shell, start)
    yield made
    made.http.stop()


@pytest.mark.parametrize("name", ["http", "theirs", "cluster"])
def test_testremote(name: str, setting: Setting) -> None:
    done = setting.clone.try_annex("testremote", "--fast", f"origin-{name}")
    failed = set(re.findall(r"^ +(\w+): +FAIL", done.stdout, re.MULTILINE))
    assert failed <= _FAILING, done.stdout[-5000:] + done.stderr[-2000:]
    assert re.search(r"3 out of \d{3} tests failed|All \d{3} tests passed", done.stdout), done.stdout[-1000:]


def test_contents_come_and_go(setting: Setting) -> None:
    clone = setting.clone
    keys = clone.add(["a", "b", "c"], size=300_000)
    clone.annex("copy", "-J8", "--to", "origin-cluster", "a", "b", "c")
    assert all(setting.holders(key) == {"http", "theirs", "ours"} for key in keys.values())
    clone.annex("drop", "-J8", "a", "b", "c")  # while nodes have them locked
    clone.annex("get", "-J8", "--from", "origin-cluster", "a", "b")
    clone.annex("get", "c")
    for name in setting.nodes:
        clone.annex("fsck", "--fast", "--from", f"origin-{name}")
        clone.annex("drop", "--from", f"origin-{name}", "a")
        clone.annex("move", "--from", f"origin-{name}", "b")
    assert setting.holders(keys["a"]) == setting.holders(keys["b"]) == set()
    clone.annex("drop", "--from", "origin-cluster", "c")
    assert setting.holders(keys["c"]) == set()
    assert all(clone.has(name) for name in keys)


def test_syncing_with_content(setting: Setting) -> None:
    setting.gateway.git("config", "receive.denyCurrentBranch", "updateInstead")
    clone = setting.clone
    keys = clone.add([f"file {number}" for number in range(12)], size=20_000)
    clone.annex("wanted", "origin", "anything")
    clone.annex("sync", "-J8", "--content", "origin")
    assert all(setting.gateway.annex("contentlocation", key) for key in keys.values())
    clone.annex("drop", "-J8", *keys)
    clone.annex("sync", "-J8", "--content", "origin")
    assert all(clone.has(name) for name in [*keys, "first"])


def make_certificates(directory: Path) -> Path:
    """An authority's certificate, and server.pem and server.key that it vouches for."""
    (directory / "extensions").write_text("subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n")
    key = "openssl req -newkey rsa:2048 -nodes -subj"
    commands = [
        f"{key} /CN=authority -x509 -keyout authority.key -out authority.pem",
        f"{key} /CN=localhost -keyout server.key -out server.csr",
        "openssl x509 -req -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 2"
        " -extfile extensions -out server.pem",
    ]
    for command in commands:
        if subprocess.run(command.split(), cwd=directory, capture_output=True).returncode:
            pytest.skip("there is no openssl")
    return directory / "authority.pem"


def test_passwords_over_https(
    tmp_path: Path, programs: Path, start: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = make_certificates(tmp_path)
    options = [
        "--authenv",
        "--certfile",
        str(tmp_path / "server.pem"),
        "--privatekeyfile",
        str(tmp_path / "server.key"),
    ]
    repo = Repo(tmp_path / "served")
    repo.add("first", b"first content\n")
    env = {"GIT_ANNEX_P2PHTTP_PASSWORD_me": "~~~?"}
    server = start(repo.path, *options, env=env)
    monkeypatch.setenv("GIT_TERMINAL_PROMPT", "0")
    clone = Clone.of(str(repo.path), tmp_path / "clone", programs)
    clone.git("config", "annex.security.allowed-ip-addresses", "all")
    clone.git("config", "remote.origin.annexUrl", f"annex+https://localhost:{server.port}/git-annex/")
    clone.git("config", "credential.helper", "!f() { echo username=me; echo 'password=~~~?'; }; f")
    assert clone.try_annex("get", "first").returncode != 0, "nobody has told it of the authority"
    clone.env["SSL_CERT_FILE"] = clone.env["SYSTEM_CERTIFICATE_PATH"] = str(authority)
    clone.annex("get", "first")
    key = clone.add(["more"], size=1_000_000)["more"]
    clone.annex("copy", "--to", "origin", "more")
    clone.annex("drop", "more")
    clone.annex("get", "more")
    clone.annex("move", "--to", "origin", "more")
    assert repo.annex("contentlocation", key)
