"""Who may do what with git, at every url: as with the API, and nothing tells what others have."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.httpserver import Answer, Server
from tests.support.real import Repo, run

KEY = "SHA256E-s3--" + "0" * 64
RULES = """\
[hidden/*]
rw = full
cr = create

[open.git]
anonymous = read lock git
ro = read git
ao = append
rw = full
pu = push
"""
USERS = ("ro", "ao", "rw", "pu", "cr")
WHO = ("", "bad", "dots", *USERS)
# What each request is, and what answers it at a repository that is there.
REQUESTS = {
    "fetch": ("GET", "info/refs?service=git-upload-pack"),
    "fetched": ("POST", "git-upload-pack"),
    "push": ("GET", "info/refs?service=git-receive-pack"),
    "pushed": ("POST", "git-receive-pack"),
    "config": ("GET", "config"),
    "object": ("GET", f"annex/objects/aaa/bbb/{KEY}/{KEY}"),
    "dumb": ("GET", "info/refs"),
}
# For each of WHO: fetch, push and object; o is allowed, f is forbidden, u is unauthorized, n is not found.
OPEN = "ouo ouo ouo ofo ooo ooo oof ofo"
HIDDEN = "uuu uuu uuu nnn nnn ooo nnn fff"
MISSING = "uuu uuu uuu nnn nnn nnn nnn nnn"
LETTERS = {403: "f", 401: "u", 404: "n"}
KINDS = {"fetch": 0, "fetched": 0, "config": 0, "dumb": 0, "push": 1, "pushed": 1, "object": 2}


def login(who: str) -> dict[str, str]:
    if not who:
        return {}
    user, password = {"bad": ("rw", "wrong"), "dots": ("rw", "...")}.get(who, (who, f"of {who}"))
    return {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


def ask(server: Server, who: str, method: str, path: str, **headers: str) -> Answer:
    connection = server.connect()
    service = path.rpartition("/")[2]
    typed = {"Content-Type": f"application/x-{service}-request"} if method == "POST" else {}
    try:
        body = b"0000" if method == "POST" else None
        connection.request(method, path, body, {**login(who), **typed, **headers})
        return Answer(connection.getresponse())
    finally:
        connection.close()


@pytest.fixture
def server(tmp_path: Path, start: Callable[..., Server]) -> Server:
    Repo(tmp_path / "srv" / "open.git", bare=True)
    Repo(tmp_path / "srv" / "hidden" / "x.git", bare=True)
    (tmp_path / "rules").write_text(RULES)
    passwords = {f"GIT_ANNEX_P2PHTTP_PASSWORD_{user}": f"of {user}" for user in USERS}
    options = ["--directory", str(tmp_path / "srv"), "--access", str(tmp_path / "rules"), "--authenv-http"]
    return start(tmp_path, "--git", "--cpus=1", *options, env=passwords)


def found(answer: Answer, name: str) -> str:
    letter = LETTERS.get(answer.status, "o")
    if name == "object" and answer.status == 404 and answer.reason != "no such repository here":
        return "o"  # it is the key that is not there
    if name == "dumb" and answer.reason.startswith("only git's smart protocol"):
        return "o"
    return letter


@pytest.mark.parametrize(("path", "row"), [("open", OPEN), ("hidden/x", HIDDEN), ("hidden/y", MISSING), ("y", MISSING)])
def test_every_request_is_checked(server: Server, path: str, row: str) -> None:
    for who, allowed in zip(WHO, row.split()):
        for name, (method, rest) in REQUESTS.items():
            for url in (f"/{path}/{rest}", f"/{path}.git/{rest}", f"//{path}//{rest}", f"/{path}/.git/{rest}"):
                expected = allowed[KINDS[name]]
                if name == "push" and who == "cr" and path.startswith("hidden/"):
                    continue  # a push makes one, below
                if who == "cr" and path == "hidden/y":
                    expected = "f"
                answer = ask(server, who, method, url)
                assert found(answer, name) == expected, (who, url, answer.status, answer.reason)
                assert ("www-authenticate" in answer.headers) == (answer.status == 401)


def test_what_exists_is_told_to_nobody_who_may_not_know(server: Server) -> None:
    """Not by the size of an answer either. Nothing on disk is looked at, so that its time can't tell."""
    for who in ("", "ro", "ao"):
        for method, rest in REQUESTS.values():
            there = ask(server, who, method, f"/hidden/x/{rest}")
            missing = ask(server, who, method, f"/hidden/z/{rest}")
            for answer in (there, missing):
                answer.headers.pop("date")
                answer.headers.pop("connection", None)  # depends on whether the body of the request had come by then
            assert (there.status, there.reason, there.headers, there.body) == (
                missing.status,
                missing.reason,
                missing.headers,
                missing.body,
            )


def test_who_may_make_a_repository(server: Server, tmp_path: Path) -> None:
    path = "/hidden/new/info/refs?service=git-receive-pack"
    made = tmp_path / "srv" / "hidden" / "new.git"
    assert ask(server, "", "GET", path).status == 401
    for who in ("ro", "ao", "pu"):
        assert ask(server, who, "GET", path).status == 404
    assert ask(server, "rw", "GET", path).status == 404  # who may do everything that can be done in one
    for headers in ({"Origin": "https://example.org"}, {"Sec-Fetch-Site": "none"}, {"User-Agent": "Mozilla/5.0"}):
        assert ask(server, "cr", "GET", path, **headers).status == 403
    for other in ("/hidden/new/config", "/hidden/new/info/refs?service=git-upload-pack"):
        assert ask(server, "cr", "GET", other).status in (403, 404)
    for name in ("-x", ".x", "a%0ab", "a:b", "x.lock", "%ff", "a/b/c/d/e/f/g/h", "x" * 101, "x.git/y", "..%2fx"):
        assert ask(server, "cr", "GET", path.replace("new", name)).status in (403, 404), name
    assert not made.exists()
    assert [name.name for name in (tmp_path / "srv" / "hidden").iterdir()] == ["x.git"]
    assert ask(server, "cr", "GET", path, **{"User-Agent": "git/2.39.5"}).status in (200, 403)
    assert run("git", "config", "annexshell.owner", cwd=made) == "cr\n"
    assert run("git", "config", "annex.uuid", cwd=made)


def test_dots_are_no_guess(server: Server) -> None:
    """git-annex sends them in place of a password that stands in a url: nobody is kept waiting for that."""
    for _ in range(20):
        assert ask(server, "dots", "GET", "/open/config").status == 200
        assert ask(server, "dots", "GET", "/hidden/x/config").status == 401
    assert ask(server, "rw", "GET", "/hidden/x/config").status == 200


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("example.org:9418", "annex+http://example.org:9418/open"),
        ("example.org", "annex+http://example.org:80/open"),
        ("[::1]:9", "annex+http://[::1]:9/open"),
        ("a_b", "annex+http://a_b:80/open"),
        ("user@example.org", ""),
        ("example.org/x", ""),
        ("example.org:99999999", ""),
        ('x"\\', ""),
        ("x#y", ""),
        ("", ""),
    ],
)
def test_the_url_of_the_api_is_at_a_host_that_is_one(server: Server, host: str, url: str) -> None:
    text = ask(server, "", "GET", "/open/config", Host=host).body.decode()
    assert [line.split('"')[1] for line in text.splitlines() if "url" in line] == ([url] if url else [])
    assert 'uuid = "' in text


def test_what_a_proxy_says(tmp_path: Path, start: Callable[..., Server]) -> None:
    Repo(tmp_path / "srv" / "open.git", bare=True)
    options = ["--git", "--wideopen", "--cpus=1", "--trust-proxy=127.0.0.1", "--directory", str(tmp_path / "srv")]
    server = start(tmp_path, *options)

    def told(path: str = "/open/config", **headers: str) -> str:
        text = ask(server, "", "GET", path, **{name.replace("_", "-"): headers[name] for name in headers}).body.decode()
        return "".join(line.split('"')[1] for line in text.splitlines() if "url" in line)

    assert told(Host="example.org") == "annex+http://example.org:80/open"
    https = {"X_Forwarded_Proto": "https"}
    assert told(Host="example.org", **https) == "annex+https://example.org:443/open"
    forwarded = {"Host": "10.0.0.1:9417", "X_Forwarded_Host": "example.org:8443", **https}
    assert told(**forwarded) == "annex+https://example.org:8443/open"
    assert told(**forwarded, X_Forwarded_Prefix="/lab/x/") == "annex+https://example.org:8443/lab/x/open"
    assert told(**forwarded, X_Forwarded_Prefix='/x"y') == "annex+https://example.org:8443/open"
    assert told(Host=f"127.0.0.1:{server.port}") == ""
    assert "by which name clients come" in server.stop()
