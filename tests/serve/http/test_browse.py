"""Files of repositories in a browser: what is shown to whom, that downloads are whole, and that nothing which others
chose does any harm there."""

from __future__ import annotations

import os
import zlib
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.admin import copied, farm, git, ours, succeed
from tests.support.browser import Browser, chromium
from tests.support.httpserver import Answer, Server
from tests.support.real import Repo, run

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
HOSTILE = "</bdi><script>document.title='taken'<\u2044script><img src=x onerror=alert(1)>\"'&amp;\u202e\x1b[31m"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>document.title="taken"</script></svg>'


def chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


PNG = (
    b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", bytes((0, 0, 0, 8, 0, 0, 0, 8, 8, 2, 0, 0, 0)))
    + chunk(b"IDAT", zlib.compress((b"\0" + b"\x20\x80\xc0" * 8) * 8))
    + chunk(b"IEND", b"")
)


def ask(server: Server, path: str, method: str = "GET", **headers: str) -> Answer:
    connection = server.connect()
    try:
        connection.request(method, path, headers={**HTML, **{k.replace("_", "-"): v for k, v in headers.items()}})
        return Answer(connection.getresponse())
    finally:
        connection.close()


def text(server: Server, path: str) -> str:
    answer = ask(server, path)
    assert answer.status == 200, (answer.status, answer.reason)
    return answer.body.decode()


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """A repository with files of all kinds, in `srv`."""
    repo = Repo(tmp_path / "srv" / "photos")
    repo.git("checkout", "-q", "-b", "main")
    repo.git("config", "annex.largefiles", "include=*.bin")
    repo.add("big.bin", os.urandom(300_000))
    (repo.path / "README.md").write_bytes(b"# Photos\r\n<script>alert(1)</script>\n")
    (repo.path / "sub").mkdir()
    (repo.path / "sub" / "note.txt").write_bytes(bytes(range(256)) * 1000)
    (repo.path / "pic.png").write_bytes(PNG)
    (repo.path / "pic.svg").write_bytes(SVG)
    (repo.path / "page.html").write_bytes(b"<script>document.title='taken'</script>")
    (repo.path / "link").symlink_to("/etc/passwd")
    repo.git("add", ".")
    repo.git("commit", "-qm", "files")
    repo.git("branch", "old", "HEAD~1")
    return repo


@pytest.fixture
def server(repo: Repo, start: Callable[..., Server]) -> Server:
    return start(repo.path, "--browse", "--git", "--wideopen", "--cpus=1", f"--directory={repo.path.parent}")


def test_there_are_no_pages_unless_they_are_wanted(repo: Repo, start: Callable[..., Server]) -> None:
    server = start(repo.path, "--git", "--wideopen", "--cpus=1", f"--directory={repo.path.parent}")
    assert ask(server, "/photos/").status == 404
    assert ask(server, "/photos/?path=").status == 404


def test_a_directory(server: Server) -> None:
    for path in ("/photos", "/photos/", "/photos/.git", "/photos.git/?path="):
        shown = text(server, path)
        assert f"http://127.0.0.1:{server.port}/photos" in shown
        assert '<a class="name" href="?branch=main&amp;path=sub"><bdi>sub</bdi>/</a>' in shown
        assert shown.index(">sub<") < shown.index(">README.md<")
        assert '<span class="here">here</span></span><span class="size dim">300.0 kB</span>' in shown
        assert "link to <bdi>/etc/passwd</bdi>" in shown
        assert "# Photos\n&lt;script&gt;alert(1)&lt;/script&gt;\n</pre>" in shown
        assert '<a href="?branch=old"><bdi>old</bdi></a>' in shown
        assert "git-annex<" not in shown
    assert "sub" not in text(server, "/photos/?branch=old")
    assert "note.txt" in text(server, "/photos/?branch=main&path=sub/")


