"""How a gateway reaches a remote, by its url."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from annexshell.errors import NodeError
from annexshell.model.remote import Remote, classify
from annexshell.repo.gateway.gateway import Gateway
from annexshell.repo.local.opening import open_parts
from annexshell.repo.nodes.httppeer import HttpRepository
from annexshell.repo.nodes.peer import PeerRepository
from annexshell.repo.port import Repository
from tests.conftest import CLIENT_UUID
from tests.repo.conformance import SMALL, key_of
from tests.repo.places import make_repo
from tests.repo.reached import PATIENCE
from tests.support.httpfake import HttpServer, Reply, Request, answer, reply

UUID = "22222222-2222-4222-8222-222222222222"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    repo = make_repo(tmp_path / "gateway")
    warnings: list[str] = []
    gateway = Gateway(open_parts(os.fsencode(repo.path), dict(os.environb), warnings.append))
    yield gateway
    gateway.close()
    assert not warnings


def connect(gateway: Gateway, url: str, **settings: str) -> Repository:
    values = {"url": url.encode(), **{name: value.encode() for name, value in settings.items()}}
    kind, location = classify(values["url"], values.get("annexurl", b""))
    return gateway.connect(Remote("node", UUID.encode(), kind, location, values), PATIENCE, [b"a-gateway"])


def test_kinds(gateway: Gateway) -> None:
    assert isinstance(connect(gateway, "ssh://nowhere.example/x"), PeerRepository)
    assert isinstance(connect(gateway, "p2p-annex::iroh:address"), PeerRepository)
    assert isinstance(connect(gateway, "tor-annex::abc.onion:1"), PeerRepository)
    assert isinstance(connect(gateway, "/x", annexurl="annex+https://nowhere.example/git-annex/"), HttpRepository)


@pytest.mark.parametrize(
    ("url", "annexurl", "words"),
    [
        ("tor-annex::abc.onion", "", "or tor-annex::ADDRESS.onion:PORT"),
        ("https://nowhere.example/", "", "not a remote that can be proxied to"),
        ("p2p-annex::iroh", "", "not of the form p2p-annex::NETWORK:ADDRESS"),
        ("/x", "annex+http://host:99999/", "its annexUrl can't be used"),
        ("/x", "annex+http:///git-annex/", "its annexUrl can't be used"),
    ],
)
def test_what_leads_nowhere(gateway: Gateway, url: str, annexurl: str, words: str) -> None:
    with pytest.raises(NodeError, match=f"^node: .*{words}"):
        connect(gateway, url, annexurl=annexurl)


@pytest.fixture
def server() -> Iterator[HttpServer]:
    """It wants to know who asks."""

    def function(request: Request) -> Reply:
        if b"authorization" in request.fields:
            return answer(present=True)
        return reply("401 Unauthorized", b"", 'WWW-Authenticate: Basic realm="git-annex", charset="UTF-8"')

    server = HttpServer(function)
    yield server
    server.stop()


@pytest.mark.parametrize("shared", [True, False])
def test_http_with_the_credentials_that_git_has(
    gateway: Gateway, server: HttpServer, tmp_path: Path, shared: bool
) -> None:
    """They are those of the git repository if that is on the same host, as with git-annex."""
    log = tmp_path / "log"
    helper = f'!f() {{ echo $1 >> {log}; cat >> {log}; [ $1 != get ] || printf "username=u\\npassword=p\\n"; }}; f'
    gateway.parts.git.run("config", "credential.helper", helper)
    gateway.parts.git.run("config", "credential.useHttpPath", "true")
    url = f"http://{'127.0.0.1' if shared else 'elsewhere.example'}:80/repo.git"
    node = connect(gateway, url, annexurl=f"annex+http://127.0.0.1:{server.port}/git-annex/")
    assert node.present(key_of(SMALL))
    node.close()
    request = server.requests[-1]
    assert request.fields[b"authorization"] == b"Basic dTpw"
    assert [value for name, value in request.parameters if name == "bypass"] == ["a-gateway"]
    assert dict(request.parameters)["clientuuid"] == gateway.parts.uuid.decode() != CLIENT_UUID
    told = log.read_text().splitlines()
    assert told[0] == "get"
    assert "store" in told
    if shared:
        assert {"protocol=http", "host=127.0.0.1:80", "path=repo.git"} <= set(told)
    else:
        assert {"protocol=annex+http", f"host=127.0.0.1:{server.port}", "path=git-annex"} <= set(told)
