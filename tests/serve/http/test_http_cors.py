"""Scripts of pages from elsewhere."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.support.admin import ours
from tests.support.httpserver import Api, Server
from tests.support.real import Repo

PAGE = "https://pages.example.org"
DATA = b"from a browser\n"
KEY = f"SHA256-s{len(DATA)}--{hashlib.sha256(DATA).hexdigest()}"
USER = {"GIT_ANNEX_P2PHTTP_PASSWORD_joe": "secret"}


def ask(api: Api, method: str, origin: str = PAGE, **headers: str) -> tuple[int, dict[str, str]]:
    endpoint = api.path("put", key=KEY, clientuuid="a-page") if method != "GET" else api.path(f"key/{KEY}", None)
    sent = {"Origin": origin, **{name.replace("_", "-"): value for name, value in headers.items()}}
    answer = api.ask(method, endpoint, b"" if method == "POST" else None, {k: v for k, v in sent.items() if v})
    return answer.status, answer.headers


def test_a_browser_asks_before_it_uploads(repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]) -> None:
    api = talk(start(repo.path, "--authenv-http", f"--cors-origin={PAGE}/", env=USER), repo.uuid)
    wanted = "authorization,content-type,x-git-annex-data-length"
    status, headers = ask(api, "OPTIONS", Access_Control_Request_Method="POST", Access_Control_Request_Headers=wanted)
    assert status == 204
    assert "content-length" not in headers
    assert headers["access-control-allow-origin"] == PAGE
    assert headers["vary"] == "Origin"
    assert headers["access-control-allow-methods"] == "GET, HEAD, POST"
    allowed = headers["access-control-allow-headers"].lower().split(", ")
    assert {*wanted.split(","), "range", "if-none-match"} <= set(allowed)
    assert "access-control-allow-credentials" not in headers


def test_answers_say_who_may_see_them(repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]) -> None:
    api = talk(start(repo.path, "--wideopen", f"--cors-origin={PAGE}", "--cors-origin=http://other"), repo.uuid)
    status, headers = ask(api, "GET")  # an absent key
    assert (status, headers["access-control-allow-origin"], headers["vary"]) == (404, PAGE, "Origin")
    exposed = headers["access-control-expose-headers"].lower().split(", ")
    assert {"x-git-annex-data-length", "etag", "content-range"} <= set(exposed)
    for origin in ("https://elsewhere.example.org", "", "null"):
        status, headers = ask(api, "GET", origin)
        assert "access-control-allow-origin" not in headers
        assert headers["vary"] == "Origin"


def test_scripts_of_other_pages_change_nothing(
    repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]
) -> None:
    server = start(repo.path, "--wideopen", f"--cors-origin={PAGE}")
    api = talk(server, repo.uuid)
    assert ask(api, "OPTIONS", "https://elsewhere", Access_Control_Request_Method="POST")[0] == 405
    assert ask(api, "POST", "https://elsewhere", X_git_annex_data_length="0")[0] == 403
    assert ask(api, "POST", f"http://127.0.0.1:{server.port}", X_git_annex_data_length="0")[0] == 200
    assert ask(api, "POST", "https://elsewhere", X_git_annex_data_length="0", Sec_Fetch_Site="same-origin")[0] == 200
    assert ask(api, "POST", "", X_git_annex_data_length="0")[0] == 200


BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64)"}
NGINX = {"X-Forwarded-For": "192.0.2.1"}


@pytest.mark.parametrize(
    ("method", "host", "headers", "status"),
    [
        ("POST", "evil.example:80", {"Origin": "http://evil.example:80"}, 403),
        ("POST", "evil.example", {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"}, 403),
        ("POST", "evil.example", {"Origin": "http://evil.example", **NGINX}, 403),
        ("POST", "127.0.0.1:1", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("GET", "evil.example", {"Origin": "http://evil.example"}, 403),
        ("GET", "evil.example", BROWSER, 403),
        ("GET", "localhost.evil.example", BROWSER, 403),
        ("POST", "localhost:1", {"Origin": "http://localhost:1"}, 200),
        ("POST", "[::1]:1", {"Origin": "http://[::1]:1"}, 200),
        ("POST", "annex.example", {"Origin": "https://annex.example", "Sec-Fetch-Site": "same-origin", **NGINX}, 200),
        ("POST", "pages.example.org", {"Origin": "http://pages.example.org"}, 200),
        ("POST", "annex.example", {}, 200),  # git-annex, by whatever name
        ("GET", "annex.example", {}, 404),
        ("GET", "annex.example", {**BROWSER, **NGINX}, 404),
        ("GET", "127.0.0.1:1", {**BROWSER, "Sec-Fetch-Site": "cross-site"}, 404),  # a link
    ],
)
def test_names_that_lead_here_are_not_believed(
    repo: Repo,
    start: Callable[..., Server],
    talk: Callable[..., Api],
    method: str,
    host: str,
    headers: dict[str, str],
    status: int,
) -> None:
    """A page of a name that leads to us is of our origin for the browser."""
    api = talk(start(repo.path, "--wideopen", "--cpus=1", f"--cors-origin={PAGE}"), repo.uuid)
    assert ask(api, method, "", Host=host, X_git_annex_data_length="0", **headers)[0] == status


def test_all_pages(repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]) -> None:
    api = talk(start(repo.path, "--wideopen", "--cors-origin=*"), repo.uuid)
    status, headers = ask(api, "OPTIONS", "null", Access_Control_Request_Method="POST")
    assert (status, headers["access-control-allow-origin"]) == (204, "*")
    assert "vary" not in headers


def test_without_the_option_nothing_is_said(repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]) -> None:
    """And pages can't change anything, whoever the browser is logged in as."""
    api = talk(start(repo.path, "--authenv-http", env=USER), repo.uuid)
    remembered = "Basic " + b64encode(b"joe:secret").decode()
    status, headers = ask(api, "OPTIONS", Access_Control_Request_Method="POST")
    assert status == 405
    assert not any(name.startswith("access-control") or name == "vary" for name in headers)
    assert ask(api, "POST", Authorization=remembered, X_git_annex_data_length="0")[0] == 403
    assert ask(api, "POST", "", Authorization=remembered, X_git_annex_data_length="0")[0] == 200


