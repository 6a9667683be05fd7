"""The page about the server: what it shows to whom, and that nothing that others chose can do any harm there."""

from __future__ import annotations

import os
import re
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.serve.http.test_http_server import eventually, key_of
from tests.support.admin import copied, farm, git, ours, succeed, value
from tests.support.browser import Browser, chromium
from tests.support.httpserver import CLIENT, Answer, Api, Server
from tests.support.real import Repo

HOSTILE = "</bdi><script>document.title='taken'</script><img src=//x.invalid/y onerror=alert(1)>\u202e\x1b[31m&amp;"


def look(api: Api, query: str = "") -> Answer:
    return api.ask("GET", f"/{query}")


def test_there_is_no_page_unless_it_is_wanted(
    repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]
) -> None:
    assert look(talk(start(repo.path, "--wideopen"), repo.uuid)).status == 404


def test_transfers_of_all_workers_and_of_other_programs(
    repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]
) -> None:
    key = repo.add("big", os.urandom(40_000_000))
    server = start(repo.path, "--wideopen", "--cpus=2", "--status-page")
    api = talk(server, repo.uuid)
    transfers = repo.annex_dir / "transfer" / "upload" / CLIENT
    transfers.mkdir(parents=True)
    clients = [server.raw() for _ in range(4)]  # that each worker gets some
    for number, client in enumerate(clients):
        path = api.path("put", key=key_of(b"%d" % number * 1000), clientuuid=CLIENT, associatedfile=f"file{number}")
        head = f"POST {path} HTTP/1.1\r\nX-git-annex-data-length: 1000\r\nContent-Length: 1000\r\n\r\n"
        client.send(head.encode() + b"x" * 250)
    with Holding(transfers / f"lck.{key}"):
        (transfers / key).write_text("1700000000s 20000000\nsome film.mkv\n")
        expected = [*(f"file{number}" for number in range(4)), "some film.mkv"]
        eventually(lambda: all(name in look(api).body.decode() for name in expected))
        text = look(api).body.decode()
    assert '<progress max="1000" value="250">' in text
    assert '<progress max="40000000" value="20000000">' in text
    for client in clients:
        client.socket.close()
    eventually(lambda: "None just now" in look(api).body.decode())


