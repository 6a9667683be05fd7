"""What a request says reaches a node as what it is, and what a node says reaches a client as text."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.fakenodes import FakeGateway, FakeNodes, node_uuid
from tests.support.httpserver import Answer, Server
from tests.support.real import Repo

KEY = "WORM-s3--victim"
BREAKS = ["\n", "\r\n", "\r", "\0", "\x0b", " ", "\xa0", "\t"]


class World:
    """A gateway served over HTTP to everybody for reading and storing, and the one node behind it."""

    def __init__(self, top: Path, start: Callable[..., Server], *options: str) -> None:
        self.nodes = FakeNodes(top / "nodes")
        self.gateway = FakeGateway.make(top / "gw", ["fa"])
        self.server = start(self.gateway.path, *options, "--cpus=1", env=self.nodes.env)
        self.uuid = node_uuid(1)

    def ask(self, method: str, endpoint: str, body: bytes | None = None, **query: str) -> Answer:
        connection = self.server.connect()
        text = "&".join(f"{name}={value}" for name, value in query.items())
        size = {} if body is None else {"X-git-annex-data-length": str(len(body))}
        connection.request(method, f"/git-annex/{self.uuid}/v4/{endpoint}?{text}", body, size)
        answer = Answer(connection.getresponse())
        connection.close()
        return answer


def forms(text: str) -> list[str]:
    """As it may stand in a query."""
    data = text.encode()
    return [quote(data, safe=""), "".join(f"%{byte:02x}" for byte in data), f"[{urlsafe_b64encode(data).decode()}]"]


@pytest.mark.parametrize("parameter", ["key", "bypass", "clientuuid", "associatedfile", "offset", "lockid", "path"])
def test_no_parameter_becomes_a_request_to_a_node(parameter: str, tmp_path: Path, start: Callable[..., Server]) -> None:
    world = World(tmp_path, start, "--unauth-appendonly")
    world.nodes.content(KEY, b"abc")
    for line_break in BREAKS:
        start_of = "WORM--a" if parameter in ("key", "path") else "a"
        for form in forms(f"{start_of}{line_break}REMOVE {KEY}{line_break}"):
            query = {"key": KEY, "clientuuid": "c", **({} if parameter == "path" else {parameter: form})}
            for endpoint in ("checkpresent", "lockcontent", "putoffset"):
                answer = world.ask("POST", endpoint, None, **query)
                assert answer.status in (200, 400, 409, 502), (endpoint, form, answer.status)
            world.ask("POST", "put", b"abc", **query)
            world.ask("GET", f"key/{form if parameter == 'path' else KEY}", None, **query)
    assert world.ask("POST", "checkpresent", key=KEY, clientuuid="c").status == 200  # it is there as before
    world.server.stop()
    said = [line for line in world.nodes.log("fa") if line.startswith("> ")]
    assert "REMOVE" not in {line.removeprefix("> ").split()[0] for line in said if line != "> "}


@pytest.mark.parametrize("line_break", ["\n", "\0", "\r"])
def test_bad_values_are_refused_with_a_sentence(line_break: str, tmp_path: Path, start: Callable[..., Server]) -> None:
    world = World(tmp_path, start, "--unauth-readonly")
    for parameter in ("bypass", "clientuuid", *(["key"] if line_break != "\r" else [])):
        for form in forms(f"WORM--a{line_break}b"):
            answer = world.ask("POST", "checkpresent", None, **{"key": KEY, "clientuuid": "c", parameter: form})
            assert answer.status == 400
            assert f"Error parsing query parameter {parameter} failed: " in answer.body.decode()


def test_an_absolute_associated_file_is_none(tmp_path: Path, start: Callable[..., Server]) -> None:
    world = World(tmp_path, start, "--unauth-readonly")
    world.nodes.content(KEY, b"abc")
    for form in forms("/etc/passwd"):
        assert world.ask("GET", f"key/{KEY}", clientuuid="c", associatedfile=form).body == b"abc"
    world.server.stop()
    assert all("passwd" not in line for line in world.nodes.log("fa"))


def test_what_a_node_says_is_shown_and_not_obeyed(tmp_path: Path, start: Callable[..., Server]) -> None:
    world = World(tmp_path, start, "--unauth-readonly")
    world.nodes.script("fa", check="ERROR \x1b[2J\x9b2J\N{RIGHT-TO-LEFT OVERRIDE}é /srv/secret: " + "x" * 5000)
    answer = world.ask("POST", "checkpresent", key=KEY, clientuuid="c")
    assert answer.status == 502
    text = answer.body.decode()
    assert text.startswith(r"fa: \x1b[2J\x9b2J\u202eé …: xxx")
    assert len(text) < 1100
    assert answer.reason.isprintable()
    errors = world.server.stop()
    assert "/srv/secret" in errors
    assert "\x1b" not in errors
    assert "\x9b" not in errors


def test_a_node_that_is_not_there_is_told_without_its_address(tmp_path: Path, start: Callable[..., Server]) -> None:
    world = World(tmp_path, start, "--unauth-readonly")
    world.gateway.config("remote.fa.annexurl", "annex+http://127.0.0.1:1/")
    text = world.ask("POST", "checkpresent", key=KEY, clientuuid="c").body.decode()
    assert text.startswith("fa: ")
    assert "127.0.0.1" not in text
    assert "127.0.0.1 port 1" in world.server.stop()


def test_a_repository_that_is_gone_is_told_without_its_path(repo: Repo, start: Callable[..., Server]) -> None:
    server, uuid = start(repo.path, "--wideopen", "--cpus=1"), repo.uuid
    repo.git("config", "--unset", "annex.uuid")
    connection = server.connect()
    connection.request("POST", f"/git-annex/{uuid}/v4/putoffset?key={KEY}&clientuuid=c")
    answer = Answer(connection.getresponse())
    connection.close()
    assert answer.status >= 400
    assert str(repo.path) not in answer.body.decode() + answer.reason
