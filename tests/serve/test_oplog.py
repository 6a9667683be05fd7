"""The log of operations: a line for each, whatever a client sends, and no operation that ends because of it."""

from __future__ import annotations

import json
import os
import re
import syslog
import threading
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from annexshell.errors import DiskFull
from annexshell.serve.oplog import SYSLOG, OperationLog, who
from annexshell.wire.codec import parse
from tests.conftest import CLIENT_UUID
from tests.repo.places import make_repo, waiting_for
from tests.support.client import Client, sha256_key
from tests.support.fakenodes import FakeGateway
from tests.support.real import Repo

Serve = Callable[..., Client]

CONTENT = b"content to be logged"
KEY = sha256_key(CONTENT)


def lines(path: Path) -> list[dict[str, Any]]:
    """The log, in which no line is broken and nothing is outside of plain printable characters."""
    data = path.read_bytes()
    assert data.endswith(b"\n")
    assert all(0x20 <= byte < 0x7F or byte == 0x0A for byte in data)
    return [json.loads(line) for line in data.splitlines()]


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return make_repo(tmp_path / "repo")


@pytest.fixture
def log(repo: Repo, tmp_path: Path) -> Path:
    """A file that the repository's configuration names."""
    path = tmp_path / "operations.log"
    repo.git("config", "annexshell.log", str(path))
    return path


def test_each_operation_is_a_line(repo: Repo, log: Path, serve: Serve) -> None:
    client = serve(repo)
    assert client.put(KEY, b"wrong" * 4) == "FAILURE"
    assert client.put(KEY, CONTENT) == "SUCCESS"
    assert client.put(KEY, CONTENT) == "ALREADY-HAVE"
    assert client.ask(f"CHECKPRESENT {KEY}") == "SUCCESS"
    assert client.ask("CHECKPRESENT WORM--x") == "FAILURE"
    assert client.get(KEY, offset=5) == CONTENT[5:]
    assert client.ask("GET 0  WORM--x") == "DATA 0"
    assert client.line() == "INVALID"
    assert client.ask("FAILURE", f"LOCKCONTENT {KEY}") == "SUCCESS"
    assert client.ask("UNLOCKCONTENT", "LOCKCONTENT WORM--x") == "FAILURE"
    assert client.ask(f"REMOVE-BEFORE 1 {KEY}") == "FAILURE"
    assert client.ask(f"REMOVE {KEY}") == "SUCCESS"
    assert client.close()[0] == 0
    found = [(each["operation"], each["key"], each["bytes"], each["result"]) for each in lines(log)]
    late = "failed: the time until which the removal was allowed has passed"
    assert found == [
        ("PUT", KEY, 20, "failed: verification of content failed"),
        ("PUT", KEY, 20, "done"),
        ("PUT", KEY, 0, "already-have"),
        ("CHECKPRESENT", KEY, 0, "present"),
        ("CHECKPRESENT", "WORM--x", 0, "absent"),
        ("GET", KEY, 15, "done"),
        ("GET", "WORM--x", 0, "absent"),
        ("LOCKCONTENT", KEY, 0, "done"),
        ("LOCKCONTENT", "WORM--x", 0, "failed: the content is not present"),
        ("REMOVE-BEFORE", KEY, 0, late),
        ("REMOVE", KEY, 0, "done"),
    ]
    for each in lines(log):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", each["time"])
        assert 0 <= each["ms"] < 60_000
        assert (each["client"], each["repository"]) == (CLIENT_UUID, repo.uuid)


def test_what_is_no_operation_is_not_logged(repo: Repo, log: Path, serve: Serve) -> None:
    client = serve(repo)
    for line in ("GETTIMESTAMP", "nonsense", "REMOVE", "GET x  WORM--x", "BYPASS", "VERSION 2"):
        assert client.ask(line, "CHECKPRESENT WORM--x")
    client.close()
    assert {each["operation"] for each in lines(log)} == {"CHECKPRESENT"}


@pytest.mark.parametrize("end", ["HUP", "kill", "close"])
def test_an_operation_that_does_not_end(repo: Repo, log: Path, serve: Serve, end: str) -> None:
    client = serve(repo)
    assert client.ask(f"PUT  {KEY}") == "PUT-FROM 0"
    client.raw(b"DATA 20\ncont")
    if end == "kill":
        client.kill()
        assert not log.exists()
        return
    if end == "HUP":
        client.process.send_signal(1)
    assert client.close()[0] == 1
    ((operation, result),) = [(each["operation"], each["result"]) for each in lines(log)]
    assert operation == "PUT"
    assert (
        result
        == "failed: "
        + {
            "HUP": "ended by a signal",
            "close": "the connection was closed in the middle of the content",
        }[end]
    )


