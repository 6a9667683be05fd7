"""The real git-annex uses our server behind nginx, which ends TLS and has a path of its own for it."""

from __future__ import annotations

import http.client
import re
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.conftest import ROOT
from tests.oracle.clients import Clone
from tests.support.httpserver import CLIENT, Answer, DistantApi, Server
from tests.support.nginx import PROGRAM, Nginx
from tests.support.real import Repo

bcrypt = pytest.importorskip("bcrypt")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no nginx")

SLASHED = "WORM-s5-m1700000000--a/b%2Fc"  # a key with a slash, and with what looks like an encoded one
QUOTA = "--max-size-user=11MB"
HELPER = "!f() { echo username=me; echo password=secret; }; f"

# docs/http.md has a location whose prefix the server knows. The other one is what a proxy does that takes its prefix
# away, and asks for passwords by itself.
LOCATION = re.search(
    r"^    location /annex/ {\n.*?^    }\n", (ROOT / "docs/http.md").read_text(), re.DOTALL | re.MULTILINE
)
EXTRA = 'map $request_uri $behind_photos { "~^/someone/photos(?<path>/git-annex/.*)$" $path; }'


def locations(port: int, other: int, passwords: Path) -> str:
    assert LOCATION is not None
    known = LOCATION[0]
    begin = f'location /someone/photos/ {{\nauth_basic "photos";\nauth_basic_user_file {passwords};'
    taken = known.replace("location /annex/ {", begin).replace(":9417", f":{other}$behind_photos")
    return known.replace(":9417", f":{port}") + taken


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline


class Setting:
    def __init__(self, top: Path) -> None:
        self.repo = Repo(top / "photos")
        self.repo.add("first", b"first content\n")
        self.log = top / "access.log"
        (top / "users").write_bytes(b"me:" + bcrypt.hashpw(b"secret", bcrypt.gensalt(4)))
        (top / "rules").write_text("[.]\nme = full\n")
        options = ["--htpasswd", str(top / "users"), "--access", str(top / "rules"), "--access-log", str(self.log)]
        self.server = Server(self.repo.path, *options, "--base-path=/annex", "--trust-proxy=127.0.0.1", QUOTA)
        self.embedded = Server(self.repo.path, "--wideopen", "-J2")
        (top / "passwords").write_text("me:{PLAIN}secret\n")
        text = locations(self.server.port, self.embedded.port, top / "passwords")
        self.nginx = Nginx(top / "nginx", text, EXTRA)

    def connect(self) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=self.nginx.certificate)
        return http.client.HTTPSConnection("localhost", self.nginx.port, context=context, timeout=30)

    def clone(self, top: Path, programs: Path, prefix: str) -> Clone:
        made = Clone.of(str(self.repo.path), top / "clone", programs)
        made.git("config", "annex.security.allowed-ip-addresses", "all")
        made.git("config", "remote.origin.annexUrl", self.nginx.url + prefix)
        made.git("config", "credential.helper", HELPER)
        return made

    def stop(self) -> None:
        self.nginx.stop()
        assert self.server.stop() == self.embedded.stop() == ""


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    made = Setting(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.nginx.certificate))
    monkeypatch.setenv("SYSTEM_CERTIFICATE_PATH", str(made.nginx.certificate))
    monkeypatch.setenv("GIT_TERMINAL_PROMPT", "0")
    yield made
    made.stop()


class Proxied(DistantApi):
    """Requests by way of the proxy."""

    def __init__(self, setting: Setting, prefix: str) -> None:
        super().__init__(setting, setting.repo.uuid, {"Authorization": "Basic bWU6c2VjcmV0"})
        self.prefix = prefix

    def path(self, endpoint: str, version: int | None = 4, **parameters: object) -> str:
        return self.prefix + super().path(endpoint, version, **parameters)


def present(repo: Repo, key: str) -> bool:
    done = subprocess.run(["git", "annex", "contentlocation", key], cwd=repo.path, capture_output=True)
    return done.returncode == 0