def test_git_and_programs_get_no_page(server: Server, repo: Repo, tmp_path: Path) -> None:
    assert ask(server, "/photos/", Accept="*/*").status == 404
    assert ask(server, "/photos/", "POST").status != 200
    run("git", "clone", "-q", f"http://127.0.0.1:{server.port}/photos", tmp_path / "clone")
    run("git", "annex", "init", "-q", cwd=tmp_path / "clone")
    run("git", "config", "annex.security.allowed-ip-addresses", "127.0.0.1", cwd=tmp_path / "clone")
    run("git", "annex", "get", "-q", "big.bin", cwd=tmp_path / "clone")
    assert (tmp_path / "clone" / "big.bin").read_bytes() == (repo.path / "big.bin").read_bytes()


@pytest.mark.parametrize("name", ["big.bin", "sub/note.txt"])
def test_downloads(server: Server, repo: Repo, name: str) -> None:
    """Annexed or not, whole or in part."""
    url, content = f"/photos/?path={name}&get=file", (repo.path / name).read_bytes()
    whole = ask(server, url, Accept="*/*")
    assert whole.body == content
    assert whole.headers["content-type"] == "application/octet-stream"
    assert whole.headers["content-disposition"].startswith(f'attachment; filename="{name.rpartition("/")[2]}"')
    assert whole.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert whole.headers["x-content-type-options"] == "nosniff"
    head = ask(server, url, "HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(content)))
    for given, first, end in (("0-9", 0, 10), ("250000-", 250_000, len(content)), ("-7", len(content) - 7, None)):
        part = ask(server, url, Range=f"bytes={given}")
        assert (part.status, part.body) == (206, content[first:end])
        assert part.headers["content-range"].endswith(f"/{len(content)}")
    assert ask(server, url, Range="bytes=900000-").status == 416
    assert ask(server, url, If_None_Match=whole.headers["etag"]).status == 304
    assert f"path={name}&amp;get=file" in text(server, f"/photos/?path={name}")


def test_only_images_are_shown_and_never_what_could_run(server: Server) -> None:
    image = ask(server, "/photos/?path=pic.png&get=image")
    assert (image.status, image.body) == (200, PNG)
    assert image.headers["content-type"] == "image/png"
    assert image.headers["content-disposition"].startswith("inline")
    assert "sandbox" in image.headers["content-security-policy"]
    assert '<img src="?branch=main&amp;path=pic.png&amp;get=image" alt="pic.png">' in text(
        server, "/photos/?path=pic.png"
    )
    for name in ("pic.svg", "page.html"):
        for get in ("image", "file"):
            answer = ask(server, f"/photos/?path={name}&get={get}")
            assert answer.headers["content-type"] == "application/octet-stream"
            assert answer.headers["content-disposition"].startswith("attachment")
        assert "<img" not in text(server, f"/photos/?path={name}")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("path=none", 404),
        ("path=sub/none", 404),
        ("path=README.md/x", 404),
        ("branch=none", 404),
        ("branch=main^", 404),
        ("branch=main:sub", 404),
        ("branch=--help", 404),
        ("path=*", 404),
        ("path=:(top)sub", 404),
        ("path=--help", 404),
        ("path=..", 400),
        ("path=sub/../../x", 400),
        ("path=sub//note.txt", 400),
        ("path=%00", 400),
        ("path=" + "x" * 5000, 400),
        ("page=-1", 400),
        ("page=9999999", 400),
        ("page=7", 200),
        ("get=other&path=link", 400),
        ("get=file", 200),
        ("path=link&get=file", 200),
    ],
)
def test_strange_requests(server: Server, query: str, status: int) -> None:
    answer = ask(server, f"/photos/?{quote(query, safe='=&%-')}")
    assert answer.status == status
    assert b"root:" not in answer.body


def test_large_directories_have_pages(repo: Repo, server: Server) -> None:
    (repo.path / "many").mkdir()
    for number in range(450):
        (repo.path / "many" / f"f{number:03}").write_bytes(b"")
    repo.git("add", ".")
    repo.git("commit", "-qm", "many")
    pages = [text(server, f"/photos/?path=many&page={page}") for page in range(4)]
    assert [page.count("<li>") - page.count("?branch=old") for page in pages] == [200, 200, 50, 0]
    assert [">more<" in page for page in pages] == [True, True, False, False]
    assert [">back<" in page for page in pages] == [False, True, True, True]


