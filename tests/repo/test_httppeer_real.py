"""A repository behind the real git annex p2phttp."""

from __future__ import annotations

import os
import uuid as uuids
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from annexshell.errors import NodeError, NodeFailed, NotPresent, VerificationFailed
from annexshell.model.key import Key, parse_key
from annexshell.relay.copy import receive
from annexshell.repo.nodes.dial import Line
from annexshell.repo.nodes.httpauth import NO_PROMPT
from annexshell.repo.nodes.httppeer import HttpRepository
from annexshell.repo.port import Repository, Writing
from annexshell.stream.memory import MemoryStream
from tests.repo.conformance import LARGE, SMALL, Backing, User, key_of
from tests.repo.distant import DistantConformance
from tests.repo.places import make_repo, waiting_for
from tests.repo.reached import dialer, http
from tests.support.p2phttp import P2pHttp
from tests.support.real import Repo, run


class Server:
    """A server, and the directory in which it finds its repositories."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.real = P2pHttp(directory, "--wideopen")
        self._count = 0

    def new_repository(self) -> Repo:
        """Another one, with a uuid of its own."""
        self._count += 1
        repo = make_repo(self.directory / f"repo{self._count}")
        repo.git("config", "annex.uuid", str(uuids.uuid4()))
        return repo


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, programs: Path) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("served") / "repositories"
    directory.mkdir()
    patch = pytest.MonkeyPatch()
    patch.setenv("PATH", str(programs), prepend=":")
    server = Server(directory)
    yield server
    server.real.stop()
    patch.undo()


class Http(Backing):
    """A repository of the server's, which every user connects to anew."""

    locked = too_late = (NodeFailed, NodeError)  # for a lock git-annex has no answer but an internal error

    def __init__(self, server: Server) -> None:
        self._port = server.real.port
        self._repo = server.new_repository()
        self._uuid = self._repo.uuid

    def open(self) -> Repository:
        return http(self._port, self._uuid)

    def settle(self, repository: Repository) -> None:
        """The server may answer before it has unlocked."""
        waiting_for(lambda: not any(self._repo.annex_dir.glob("objects/*/*/*/*.lck")))


class TestConformance(DistantConformance):
    @pytest.fixture
    def backing(self, server: Server) -> Backing:
        return Http(server)

    @pytest.mark.parametrize("valid", [True, None])
    def test_the_hash_decides(self, user: User, valid: bool | None) -> None:
        super().test_the_hash_decides(user, valid)

    @pytest.mark.parametrize("content", [SMALL, bytes(len(SMALL))], ids=["right", "wrong"])
    def test_a_sender_that_takes_it_back(self, user: User, content: bytes) -> None:
        """Then the server never gets all of it, even if it was right."""
        with pytest.raises(VerificationFailed):
            user.put(key_of(SMALL), content, valid=False)
        assert not user.repository.present(key_of(SMALL))
        self.put_again(user)

    @pytest.mark.skip("git-annex says that content is invalid which was removed while it was sent")
    def test_a_removal_does_not_disturb_who_is_reading(self, user: User) -> None:
        pass


@pytest.fixture
def repository(server: Server) -> Iterator[HttpRepository]:
    repository = http(server.real.port, server.new_repository().uuid, bypass=[b"gateway-1", b"gateway-2"])
    yield repository
    repository.close()


def put(repository: Repository, content: bytes, file: bytes = b"") -> Key:
    key = key_of(content)
    writing = repository.put(key, file)
    assert isinstance(writing, Writing)
    receive(MemoryStream(content), writing.begin, len(content))
    assert writing.finish(True) == []
    return key


def test_pieces_without_a_stream(repository: HttpRepository) -> None:
    for content in (b"", b"x", SMALL, LARGE):
        writing = repository.put(key_of(content), b"")
        assert isinstance(writing, Writing)
        sink = writing.begin(len(content))
        sink.write(content[:7])
        sink.write(b"")
        sink.write(memoryview(content)[7:])
        assert writing.finish(True, verified=True) == []
        assert repository.present(key_of(content))


def test_what_was_found_to_be_wrong_is_not_stored(repository: HttpRepository) -> None:
    key = parse_key(b"WORM-s5--x")  # the server could not know
    writing = repository.put(key, b"")
    assert isinstance(writing, Writing)
    receive(MemoryStream(b"12345"), writing.begin, 5)
    with pytest.raises(VerificationFailed):
        writing.finish(True, verified=False)
    assert not repository.present(key)


def test_one_connection_is_enough(server: Server, repository: HttpRepository) -> None:
    before = len(os.listdir("/proc/self/fd"))
    key = put(repository, SMALL, b"\xff [name]")
    for _ in range(3):
        repository.lock(key).release()
        reading = repository.get(key, 3, b"[name]")
        assert reading.send(MemoryStream()) == len(SMALL) - 3
        assert reading.is_valid()
        reading.close(True)
    repository.remove(key)
    assert len(os.listdir("/proc/self/fd")) == before + 1


def test_content_that_git_annex_claims_to_be_empty(repository: HttpRepository) -> None:
    """A key without a size, which its server does not have: it sends nothing, and success."""
    with pytest.raises(NotPresent):
        repository.get(parse_key(b"URL--nowhere"), 0, b"")


def test_a_repository_that_is_not_there(server: Server) -> None:
    repository = http(server.real.port, "99999999-9999-4999-8999-999999999999")
    with pytest.raises(NodeError, match="no such repository"):
        repository.get(key_of(SMALL), 0, b"")
    repository.close()


