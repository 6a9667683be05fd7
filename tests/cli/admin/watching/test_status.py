"""What annexshell status tells of sessions of both programs, of the HTTP server, and of nodes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from annexshell.cli.admin.watching.observer import Observer
from annexshell.cli.admin.watching.processes import RunningProcess
from annexshell.cli.admin.watching.snapshot import concerns
from annexshell.cli.admin.watching.text import lines
from tests.conftest import CLIENT_UUID, ROOT
from tests.support.admin import copied, farm, ours, succeed, value
from tests.support.client import Client, sha256_key
from tests.support.httpserver import CLIENT, Api, Server
from tests.support.real import Repo

_HOLD = "import fcntl, sys; f = open(sys.argv[2], 'w'); fcntl.lockf(f, 2); print('held', flush=True); sys.stdin.read()"


def look(place: Path, *options: str) -> dict[str, Any]:
    done: dict[str, Any] = json.loads(succeed(ours(place, "status", "--json", *options)))
    return done


def documented(found: Any) -> None:
    """Whether the manual page names all that the JSON has."""
    page = (ROOT / "docs" / "annexshell.1.md").read_text()
    for inner in found.values() if isinstance(found, dict) else found:
        if isinstance(inner, (dict, list)):
            documented(inner)
    if isinstance(found, dict):
        assert [name for name in found if f"`{name}`" not in page] == []


def glance(place: Path) -> dict[str, Any]:
    """The same without waiting for what it takes to know rates."""
    done: dict[str, Any] = json.loads(succeed(ours(place, "top", "--json", "--offline", "--count=1")))
    return done


def eventually(condition: Callable[[], object], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(params=["ours", "the original's"])
def program(request: pytest.FixtureRequest, shell: Path, programs: Path) -> Path:
    return shell if request.param == "ours" else programs / "git-annex-shell"


def test_a_session_that_uploads(repo: Repo, serve: Callable[..., Client], program: Path) -> None:
    content = os.urandom(4_000_000)
    client = serve(repo, 1, program)
    assert client.ask(f"PUT some_film.mkv {sha256_key(content)}") == "PUT-FROM 0"
    client.send(f"DATA {len(content)}")
    client.raw(content[:3_000_000])
    eventually(lambda: [t for t in glance(repo.path)["repositories"][0]["transfers"] if t["done"] >= 2_000_000])
    found = look(repo.path)
    (transfer,) = found["repositories"][0]["transfers"]
    (process,) = found["processes"]
    about = {"transfer": "receiving", "key": sha256_key(content), "file": "some_film.mkv", "size": len(content)}
    assert transfer.items() >= {**about, "peer": CLIENT_UUID, "pid": client.process.pid}.items()
    assert transfer["done"] <= 3_000_000
    assert process.items() >= {"pid": client.process.pid, "what": "session", "client": CLIENT_UUID}.items()
    documented(found)
    text = succeed(ours(repo.path, "status"))
    by = f"from {CLIENT_UUID}, by {client.process.pid}\n"
    assert re.search(rf"    receiving \d+ % of 4 MB[^:\n]*: some_film.mkv {by}", text)


def test_a_session_that_keeps_a_content(repo: Repo, serve: Callable[..., Client], program: Path) -> None:
    key = repo.add("a", b"hello\n")
    client = serve(repo, 1, program)
    assert client.ask(f"LOCKCONTENT {key}") == "SUCCESS"
    (lock,) = look(repo.path)["repositories"][0]["locks"]
    assert lock.items() >= {"key": key, "exclusive": False, "pid": client.process.pid, "until": None}.items()
    text = succeed(ours(repo.path, "status"))
    assert f"    kept, by {client.process.pid} ({CLIENT_UUID}): {key}\n" in text
    client.send("UNLOCKCONTENT")
    eventually(lambda: not glance(repo.path)["repositories"][0]["locks"])


@pytest.mark.parametrize("name", ["ssh/me@host.lock", "annexshell/uploads/1.2.3"])
def test_what_is_no_lock(repo: Repo, serve: Callable[..., Client], name: str) -> None:
    """Shared connections to nodes, and space that is reserved."""
    path = repo.annex_dir / name
    path.parent.mkdir(parents=True)
    key = repo.add("a", b"hello\n")
    argv: list[str | Path] = [sys.executable, "-c", _HOLD, "annexshell", path]
    with subprocess.Popen(argv, cwd=repo.path, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        client = serve(repo, 1)
        assert client.ask(f"LOCKCONTENT {key}") == "SUCCESS"
        found = glance(repo.path)
        assert [lock["key"] for lock in found["repositories"][0]["locks"]] == [key]
        assert holder.pid in [process["pid"] for process in found["processes"]]
        holder.communicate()


def test_sessions_elsewhere_do_not_count(repo: Repo, tmp_path: Path, serve: Callable[..., Client]) -> None:
    other = Repo(tmp_path / "other")
    serve(other)
    assert look(repo.path)["processes"] == []
    assert len(look(other.path)["processes"]) == 1


@pytest.fixture
def server(repo: Repo) -> Iterator[Server]:
    server = Server(repo.path, "--wideopen", "--cpus=2")
    yield server
    server.stop()


def test_the_http_server(repo: Repo, server: Server) -> None:
    key = repo.add("a", b"hello\n")
    api = Api(server, repo.uuid)
    assert api.lock(key)
    found = look(repo.path)
    (process,) = found["processes"]
    about = {"pid": server.process.pid, "what": "server", "connections": 1, "client": None}
    assert process.items() >= about.items()
    assert len(process["workers"]) == 2
    (lock,) = found["repositories"][0]["locks"]
    assert lock.items() >= {"key": key, "pid": None, "client": CLIENT, "address": "127.0.0.1", "user": None}.items()
    assert 500 < lock["until"] - time.time() <= 600
    documented(found)
    text = succeed(ours(repo.path, "status"))
    assert re.search(rf"    kept for \d+ minutes more, for {CLIENT}, 127.0.0.1: {key}\n", text)
    assert "2 workers, 1 connection," in text
    api.close()


def test_nodes_and_several_repositories(tmp_path: Path) -> None:
    world = copied(farm, tmp_path / "world")
    for name in ("n1", "n2"):
        succeed(ours(world / "gw", "addnode", "foo", name))
    succeed(ours(world / "gw", "maxsize", "n1", "1 MB"))
    (world / "n2").rename(tmp_path / "away")
    found = look(tmp_path, "world")
    assert [os.path.basename(repository["directory"]) for repository in found["repositories"]] == ["gw", "n1", "n3"]
    first, second = found["repositories"][0]["nodes"]
    uuid = value(world / "n1", "annex.uuid")
    assert first.items() >= {"name": "n1", "uuid": uuid, "clusters": ["foo"], "asked": True, "problem": None}.items()
    assert (first["size"], first["maximum"]) == (0, 1_000_000)
    assert second.items() >= {"name": "n2", "problem": "it can't be read"}.items()
    documented(found)
    text = succeed(ours(world / "gw", "status"))
    assert "n1 in foo: answers, 0 B of 1 MB (0 % full)\n" in text
    assert "n2 in foo: it can't be read" in text
    assert "n1 in foo: not asked" in succeed(ours(world / "gw", "status", "--offline"))


def test_nothing_is_changed(repo: Repo) -> None:
    (repo.annex_dir / "journal").mkdir(exist_ok=True)
    (repo.annex_dir / "journal" / "some.log").write_text("1s x\n")
    tip = repo.git("rev-parse", "git-annex")
    succeed(ours(repo.path, "status"))
    assert repo.git("rev-parse", "git-annex") == tip


def test_names_that_mean_no_good(repo: Repo, serve: Callable[..., Client]) -> None:
    repo.annex("describe", "here", "evil\x1b]0;owned\x07\nprocesses: 99")
    client = serve(repo, 1)
    content = os.urandom(2_000_000)
    assert client.ask(f"PUT \x1b[31mred {sha256_key(content)}") == "PUT-FROM 0"
    client.send(f"DATA {len(content)}")
    client.raw(content[:1_500_000])
    eventually(lambda: glance(repo.path)["repositories"][0]["transfers"])
    text = succeed(ours(repo.path, "status"))
    assert "receiving" in text
    assert text.replace("\n", "").isprintable()
    assert text.count("\nprocesses: ") == 1


def test_where_there_is_no_repository(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path / "plain"], check=True)
    for arguments in ([], ["plain"], ["nowhere"]):
        done = ours(tmp_path, "status", *arguments)
        assert done.code == 1
        assert "there is no git-annex repository in or below" in done.err or "is not a directory" in done.err


def test_who_a_client_is(repo: Repo, tmp_path: Path, serve: Callable[..., Client]) -> None:
    """By its description, the address and the key that sshd tells of."""
    key = repo.add("a", b"hello\n")
    known = repo.git("cat-file", "blob", "git-annex:uuid.log")
    (repo.annex_dir / "journal").mkdir(exist_ok=True)
    (repo.annex_dir / "journal" / "uuid.log").write_text(f"{known}{CLIENT_UUID} anna's laptop timestamp=1s\n")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    public = (tmp_path / "key.pub").read_text().rpartition(" ")[0]
    (tmp_path / "auth").write_text(f"publickey {public}\n")
    client = serve(repo, env={"SSH_CONNECTION": "192.0.2.7 40000 192.0.2.1 22", "SSH_USER_AUTH": f"{tmp_path}/auth"})
    assert client.ask(f"LOCKCONTENT {key}") == "SUCCESS"
    (process,) = look(repo.path)["processes"]
    shown = subprocess.run(["ssh-keygen", "-lf", tmp_path / "key.pub"], capture_output=True, text=True).stdout.split()[
        1
    ]
    about = {"client": CLIENT_UUID, "client_name": "anna's laptop", "address": "192.0.2.7", "fingerprint": shown}
    assert process.items() >= about.items()
    text = succeed(ours(repo.path, "status"))
    assert f"kept, by {client.process.pid} (anna's laptop, 192.0.2.7): {key}\n" in text
    assert f", {shown}\n" in text


def test_a_repository_that_vanishes(repo: Repo) -> None:
    observer = Observer([str(repo.path)], offline=True)
    observer.ask()
    assert observer.look()["repositories"][0]["present"]
    repo.path.rename(repo.path.with_name("away"))
    observer.ask()
    found = observer.look()
    assert not found["repositories"][0]["present"]
    assert lines(found)[0].endswith(f": {repo.path} is gone")


@pytest.mark.parametrize(
    ("words", "what", "concerned"),
    [
        (["get", "x"], "command", False),
        (["p2phttp"], "server", False),
        (["p2phttp", "--directory=srv"], "server", False),
        (["p2phttp", "--directory=/srv"], "server", True),
    ],
)
def test_processes_of_which_little_can_be_seen(words: list[str], what: str, concerned: bool) -> None:
    """Those of other accounts, of which nobody tells where they run."""
    running = RunningProcess.__new__(RunningProcess)
    running.words, running.what, running.directory, running.locks = words, what, b"", None
    here = os.fsencode(os.path.realpath("."))
    assert concerns(running, [(here + b"/.git/annex", here), (b"/srv/x/.git/annex", b"/srv/x")]) == concerned