def test_a_repository_of_git_alone_and_one_without_files(tmp_path: Path, start: Callable[..., Server]) -> None:
    plain, empty = Repo(tmp_path / "srv" / "plain", init=False), Repo(tmp_path / "srv" / "empty.git", True, init=False)
    (plain.path / "file").write_bytes(b"content")
    plain.git("add", ".")
    plain.git("commit", "-qm", "file")
    server = start(tmp_path, "--browse", "--wideopen", "--cpus=1", f"--directory={empty.path.parent}")
    shown = text(server, "/plain")
    assert "file" in shown
    assert "git clone" not in shown  # without --git
    assert ask(server, "/plain?path=file&get=file").body == b"content"
    assert "There is nothing here yet." in text(server, "/empty")


def test_contents_on_nodes(tmp_path: Path, start: Callable[..., Server]) -> None:
    world = copied(farm, tmp_path / "world")
    gateway, node = world / "gw", world / "n1"
    succeed(ours(gateway, "addnode", "foo", "n1"))
    git(gateway, "remote", "add", "work", "../n1")
    content = os.urandom(100_000)
    (gateway / "film.bin").write_bytes(content)
    (gateway / "README").write_bytes(b"an annexed readme")
    for words in (["annex", "add", "film.bin", "README"], ["commit", "-qm", "film"]):
        git(gateway, *words)
    git(gateway, "annex", "move", "film.bin", "--to", "n1")
    server = start(gateway, "--browse", "--wideopen", "--cpus=1")
    shown = text(server, "/")
    assert '<span class="dim">on <bdi>n1</bdi></span>' in shown
    assert "not here" not in shown
    assert "<pre>an annexed readme</pre>" in shown
    assert ask(server, "/?path=film.bin&get=file").body == content
    assert ask(server, "/?path=film.bin&get=file", Range="bytes=5000-5999").body == content[5000:6000]
    git(node, "annex", "drop", "--force", "--all")
    answer = ask(server, "/?path=film.bin&get=file")
    assert (answer.status, answer.headers.get("content-disposition")) == (404, None)


def test_beside_other_options(repo: Repo, start: Callable[..., Server]) -> None:
    """A prefix, the status page of a single repository, and a proxy that sends files, but not these."""
    options = ["--base-path=/pre", "--status-page", "--sendfile-header=X-Sendfile", "--trust-proxy=127.0.0.1"]
    server = start(repo.path, "--browse", "--git", "--wideopen", "--cpus=1", *options)
    assert "Throughput" in text(server, "/pre/")
    assert "git clone" not in text(server, "/pre/.git")  # the proxy does not say by which name clients come
    proxied = {"X_Forwarded_For": "192.0.2.1", "X_Forwarded_Host": "lab.example", "X_Forwarded_Prefix": "/x"}
    assert "http://lab.example/x/pre/<" in ask(server, "/pre/.git", **proxied).body.decode()
    answer = ask(server, "/pre/.git?path=big.bin&get=file", **proxied)
    assert answer.body == (repo.path / "big.bin").read_bytes()
    assert "x-sendfile" not in answer.headers


def test_a_file_that_git_has_lost(repo: Repo, server: Server) -> None:
    lost = repo.git("rev-parse", "main:pic.svg").strip()
    (repo.git_dir / "objects" / lost[:2] / lost[2:]).unlink()
    assert "pic.svg" in text(server, "/photos")
    assert ask(server, "/photos?path=pic.svg&get=file").status == 404


RULES = "[open]\nanonymous = read git\n[content]\nanonymous = read\n[tree]\nanonymous = git\n[hidden]\nme = read git\n"