@pytest.mark.parametrize("prefix", ["/annex", "/someone/photos"])
def test_contents_come_and_go(setting: Setting, tmp_path: Path, programs: Path, prefix: str) -> None:
    clone = setting.clone(tmp_path, programs, prefix)
    clone.annex("get", "first")
    assert (clone.path / "first").read_bytes() == b"first content\n"
    keys = clone.add(["small", "large"], size=5_000_000)
    clone.annex("copy", "--to", "origin", "-J4")
    assert all(present(setting.repo, key) for key in keys.values())
    assert "locking origin" in clone.annex("drop", "large")
    clone.annex("get", "large")
    clone.annex("drop", "--from", "origin", "small")
    assert not present(setting.repo, keys["small"])
    clone.annex("move", "--to", "origin", "small")
    clone.annex("move", "--from", "origin", "large")
    assert present(setting.repo, keys["small"])
    assert not present(setting.repo, keys["large"])
    if prefix == "/annex":
        assert " - me [" in setting.log.read_text()


@pytest.mark.parametrize(("rights", "sentence"), [("full", "the quota of me is used up"), ("read", "may not do that")])
def test_whoever_logs_in_is_told_why_an_upload_is_refused(
    setting: Setting, tmp_path: Path, programs: Path, rights: str, sentence: str
) -> None:
    clone = setting.clone(tmp_path, programs, "/annex")
    (tmp_path / "rules").write_text(f"[.]\nme = {rights}\n")
    api = Proxied(setting, "/annex")
    eventually(lambda: api.post("remove", SLASHED).status == (200 if rights == "full" else 403))
    api.close()
    clone.add(["large"], size=11_500_000)
    assert sentence in clone.try_annex("copy", "--to", "origin", "large").stderr


def test_requests_pass_unchanged(setting: Setting) -> None:
    for prefix in ("/annex", "/someone/photos"):
        api = Proxied(setting, prefix)
        keep_a_key_with_a_slash(api)
        key = setting.repo.add(prefix[1:4], prefix.encode())
        keep_a_lock(setting, api, key)
        assert api.removed(key)
        api.close()


def keep_a_key_with_a_slash(api: Proxied) -> None:
    assert api.put(SLASHED, b"hello").json["stored"]
    assert api.get(SLASHED).body == b"hello"
    assert api.get(SLASHED, None).body == b"hello"
    plain = api.path(f"key/{quote(SLASHED, safe='/')}", clientuuid=CLIENT)
    assert api.ask("GET", plain).status == 404


def keep_a_lock(setting: Setting, api: Proxied, key: str) -> None:
    path = api.path("keeplocked", lockid=api.lock(key), clientuuid=CLIENT)
    connection = setting.connect()
    connection.request("POST", path, b'{"unlock":false}\n', api.headers)
    assert Answer(connection.getresponse()).json == {"locked": False}
    assert not api.removed(key)  # its end changes nothing
    connection.putrequest("POST", path)
    connection.putheader("Transfer-Encoding", "chunked")
    connection.putheader("Authorization", api.headers["Authorization"])
    connection.endheaders()
    connection.send(b'10\r\n{"unlock":false}\r\n1\r\n\n\r\n')
    assert not api.removed(key)
    connection.send(b'f\r\n{"unlock":true}\r\n1\r\n\n\r\n')  # the end of the body is not needed
    assert Answer(connection.getresponse()).json == {"locked": False}
    connection.close()


def test_who_the_client_is(setting: Setting) -> None:
    api = Proxied(setting, "/annex")
    api.headers["X-Forwarded-For"] = "192.0.2.1, 192.0.2.2"
    api.headers["X-Forwarded-Proto"] = "http"
    assert api.post("gettimestamp").status == 200  # by https, whatever it says
    api.headers = {}
    assert api.post("gettimestamp").status == 401
    api.close()
    assert setting.log.read_text().splitlines()[0].split()[:3] == ["192.0.2.2", "-", "me"]
    plain = DistantApi(setting.server, setting.repo.uuid, {"Authorization": "Basic bWU6c2VjcmV0"})
    path = "/annex" + plain.path("gettimestamp", clientuuid=CLIENT)
    assert plain.ask("POST", path, b"").status == 403  # without the proxy it is not by https
    plain.close()