HOSTILE = [
    b'WORM--x","result":"done"}{"operation":"',
    b"WORM--\x1b[2J\x07\x08\x7f\x00",
    b"WORM--\xff\xfe\xc3\x28",
    b"WORM--\\u000a\\n\\",
    "WORM--\u2028\u2029\u0085\u202e\U0001f4a9".encode(),
    b"WORM--\rforged",
    b"WORM--%s%n%(x)s{}${HOME}`id`$(id)",
    b"WORM--" + b"\xff" * 20_000,
]


def test_hostile_keys_stay_in_their_line(repo: Repo, log: Path, serve: Serve) -> None:
    client = serve(repo)
    for key in HOSTILE:
        assert client.ask(b"CHECKPRESENT " + key) == "FAILURE"
    client.close()
    found = lines(log)
    assert [each["key"] for each in found] == [key.decode("utf-8", "backslashreplace") for key in HOSTILE]
    for each in found:
        assert (each["operation"], each["result"], each["client"]) == ("CHECKPRESENT", "absent", CLIENT_UUID)


def test_hostile_clients_stay_in_their_line(repo: Repo, log: Path, shell: Path) -> None:
    env = {
        "USER": 'me"\n{"forged": 1}',
        "SSH_CONNECTION": '10.0.0.1"\x1b[0m 4711 10.0.0.2 22',
        "SSH_USER_AUTH": "/etc/passwd",
    }
    client_uuid = os.fsdecode(b'u"\n{"forged": 1}\xff')
    with Client(shell, "p2pstdio", str(repo.path), client_uuid, env=env) as client:
        assert client.ask(f"CHECKPRESENT {KEY}") == "FAILURE"
        assert client.close()[0] == 0
    (entry,) = lines(log)
    assert entry["user"] == 'me"\n{"forged": 1}'
    assert entry["address"] == '10.0.0.1"\x1b[0m'
    assert entry["client"] == 'u"\n{"forged": 1}\\xff'
    assert "forged" not in entry
    assert "key_fingerprint" not in entry


def test_the_administrator_wins(repo: Repo, log: Path, shell: Path, tmp_path: Path) -> None:
    """Who may write to the repository's configuration need not be who wants to know."""
    env = {"GIT_ANNEX_SHELL_LOG": str(tmp_path / "other.log")}
    with Client(shell, "p2pstdio", str(repo.path), CLIENT_UUID, env=env) as client:
        assert client.ask(f"CHECKPRESENT {KEY}") == "FAILURE"
        client.close()
    assert len(lines(tmp_path / "other.log")) == 1
    assert not log.exists()


def test_nothing_is_logged_by_default(repo: Repo, serve: Serve) -> None:
    assert serve(repo).ask(f"CHECKPRESENT {KEY}") == "FAILURE"


def test_the_log_is_not_for_everybody(repo: Repo, log: Path, serve: Serve) -> None:
    before = os.umask(0)
    try:
        client = serve(repo)
    finally:
        os.umask(before)
    assert client.ask(f"CHECKPRESENT {KEY}") == "FAILURE"
    client.close()
    assert log.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(("shared", "mode"), [("group", 0o660), ("all", 0o660), ("0660", 0o660), ("umask", 0o600)])
def test_the_log_of_a_shared_repository(repo: Repo, log: Path, serve: Serve, shared: str, mode: int) -> None:
    """All of its accounts can write to it, whatever umask the first one has."""
    repo.git("config", "core.sharedRepository", shared)
    before = os.umask(0o077)
    try:
        client = serve(repo)
        assert client.ask(f"CHECKPRESENT {KEY}") == "FAILURE"
        client.close()
    finally:
        os.umask(before)
    assert log.stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("target", ["missing/log", ".", "/dev/full", ""])
def test_a_log_that_can_not_be_written_ends_nothing(repo: Repo, serve: Serve, tmp_path: Path, target: str) -> None:
    repo.git("config", "annexshell.log", str(tmp_path / target) if target else "")
    client = serve(repo)
    assert client.put(KEY, CONTENT) == "SUCCESS"
    assert client.get(KEY) == CONTENT
    assert client.ask(f"REMOVE {KEY}") == "SUCCESS"
    code, errors = client.close()
    assert code == 0
    assert errors.count("can't write to the log") == (3 if target else 0)
    assert repo.location_log(KEY) == {repo.uuid: "0"}