@pytest.mark.parametrize("origin", ["example.org", "https://example.org/page", "https://"])
def test_an_origin_that_is_none(repo: Repo, origin: str) -> None:
    assert "--cors-origin has to be" in ours(repo.path, "p2phttp", "--port=0", f"--cors-origin={origin}").err


SCRIPT = """
<!doctype html><title>uploader</title><pre id=result></pre>
<script>
const say = text => document.getElementById("result").textContent += text + "\\n";
(async () => {
  const url = "URL", headers = {Authorization: "AUTHORIZATION"};
  const body = new TextEncoder().encode(DATA);
  const announced = {...headers, "Content-Type": "application/octet-stream", "X-git-annex-data-length": body.length};
  const put = await fetch(`${url}/v4/put?key=KEY&clientuuid=a-page`, {method: "POST", headers: announced, body});
  say("stored " + (await put.json()).stored);
  const got = await fetch(`${url}/key/KEY`, {headers: {...headers, Range: "bytes=5-"}});
  say("length " + got.headers.get("X-git-annex-data-length") + " range " + got.headers.get("Content-Range"));
  say("content " + await got.text());
  const refused = await fetch(`${url}/key/KEY`);
  say("without a password " + refused.status);
})().catch(error => say("failed " + error));
</script>
"""


class PageServer(HTTPServer):
    """A server of one page."""

    text = ""


@pytest.fixture
def page() -> Iterator[PageServer]:

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(server.text.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = PageServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.skipif(not shutil.which("chromium"), reason="there is no chromium")
def test_a_page_uploads(repo: Repo, start: Callable[..., Server], page: PageServer, tmp_path: Path) -> None:
    origin = f"http://127.0.0.1:{page.server_port}"
    server = start(repo.path, "--authenv-http", f"--cors-origin={origin}", env=USER)
    text = SCRIPT.replace("URL", f"http://127.0.0.1:{server.port}/git-annex/{repo.uuid}").replace("KEY", KEY)
    text = text.replace("AUTHORIZATION", "Basic " + b64encode(b"joe:secret").decode())
    page.text = text.replace("DATA", json.dumps(DATA.decode()))
    browser = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        [*browser, "--virtual-time-budget=20000", "--dump-dom", origin], capture_output=True, text=True, timeout=100
    )
    result = done.stdout.partition('<pre id="result">')[2].partition("</pre>")[0]
    assert result.split("\n") == [
        "stored true",
        f"length {len(DATA) - 5} range bytes 5-{len(DATA) - 1}/{len(DATA)}",
        "content a browser",
        "",
        "without a password 401",
        "",
    ], done.stderr