class Holding:
    """A lock that another program holds."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        from annexshell.disk.filelock import FileLocks

        self._lock = FileLocks().try_exclusive(os.fsencode(self._path))

    def __exit__(self, *_: object) -> None:
        assert self._lock is not None
        self._lock.release()


def test_nodes_with_health_and_fullness(tmp_path: Path, start: Callable[..., Server], talk: Callable[..., Api]) -> None:
    world = copied(farm, tmp_path / "world")
    gateway = world / "gw"
    for name in ("n1", "n2"):
        succeed(ours(gateway, "addnode", "foo", name))
    succeed(ours(gateway, "maxsize", "n1", "1 MB"))
    (world / "n2").rename(world / "away")
    api = talk(start(gateway, "--wideopen", "--cpus=1", "--status-page"), value(gateway, "annex.uuid"))
    eventually(lambda: "Nodes were asked" in look(api).body.decode())
    text = look(api).body.decode()
    nodes = re.findall(r'<bdi>(\w+)</bdi> <span class="dim">in (\w+)</span></span><span class="state (\w+)">', text)
    assert nodes == [("n1", "foo", "good"), ("n2", "foo", "bad")]
    assert "0 B of 1.0 MB, 0% full" in text


def test_each_sees_what_he_may_read(tmp_path: Path, start: Callable[..., Server], talk: Callable[..., Api]) -> None:
    top = tmp_path / "top"
    public, secret = Repo(top / "public"), Repo(top / "secret")
    rules = tmp_path / "rules"
    rules.write_text("[public]\nanonymous = read\nusers = read\n[secret]\nusers = read\nnobody = nothing\n")
    env = {"GIT_ANNEX_P2PHTTP_PASSWORD_me": "secret"}
    options = ["--authenv-http", f"--access={rules}", "--cpus=1", "--status-page", f"--directory={top}"]
    server = start(tmp_path, *options, env=env)
    known = {"Authorization": "Basic bWU6c2VjcmV0"}
    anybody, me = talk(server, public.uuid), talk(server, public.uuid, known)
    with server.raw() as client:
        path = anybody.path("put", key="WORM-s9--hidden", clientuuid=CLIENT)
        client.send(f"GET {path} HTTP/1.1\r\n\r\n".encode())
        client.answer()
    text = look(anybody).body.decode()
    assert public.uuid in text
    assert secret.uuid not in text
    assert "secret" not in text
    assert "connection" not in text
    assert "<svg" not in text
    assert "?login" in text
    asked = look(anybody, "?login")
    assert (asked.status, asked.headers["www-authenticate"][:5]) == (401, "Basic")
    text = look(me, "?login").body.decode()
    assert public.uuid in text
    assert secret.uuid in text
    assert "<svg" in text
    assert "as me" in text
    rules.write_text("[*]\nusers = read\n")
    eventually(lambda: look(anybody).status == 401)
    wrong = talk(server, public.uuid, {"Authorization": "Basic bWU6d3Jvbmc="})
    assert look(wrong).status == 401


@pytest.fixture
def hostile(tmp_path: Path, start: Callable[..., Server], talk: Callable[..., Api]) -> Iterator[str]:
    """The url of a page about what has been named by somebody who means no good."""
    repo = Repo(tmp_path / "repo")
    repo.annex("describe", "here", HOSTILE)
    repo.git("config", "remote.x.url", str(tmp_path / "nowhere"))
    git(repo.path, "config", "remote.x.annex-uuid", "33333333-2222-4222-8222-222222222222")
    repo.annex("describe", "33333333-2222-4222-8222-222222222222", HOSTILE, check=False)
    repo.git("config", "remote.x.annex-proxy", "true")
    server = start(repo.path, "--wideopen", "--cpus=1", "--status-page")
    api = talk(server, repo.uuid)
    with server.raw() as client:
        path = api.path(
            "put", key="WORM-s1000--" + "k" * 180, clientuuid=HOSTILE.replace("\x1b", ""), associatedfile=HOSTILE
        )
        head = f"POST {path} HTTP/1.1\r\nX-git-annex-data-length: 1000\r\nContent-Length: 1000\r\n\r\n"
        client.send(head.encode() + b"x")
        eventually(lambda: b"receiving" in look(api).body and b"Nodes were asked" in look(api).body)
        yield f"http://127.0.0.1:{server.port}/"


def test_names_that_mean_no_good(hostile: str) -> None:
    with urllib.request.urlopen(hostile, timeout=30) as answer:
        text, policy = answer.read().decode(), answer.headers["content-security-policy"]
    assert text.count("&lt;script&gt;document.title") == 3  # the repository, once more as that of its transfer
    for harmful in ("<script", "<img", "onerror=alert(1)>", "\u202e", "\x1b", "&amp;<"):
        assert harmful not in text
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[\w+/=]+'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        policy,
    )


_CONTRASTS = """(() => {
  const parts = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = c => { const [r, g, b] = parts(c).slice(0, 3).map(v => { v /= 255;
    return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; }); return .2126 * r + .7152 * g + .0722 * b; };
  const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (parts(c).length == 3) return c; } return 'rgb(255,255,255)'; };
  return [...document.querySelectorAll('body *')].filter(e => [...e.childNodes].some(n => n.nodeType == 3 &&
    n.textContent.trim())).map(e => { const [a, b] = [light(getComputedStyle(e).color), light(ground(e))];
    return (Math.max(a, b) + .05) / (Math.min(a, b) + .05); });
})()"""


@pytest.mark.skipif(chromium() is None, reason="there is no chromium")
def test_in_a_browser(hostile: str, tmp_path: Path) -> None:
    browser = Browser(tmp_path / "profile")
    try:
        for width, scheme in ((390, "dark"), (390, "light"), (1200, "light"), (1200, "dark")):
            browser.look(width, 844, scheme)
            browser.open(hostile)
            assert browser.evaluate("document.documentElement.scrollWidth") <= width
            assert browser.evaluate("Math.min(...[...document.querySelectorAll('body *')].map("
                                    "e => parseFloat(getComputedStyle(e).fontSize)))") >= 12  # fmt: skip
            contrasts = browser.evaluate(_CONTRASTS)
            assert len(contrasts) > 10
            assert min(contrasts) >= 4.5
            background = browser.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (sum(map(int, re.findall(r"\d+", background))) < 200) == (scheme == "dark")
            assert browser.evaluate("document.querySelector('svg').getBoundingClientRect().height") > 100
        assert browser.evaluate("document.title") == "annexshell"
        assert browser.evaluate("document.scripts.length + document.images.length") == 0
        assert set(browser.requests) - {f"{hostile}favicon.ico"} == {hostile}
        assert [text for text in browser.complaints if "favicon" not in text] == []
    finally:
        browser.close()