# Who we are

PASSWORD = "a password>~?"  # whose base64 depends on the alphabet


@pytest.fixture(scope="module")
def guarded(server: Server) -> Iterator[P2pHttp]:
    """A server that lets one user write and another one read."""
    users = {"PASSWORD_writer": PASSWORD, "PASSWORD_reader": "secret", "PERMISSIONS_reader": "readonly"}
    env = {f"GIT_ANNEX_P2PHTTP_{name}": value for name, value in users.items()}
    guarded = P2pHttp(server.directory, "--authenv-http", env=env)
    yield guarded
    guarded.stop()


class Helper:
    """A credential helper of git's, which notes what it is told."""

    def __init__(self, directory: Path, user: str, password: str) -> None:
        self._log = directory / "helper.log"
        script = directory / "helper"
        answer = f"username={user}\\npassword={password}\\n" if user else ""
        script.write_text(
            f'#!/bin/sh\necho "$1" >> {self._log}\n[ "$1" != get ] || printf "{answer}"\ncat > /dev/null\n'
        )
        script.chmod(0o755)
        run("git", "config", "--global", "credential.helper", str(script))

    def start(self, word: bytes) -> Line:
        return dialer(NO_PROMPT).start([b"git", b"credential", word], "node")

    @property
    def told(self) -> list[str]:
        return self._log.read_text().split()


@pytest.fixture
def secret(server: Server) -> str:
    return server.new_repository().uuid


def test_credentials_of_the_url(guarded: P2pHttp, secret: str) -> None:
    repository = http(guarded.port, secret, url=f"http://writer:{quote(PASSWORD)}@127.0.0.1:{{port}}/")
    repository.remove(put(repository, SMALL))
    repository.close()


def test_credentials_that_git_knows(guarded: P2pHttp, secret: str, tmp_path: Path) -> None:
    helper = Helper(tmp_path, "writer", PASSWORD)
    repository = http(guarded.port, secret, helper.start)
    key = put(repository, SMALL)
    repository.remove(key)
    repository.close()
    assert helper.told == ["get", "store"]


def test_credentials_that_are_wrong(guarded: P2pHttp, secret: str, tmp_path: Path) -> None:
    helper = Helper(tmp_path, "writer", "guessed")
    repository = http(guarded.port, secret, helper.start)
    for _ in range(2):
        with pytest.raises(NodeError, match="wants another user name and password than git knows"):
            repository.put(key_of(SMALL), b"")
    assert helper.told == ["get", "erase"] * 2
    Helper(tmp_path, "writer", PASSWORD)
    put(repository, SMALL)
    repository.close()


def test_credentials_that_are_not_enough(guarded: P2pHttp, secret: str, tmp_path: Path) -> None:
    repository = http(guarded.port, secret, Helper(tmp_path, "reader", "secret").start)
    assert not repository.present(key_of(SMALL))
    with pytest.raises(NodeError, match="the server does not allow this"):
        repository.put(key_of(SMALL), b"")
    repository.close()


def test_nobody_is_asked_for_credentials(guarded: P2pHttp, secret: str, tmp_path: Path) -> None:
    """With a terminal git would ask there, and hang."""
    helper = Helper(tmp_path, "", "")
    repository = http(guarded.port, secret, helper.start)
    with pytest.raises(NodeError, match="401"):
        repository.present(key_of(SMALL))
    assert helper.told == ["get"]
    repository.close()


# TLS


@pytest.fixture(scope="module")
def secure(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[P2pHttp, Path]]:
    """A server with TLS, and the certificate that it must be trusted for."""
    directory = tmp_path_factory.mktemp("tls")
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    run(*make.split(), "-addext", names, "-keyout", key, "-out", certificate)
    secure = P2pHttp(server.directory, "--wideopen", f"--certfile={certificate}", f"--privatekeyfile={key}")
    yield secure, certificate
    secure.stop()


SECURE_URL = "https://localhost:{port}/git-annex/"


def test_tls(secure: tuple[P2pHttp, Path], secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(secure[1]))
    repository = http(secure[0].port, secret, url=SECURE_URL)
    key = put(repository, LARGE)
    stream = MemoryStream()
    reading = repository.get(key, 1000, b"")
    assert reading.send(stream) == len(LARGE) - 1000
    assert reading.is_valid()
    assert stream.outgoing == LARGE[1000:]
    reading.close(True)
    repository.lock(key).abandon()
    with pytest.raises(NodeError):
        repository.remove(key)
    repository.close()


def test_tls_that_cannot_be_trusted(secure: tuple[P2pHttp, Path], secret: str) -> None:
    repository = http(secure[0].port, secret, url=SECURE_URL)
    with pytest.raises(NodeError, match="its TLS certificate is not trusted"):
        repository.present(key_of(SMALL))


def test_tls_where_there_is_none(server: Server, secret: str) -> None:
    repository = http(server.real.port, secret, url=SECURE_URL, limit=0.5)
    with pytest.raises(NodeError, match="the TLS handshake failed"):
        repository.present(key_of(SMALL))


def test_no_tls_where_there_is_some(secure: tuple[P2pHttp, Path], secret: str) -> None:
    repository = http(secure[0].port, secret)
    with pytest.raises(NodeError, match="the server answers 426"):
        repository.present(key_of(SMALL))
    repository.close()