def test_sessions_share_a_log(repo: Repo, log: Path, serve: Serve) -> None:
    clients = [serve(repo) for _ in range(4)]

    def work(number: int) -> None:
        for n in range(100):
            assert clients[number].ask(f"CHECKPRESENT WORM--{'x' * 3000}{number}.{n}") == "FAILURE"

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in clients:
        client.close()
    keys = [each["key"].rpartition("x")[2] for each in lines(log)]
    assert sorted(keys) == sorted(f"{number}.{n}" for number in range(4) for n in range(100))
    assert [key for key in keys if key.startswith("0.")] == [f"0.{n}" for n in range(100)]


def test_a_log_that_is_rotated(repo: Repo, log: Path, serve: Serve) -> None:
    """The next operation begins a new file."""
    client = serve(repo)
    assert client.ask("CHECKPRESENT WORM--a") == "FAILURE"
    assert client.ask("CHECKPRESENT WORM--b") == "FAILURE"
    waiting_for(lambda: log.read_bytes().count(b"\n") == 2)
    log.rename(log.with_suffix(".1"))
    assert client.ask("CHECKPRESENT WORM--c") == "FAILURE"
    client.close()
    assert [each["key"] for each in lines(log)] == ["WORM--c"]
    assert [each["key"] for each in lines(log.with_suffix(".1"))] == ["WORM--a", "WORM--b"]


# In this process


def test_syslog(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[int, str]] = []
    monkeypatch.setattr(syslog, "syslog", lambda priority, text: written.append((priority, text)))
    log = OperationLog(SYSLOG, {"user": "me"}, pytest.fail)
    message = parse(b"CHECKPRESENT WORM--a\x1b\xff%n")
    with log.operation(message, lambda: (0, "absent")):
        pass
    ((priority, text),) = written
    assert priority == syslog.LOG_INFO
    prefix, brace, entry = text.partition("{")
    assert prefix == "git-annex-shell: "
    assert text.isprintable()
    assert json.loads(brace + entry)["key"] == "WORM--a\x1b\\xff%n"


def test_errors_go_into_the_line_and_on(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = OperationLog(os.fsencode(path), {}, pytest.fail)
    for error in (DiskFull("no room\nfor \udcff"), ValueError("a mistake")):
        with pytest.raises(type(error)), log.operation(parse(b"REMOVE WORM--x"), lambda: (7, "done")):
            raise error
    assert [(each["result"], each["bytes"]) for each in lines(path)] == [
        ("failed: no room\nfor \udcff", 7),
        ("failed: a mistake", 7),
    ]


def test_who_is_there(tmp_path: Path) -> None:
    blob = b"not really a key"
    auth = tmp_path / "auth"
    auth.write_bytes(b"password\npublickey ssh-ed25519 " + b64encode(blob) + b"\npublickey ssh-rsa AAAA\n")
    env = {b"LOGNAME": b"me", b"SSH_CONNECTION": b"2001:db8::1 4711 ::1 22", b"SSH_USER_AUTH": os.fsencode(auth)}
    assert who(env, b"C", b"R") == {
        "user": "me",
        "address": "2001:db8::1",
        "key_fingerprint": "SHA256:" + b64encode(sha256(blob).digest()).decode().rstrip("="),
        "client": "C",
        "repository": "R",
    }
    assert who({}, b"", b"R") == {"repository": "R"}


@pytest.mark.parametrize("text", [b"", b"publickey\n", b"publickey ssh-rsa !\n", b"publickey x AAA\n", b"\xff\0\n"])
def test_no_key_is_known(tmp_path: Path, text: bytes) -> None:
    auth = tmp_path / "auth"
    auth.write_bytes(text)
    assert who({b"SSH_USER_AUTH": os.fsencode(auth)}, b"C", b"R") == {"client": "C", "repository": "R"}


def test_what_is_behind_a_gateway_is_logged_under_its_own_uuid(tmp_path: Path, shell: Path) -> None:
    node = make_repo(tmp_path / "node")
    gateway = FakeGateway.in_front_of(tmp_path / "gw", {"node": (node.path, node.uuid)})
    log = tmp_path / "operations.log"
    gateway.config("annexshell.log", str(log))
    for uuid in (gateway.uuid, gateway.cluster, node.uuid):
        with Client(shell, "p2pstdio", str(gateway.path), CLIENT_UUID, "--uuid", uuid) as client:
            assert client.ask(f"CHECKPRESENT {KEY}") == "FAILURE"
            client.close()
    assert [each["repository"] for each in lines(log)] == [gateway.uuid, gateway.cluster, node.uuid]