def test_rules(tmp_path: Path, start: Callable[..., Server]) -> None:
    """As for git: who may not know of a repository gets what they get where there is none."""
    top = tmp_path / "srv"
    for name in ("open", "content", "tree", "hidden"):
        Repo(top / name)
    (tmp_path / "rules").write_text(RULES)
    env = {f"GIT_ANNEX_P2PHTTP_PASSWORD_{user}": "secret" for user in ("me", "you")}
    options = ["--browse", "--cpus=1", f"--access={tmp_path / 'rules'}", "--authenv-http", f"--directory={top}"]
    server = start(tmp_path, *options, env=env)

    def status(path: str, user: str = "") -> int:
        login = {"Authorization": "Basic " + b64encode(f"{user}:secret".encode()).decode()} if user else {}
        return ask(server, path, **login).status

    names = ("open", "content", "tree", "hidden", "none")
    for path in ("/{}", "/{}/", "/{}/?path=", "/{}/?path=x&get=file"):
        found = 404 if "x&" in path else 200
        assert [status(path.format(name)) for name in names] == [found, 401, 401, 401, 401]
        assert [status(path.format(name), "you") for name in names] == [found, 403, 403, 404, 404]
        assert status(path.format("hidden"), "me") == found
    hidden, none = (ask(server, f"/{name}/?path=x") for name in ("hidden", "none"))
    for answer in (hidden, none):
        answer.headers.pop("date")
    assert (hidden.headers, hidden.body) == (none.headers, none.body)


@pytest.fixture
def hostile(tmp_path: Path, start: Callable[..., Server]) -> Server:
    """A server of names chosen by somebody who means no good."""
    repo = Repo(tmp_path / "srv" / "x&y <b>")
    name = HOSTILE.replace("/", "\u2044")
    (repo.path / name).mkdir()
    for other in (name + ".bin", f"{name}/{name}.png", "README"):
        (repo.path / other).write_bytes(PNG if other.endswith(".png") else HOSTILE.encode())
    os.symlink(HOSTILE, repo.path / "link")
    (repo.path / os.fsdecode(b"\xff\n\r\t")).write_bytes(b"x")
    repo.git("add", ".")
    repo.git("commit", "-qm", "files")
    repo.git("branch", "a\"><script>'&b")
    return start(tmp_path, "--browse", "--git", "--wideopen", "--cpus=1", f"--directory={repo.path.parent}")


NO_ICON = "Failed to load resource: the server responded with a status of 404 (there is nothing here)"
HOSTILE_URL = "/" + quote("x&y <b>")


def test_names_that_mean_no_good(hostile: Server) -> None:
    answer = ask(hostile, HOSTILE_URL)
    shown = answer.body.decode()
    for harmful in ("<script", "<img", "<b>", "\u202e", "\x1b", "&amp;<", "\xff"):
        assert harmful not in shown
    assert "\\xff\\x0a\\x0d\\x09" in shown
    got = ask(hostile, f"{HOSTILE_URL}?path=%FF%0A%0D%09&get=file")
    assert got.body == b"x"
    assert "\\xff".replace("\\", "%5C") not in got.headers["content-disposition"]
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'; style-src 'sha256-" in policy
    assert policy.endswith("; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")


@pytest.mark.skipif(chromium() is None, reason="there is no chromium")
def test_in_a_browser(hostile: Server, tmp_path: Path) -> None:
    browser = Browser(tmp_path / "profile")
    url = f"http://127.0.0.1:{hostile.port}{HOSTILE_URL}"
    try:
        for width, scheme in ((360, "dark"), (1200, "light")):
            browser.look(width, 800, scheme)
            browser.open(url)
            assert browser.evaluate("document.documentElement.scrollWidth") <= width
            assert browser.evaluate("document.title") == "x&y <b>"
            dark = browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
            assert dark == (scheme == "dark")
        directory = browser.evaluate(
            "[...document.querySelectorAll('a.name')].find(a => a.innerText.endsWith('/')).href"
        )
        browser.open(directory)
        browser.open(browser.evaluate("document.querySelector('a.name').href"))
        assert browser.evaluate("document.querySelector('img').naturalWidth") == 8
        assert browser.evaluate("document.querySelectorAll('script, [onerror]').length") == 0
        assert all(asked.startswith(f"http://127.0.0.1:{hostile.port}/") for asked in browser.requests)
        assert set(browser.complaints) <= {NO_ICON}
    finally:
        browser.close()
