"""git and its contents from one url: the real git, and the real git-annex, new and old, against our server alone."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.oracle.clients import Clone
from tests.oracle.servers import existing
from tests.support.httpserver import Server
from tests.support.real import Repo, run


@pytest.fixture(autouse=True)
def _without_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TERMINAL_PROMPT", "0")
    monkeypatch.setenv("GIT_ASKPASS", "true")


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    servers = []

    def make(place: Path, *options: str, env: dict[str, str] | None = None) -> Server:
        servers.append(Server(place, "--git", *options, env=env))
        return servers[-1]

    yield make
    for server in servers:
        assert server.stop() == ""


def published(path: Path, **files: bytes) -> Repo:
    """A bare repository with files on its branch, whose contents it has."""
    work = Repo(path.with_name(path.name + "-work"))
    bare = Repo(path, bare=True)
    for name, content in files.items():
        work.add(name, content)
    branch = work.git("symbolic-ref", "--short", "HEAD").strip()
    bare.git("symbolic-ref", "HEAD", f"refs/heads/{branch}")
    work.git("remote", "add", "server", str(path))
    work.annex("sync", "--content", "server")
    return bare


def clone_of(url: str, path: Path, programs: Path) -> Clone:
    """A clone by the url alone: nothing is configured in it but that addresses of this machine are no secret."""
    made = Clone(path, programs)
    run("git", "clone", "-q", url, path, env=made.env)
    made.git("config", "annex.security.allowed-ip-addresses", "127.0.0.1")
    made.annex("init", "-q", path.name)
    return made


def test_a_url_is_all_that_is_needed(tmp_path: Path, start: Callable[..., Server], client_programs: Path) -> None:
    published(tmp_path / "srv" / "photos.git", small=b"some content\n", large=b"x" * 3_000_000)
    server = start(tmp_path, "--unauth-readonly", "--directory", str(tmp_path / "srv"))
    for name in ("photos", "photos.git", "photos/", "/photos"):
        clone = clone_of(
            f"http://127.0.0.1:{server.port}/{name}", tmp_path / f"clone {name.strip('/')}", client_programs
        )
        clone.annex("get", "-q", "small", "large")
        assert (clone.path / "small").read_bytes() == b"some content\n"
        assert (clone.path / "large").stat().st_size == 3_000_000
        clone.annex("fsck", "-q", "--fast", "--from", "origin")
        clone.annex("drop", "-q", "large")
        subprocess.run(["rm", "-rf", clone.path], check=True)


def test_all_goes_back_to_the_same_url(tmp_path: Path, start: Callable[..., Server], programs: Path) -> None:
    bare = published(tmp_path / "srv" / "photos.git", small=b"some content\n")
    server = start(tmp_path, "--wideopen", "--directory", str(tmp_path / "srv"))
    clone = clone_of(f"http://127.0.0.1:{server.port}/photos", tmp_path / "clone", programs)
    key = clone.add(["new"], size=2_000_000)["new"]
    clone.annex("push", "-q")
    branch = clone.git("symbolic-ref", "--short", "HEAD").strip()
    assert bare.git("rev-parse", branch) == clone.git("rev-parse", "HEAD")
    assert key in bare.annex("find", "--branch", branch, "--format=${key}\\n", "--in=here")
    assert clone.git("config", "remote.origin.annexurl").strip() == f"annex+http://127.0.0.1:{server.port}/photos"


RULES = """\
[alice/*]
alice = full create
users = read git

[*]
anonymous = read lock git
users = append
"""
USERS = {"alice": "first", "bob": "second"}


@pytest.fixture
def lab(tmp_path: Path, start: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server with users, who log in over http."""
    (tmp_path / "srv").mkdir(exist_ok=True)
    (tmp_path / "rules").write_text(RULES)
    for user, password in USERS.items():
        monkeypatch.setenv(f"GIT_ANNEX_P2PHTTP_PASSWORD_{user}", password)
    options = ["--directory", str(tmp_path / "srv"), "--access", str(tmp_path / "rules"), "--authenv-http"]
    return start(tmp_path, *options)


def log_in(clone: Clone, user: str) -> None:
    """As docs/http.md says it for cron jobs."""
    helper = f"!f() {{ echo username={user}; echo password={USERS[user]}; }}; f"
    clone.git("config", "credential.helper", helper)


def work_in(path: Path, programs: Path, user: str) -> Clone:
    """A repository of a user's that is on no server yet."""
    run("git", "init", "-q", path)
    made = Clone(path, programs)
    made.git("config", "annex.security.allowed-ip-addresses", "127.0.0.1")
    made.annex("init", "-q", path.name)
    log_in(made, user)
    return made


def test_a_push_makes_a_repository(tmp_path: Path, lab: Server, programs: Path) -> None:
    work = work_in(tmp_path / "work", programs, "alice")
    work.git("checkout", "-q", "-b", "trunk")
    key = work.add(["file"], size=100_000)["file"]
    url = f"http://127.0.0.1:{lab.port}/alice/new"
    work.git("remote", "add", "origin", url)
    work.annex("push", "-q")
    made = tmp_path / "srv" / "alice" / "new.git"
    server = existing(made)
    assert server.git("symbolic-ref", "HEAD") == "refs/heads/trunk\n"
    assert key in server.annex("find", "--branch", "trunk", "--format=${key}\\n", "--in=here")
    assert server.git("config", "annexshell.owner") == "alice\n"
    assert server.git("config", "annexshell.emptysince", check=False) == ""
    clone = Clone(tmp_path / "clone", programs)
    helper = f"credential.helper=!f() {{ echo username=bob; echo password={USERS['bob']}; }}; f"
    run("git", "-c", helper, "clone", "-q", url, clone.path, env=clone.env)
    clone.git("config", "annex.security.allowed-ip-addresses", "127.0.0.1")
    log_in(clone, "bob")
    clone.annex("init", "-q")
    clone.annex("get", "-q", "file")
    assert clone.has("file")
    assert clone.try_git("push", "-q", "origin", "HEAD:refs/heads/other").returncode != 0


def test_a_login_that_is_stored_survives_the_first_push(tmp_path: Path, lab: Server, programs: Path) -> None:
    work = work_in(tmp_path / "work", programs, "alice")
    logins = tmp_path / "logins"
    logins.write_text(f"http://alice:{USERS['alice']}@127.0.0.1:{lab.port}\n")
    work.git("config", "credential.helper", f"store --file={logins}")
    work.git("config", f"credential.http://127.0.0.1:{lab.port}.username", "alice")
    key = work.add(["file"], size=100_000)["file"]
    work.git("remote", "add", "origin", f"http://127.0.0.1:{lab.port}/alice/new")
    work.annex("push", "-q")
    assert logins.read_text().startswith(f"http://alice:{USERS['alice']}@")
    assert list((tmp_path / "srv" / "alice" / "new.git").rglob(key)) != []


def test_nobody_else_makes_one(tmp_path: Path, lab: Server, programs: Path) -> None:
    for number, (user, name) in enumerate([("bob", "alice/new"), ("alice", "new"), ("alice", "alice/../new")]):
        work = work_in(tmp_path / f"work{number}", programs, user)
        work.add(["file"])
        assert work.try_git("push", "-q", f"http://127.0.0.1:{lab.port}/{name}", "HEAD").returncode != 0
    assert list((tmp_path / "srv").rglob("HEAD")) == []


def test_subdatasets_below_their_superdataset(tmp_path: Path, start: Callable[..., Server], programs: Path) -> None:
    sup = Repo(tmp_path / "srv" / "sup")
    sub = Repo(sup.path / "sub")
    key = sub.add("file", b"content of a subdataset\n")
    sup.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "./sub", "sub")
    sup.git("commit", "-qm", "sub")
    server = start(tmp_path, "--unauth-readonly", "--directory", str(tmp_path / "srv"))
    clone = clone_of(f"http://127.0.0.1:{server.port}/sup", tmp_path / "clone", programs)
    clone.git("submodule", "--quiet", "update", "--init")
    inside = Clone(clone.path / "sub", programs)
    inside.git("config", "annex.security.allowed-ip-addresses", "127.0.0.1")
    inside.annex("init", "-q")
    inside.annex("get", "-q", "file")
    assert inside.has("file")
    assert inside.git("config", "remote.origin.annexurl").strip().endswith("/sup/sub")
    assert key


def test_names_that_have_to_be_encoded(tmp_path: Path, start: Callable[..., Server], client_programs: Path) -> None:
    published(tmp_path / "srv" / "my photos+é.git", small=b"some content\n")
    server = start(tmp_path, "--unauth-readonly", "--directory", str(tmp_path / "srv"))
    for name in ("my%20photos%2B%C3%A9", "my%20photos%2B%C3%A9.git"):
        clone = clone_of(f"http://127.0.0.1:{server.port}/{name}", tmp_path / f"clone {len(name)}", client_programs)
        clone.annex("get", "-q", "small")
        assert clone.has("small")
