"""Passwords, rules and proxies as options of a server."""

from __future__ import annotations

import select
import socket
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.admin import ours
from tests.support.httpserver import CLIENT, Api, Server
from tests.support.real import Repo

bcrypt = pytest.importorskip("bcrypt")

ABSENT = "SHA256E-s3--" + "0" * 64
RULES = "[*]\nusers = full\nanonymous = read\n"


def login(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


def password_file(path: Path, **users: str) -> str:
    """Replaces a file of them, or makes it."""
    lines = [f"{user}:{bcrypt.hashpw(word.encode(), bcrypt.gensalt(4)).decode()}\n" for user, word in users.items()]
    path.write_text("".join(lines))
    return str(path)


def becomes(ask: Callable[[], int], status: int) -> None:
    """Waits until an answer is the one that is expected."""
    deadline = time.monotonic() + 20
    while ask() != status:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_files_are_read_anew(
    repo: Repo, start: Callable[..., Server], talk: Callable[..., Api], tmp_path: Path
) -> None:
    rules = tmp_path / "rules"
    rules.write_text(RULES)
    passwords = password_file(tmp_path / "passwords", ann="one")
    server = start(repo.path, "--authenv-http", "--htpasswd", passwords, "--access", str(rules), "--cpus=1")
    ann, eve = talk(server, repo.uuid, login("ann", "one")), talk(server, repo.uuid, login("eve", "two"))
    assert ann.post("remove", ABSENT).status == 200
    assert eve.post("remove", ABSENT).status == 401
    password_file(tmp_path / "passwords", eve="two")
    becomes(lambda: eve.post("remove", ABSENT).status, 200)
    assert ann.post("remove", ABSENT).status == 401
    rules.write_text("[*]\nusers = append\n")
    becomes(lambda: eve.post("remove", ABSENT).status, 403)
    rules.write_text("[*]\nusers = everything\n")
    assert f"{rules}: line 2: 'everything' is not one of" in complaint(server, eve)
    (tmp_path / "passwords").write_text("eve:two\n")
    line = complaint(server, eve)
    assert f"{passwords}: line 1: only bcrypt hashes are accepted" in line
    assert "two" not in line
    assert eve.post("putoffset", ABSENT).status == 200
    assert eve.post("remove", ABSENT).status == 403


def complaint(server: Server, api: Api) -> str:
    """What a server says that is asked until it looks at its files again."""
    assert server.process.stderr is not None
    deadline = time.monotonic() + 20
    while not select.select([server.process.stderr], [], [], 0.05)[0]:
        assert api.post("remove", ABSENT).status == 403
        assert time.monotonic() < deadline
    return server.process.stderr.readline()


def test_a_node_goes_by_its_gateway(start: Callable[..., Server], talk: Callable[..., Api], tmp_path: Path) -> None:
    gateway, node = Repo(tmp_path / "all" / "gateway"), Repo(tmp_path / "node")
    gateway.git("remote", "add", "node", str(node.path))
    gateway.git("config", "remote.node.annex-uuid", node.uuid)
    gateway.git("config", "remote.node.annex-proxy", "true")
    gateway.annex("updateproxy")
    rules = tmp_path / "rules"
    rules.write_text(f"[{node.uuid}]\nanonymous = full\n[gateway]\nanonymous = read\n")
    server = start(tmp_path, "--directory", str(tmp_path / "all"), "--access", str(rules))
    api = talk(server, node.uuid)
    assert api.post("checkpresent", ABSENT).json == {"present": False}
    assert api.post("remove", ABSENT).status == 403
    rules.write_text("[gateway]\nann = full\n[x]\nanonymous = read")
    becomes(lambda: api.post("checkpresent", ABSENT).status, 404)


def test_what_a_proxy_says_of_its_client(
    repo: Repo, start: Callable[..., Server], talk: Callable[..., Api], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    passwords = password_file(tmp_path / "passwords", ann="one")
    trusting = start(repo.path, "--htpasswd", passwords, "--trust-proxy=127.0.0.0/8", "--access-log", str(log))
    forwarded = {**login("ann", "one"), "X-Forwarded-For": "9.9.9.9, 192.0.2.7"}
    assert talk(trusting, repo.uuid, {**forwarded, "X-Forwarded-Proto": "https"}).post("remove", ABSENT).status == 200
    refused = talk(trusting, repo.uuid, {**forwarded, "X-Forwarded-Proto": "http"}).post("remove", ABSENT)
    assert (refused.status, refused.reason) == (403, "this server does not allow that, and https is needed to log in")
    assert trusting.stop() == ""
    assert [line.split()[:3] for line in log.read_text().splitlines()] == [
        ["192.0.2.7", "-", "ann"],
        ["192.0.2.7", "-", "-"],
    ]
    other = start(repo.path, "--authenv", "--trust-proxy=192.0.2.1", env={"GIT_ANNEX_P2PHTTP_PASSWORD_ann": "one"})
    assert talk(other, repo.uuid, {**forwarded, "X-Forwarded-Proto": "https"}).post("remove", ABSENT).status == 403


def test_a_proxy_on_a_unix_socket(repo: Repo, start: Callable[..., Server], tmp_path: Path) -> None:
    path, log = tmp_path / "socket", tmp_path / "log"
    options = ["--socket", str(path), "--authenv", "--trust-proxy=unix", "--access-log", str(log)]
    start(repo.path, *options, env={"GIT_ANNEX_P2PHTTP_PASSWORD_me": "secret"})
    request = f"POST /git-annex/{repo.uuid}/v4/gettimestamp?clientuuid=x HTTP/1.1\r\nX-Forwarded-Proto: %s\r\n"
    request += "X-Forwarded-For: 192.0.2.7\r\nAuthorization: Basic bWU6c2VjcmV0\r\nConnection: close\r\n\r\n"
    for scheme, status in (("https", b"200"), ("http", b"403")):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall((request % scheme).encode())
            with client.makefile("rb") as answer:
                assert answer.read().split()[1] == status  # and it is logged when the connection ends
    assert [line.split()[0] for line in log.read_text().splitlines()] == ["192.0.2.7"] * 2


def test_guessing_at_many_passwords_hurts_nobody(
    repo: Repo, start: Callable[..., Server], talk: Callable[..., Api], tmp_path: Path
) -> None:
    passwords = password_file(tmp_path / "passwords", ann="one")
    server = start(repo.path, "--authenv-http", "--htpasswd", passwords, "--trust-proxy=127.0.0.1", "--cpus=1")
    path = talk(server, repo.uuid).path("checkpresent", key=ABSENT, clientuuid=CLIENT)
    ann = talk(server, repo.uuid, {**login("ann", "one"), "X-Forwarded-For": "192.0.2.1"})
    assert not ann.present(ABSENT)
    connections = []
    for number in range(40):
        connections.append(server.connect())
        headers = {**login("ann", f"guess{number}"), "X-Forwarded-For": "192.0.2.66", "Content-Length": "0"}
        connections[-1].request("POST", path, headers=headers)
    assert not ann.present(ABSENT)  # one who is known, and
    newcomer = talk(server, repo.uuid, {**login("ann", "one"), "X-Forwarded-For": "192.0.2.2"})
    assert not newcomer.present(ABSENT)
    assert not select.select([connection.sock for connection in connections[4:]], [], [], 0)[0]
    assert server.stop() == ""  # nobody has to wait for all the others
    for connection in connections:
        assert connection.getresponse().status == 401
        connection.close()


def test_logging_in_is_asked_for(repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]) -> None:
    env = {"GIT_ANNEX_P2PHTTP_PASSWORD_ann": "one"}
    answer = talk(start(repo.path, "--authenv-http", env=env), repo.uuid).post("checkpresent", ABSENT)
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == 'Basic realm="git-annex", charset="UTF-8"'


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--htpasswd=/none --authenv-http", "/none can't be read: No such file or directory"),
        ("--htpasswd=/none", "--htpasswd lets users log in over https"),
        ("--access=/none", "/none can't be read: No such file or directory"),
        ("--access=BAD", "BAD: line 1: it has to be a [repository]"),
        ("--htpasswd=BAD --authenv-http", "BAD: line 1: it has to be user:hash"),
        ("--access=BAD --wideopen", "--access says what everybody may do: --wideopen can't be given too"),
        ("--access=BAD --unauth-nolocking", "--unauth-nolocking can't be given too"),
        ("--trust-proxy=localhost", "--trust-proxy takes an address, a network, or unix: 'localhost'"),
    ],
)
def test_what_keeps_a_server_from_starting(repo: Repo, tmp_path: Path, options: str, told: str) -> None:
    bad = tmp_path / "bad"
    bad.write_text("nonsense\n")
    done = ours(repo.path, "p2phttp", *options.replace("BAD", str(bad)).split())
    assert done.code == 1
    assert told.replace("BAD", str(bad)) in done.err


def test_a_wrong_permission_keeps_the_server_from_starting(repo: Repo) -> None:
    done = ours(repo.path, "p2phttp", "--authenv", GIT_ANNEX_P2PHTTP_PERMISSIONS_x="all")
    assert done.code == 1
    assert "GIT_ANNEX_P2PHTTP_PERMISSIONS_x has to be readonly or appendonly" in done.err


def test_nothing_to_serve(tmp_path: Path) -> None:
    assert "no git-annex repository here" in ours(tmp_path, "p2phttp", "--wideopen").err
