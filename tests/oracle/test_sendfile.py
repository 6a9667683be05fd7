"""nginx sends contents for our server, to the real git-annex and to others."""

from __future__ import annotations

import http.client
import os
import re
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.conftest import ROOT
from tests.oracle.clients import Clone
from tests.support.httpserver import Answer, DistantApi, Server
from tests.support.nginx import PROGRAM, Nginx
from tests.support.real import Repo

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no nginx")

ODD = "WORM-s5-m1700000000--a/b%2Fc &s?#\xe9"
DATA = os.urandom(3_000_000)
PAGE = (ROOT / "docs/http.md").read_text()
FILES = re.search(r"^    location /annex-files/.*?^    }\n", PAGE, re.DOTALL | re.MULTILINE)


class Setting:
    """What docs/http.md tells to do, in another directory."""

    def __init__(self, top: Path) -> None:
        self.repo = Repo(top / "annex" / "photos")
        options = ["--trust-proxy=127.0.0.1", "--sendfile-header=X-Accel-Redirect:/annex-files"]
        self.server = Server(self.repo.path, "--wideopen", *options)
        assert FILES is not None
        files = FILES[0].replace("/srv/annex", str(top / "annex"))
        location = f"location /git-annex/ {{ proxy_pass http://127.0.0.1:{self.server.port}; client_max_body_size 0; }}"
        self.nginx = Nginx(top / "nginx", location + files)

    def connect(self) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=self.nginx.certificate)
        return http.client.HTTPSConnection("localhost", self.nginx.port, context=context, timeout=30)

    def stop(self) -> None:
        self.nginx.stop()
        assert self.server.stop() == ""


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    made = Setting(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.nginx.certificate))
    monkeypatch.setenv("SYSTEM_CERTIFICATE_PATH", str(made.nginx.certificate))
    yield made
    made.stop()


def test_git_annex_gets_what_nginx_sends(setting: Setting, tmp_path: Path, programs: Path) -> None:
    setting.repo.add("small", b"small\n")
    setting.repo.add("large", DATA)
    clone = Clone.of(str(setting.repo.path), tmp_path / "clone", programs)
    clone.git("config", "annex.security.allowed-ip-addresses", "all")
    clone.git("config", "remote.origin.annexUrl", setting.nginx.url)
    clone.annex("get", "small", "large")
    assert (clone.path / "large").read_bytes() == DATA
    assert (clone.path / "small").read_bytes() == b"small\n"


def test_what_nginx_sends_and_what_it_leaves_to_us(setting: Setting) -> None:
    api = DistantApi(setting, setting.repo.uuid)
    key = setting.repo.add("large", DATA)
    assert api.put(ODD, b"hello").json["stored"] is True

    def ask(key: str, version: int | None = None, **headers: str) -> Answer:
        path = api.path(f"key/{quote(key, safe='')}", version, **({} if version is None else {"clientuuid": "me"}))
        return api.ask("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    for version in (None, 4, 0):
        check(ask(key, version), 200, DATA, by_nginx=True)
    check(ask(ODD), 200, b"hello", by_nginx=True)
    tag = ask(key).headers["etag"]
    with closing(DistantApi(setting.server, setting.repo.uuid)) as direct:
        assert tag == direct.get(key, None).headers["etag"]
    part = ask(key, Range="bytes=100-299")
    check(part, 206, DATA[100:300], by_nginx=True)
    assert part.headers["content-range"] == f"bytes 100-299/{len(DATA)}"
    check(ask(key, Range="bytes=-7"), 206, DATA[-7:], by_nginx=True)
    # Where nginx would not understand the same as we do:
    check(ask(key, Range="bytes=100-299", If_Range=tag), 206, DATA[100:300], by_nginx=False)
    check(ask(key, Range="bytes=0-1,4-5"), 200, DATA, by_nginx=False)
    check(ask(key, 4, Range="bytes=100-299"), 200, DATA, by_nginx=False)
    check(api.get(key, offset=2_999_900), 200, DATA[-100:], by_nginx=False)
    assert ask(key, If_None_Match=tag).status == 304
    head = api.ask("HEAD", api.path(f"key/{key}", None))
    assert (head.status, head.headers["content-length"]) == (200, str(len(DATA)))
    assert ask(key, Range="bytes=3000000-").status == 416
    assert ask("SHA256-s3--" + "0" * 64).status == 404
    setting.repo.git("config", "annex.thin", "true")
    check(ask(key), 200, DATA, by_nginx=False)
    api.close()


def check(answer: Answer, status: int, content: bytes, by_nginx: bool) -> None:
    assert answer.status == status
    assert answer.body == content
    assert answer.headers["x-git-annex-data-length"] == str(len(content))
    assert answer.headers["content-type"] == "application/octet-stream"
    assert ("last-modified" in answer.headers) is by_nginx


def test_files_can_not_be_asked_for(setting: Setting) -> None:
    key = setting.repo.add("a", b"hello\n")
    path = os.path.realpath(setting.repo.path / "a")
    assert key in path
    connection = setting.connect()
    connection.request("GET", "/annex-files" + quote(path))
    assert connection.getresponse().status == 404
    connection.close()
