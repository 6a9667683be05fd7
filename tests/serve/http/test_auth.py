"""Who may do what: every way to start a server, every request, everybody who may ask."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path

import pytest

from annexshell.errors import AccessDenied, BadRequest, BadUsage, NeedsLogin
from annexshell.model.access import APPEND_ONLY, READ_ONLY, READ_WRITE
from annexshell.serve.http.auth import ACTIONS, Access, decode_basic, users_from_environment
from annexshell.wire.httpapi import MAX_VERSION, SINCE
from tests.support.admin import ours
from tests.support.httpserver import CLIENT, Api, Server
from tests.support.real import Repo

USERS = {b"ro": (b"pr", READ_ONLY), b"ao": (b"pa", APPEND_ONLY), b"rw": (b"pw:~~~?", READ_WRITE)}
WHO = ("", "bad", "unknown", "ro", "ao", "rw")
ENVIRONMENT = {
    "GIT_ANNEX_P2PHTTP_PASSWORD_ro": "pr",
    "GIT_ANNEX_P2PHTTP_PERMISSIONS_ro": "readonly",
    "GIT_ANNEX_P2PHTTP_PASSWORD_ao": "pa",
    "GIT_ANNEX_P2PHTTP_PERMISSIONS_ao": "appendonly",
    "GIT_ANNEX_P2PHTTP_PASSWORD_rw": "pw:~~~?",
}

# Options; then for each of WHO what comes of reading, locking, writing and removing: o is allowed, f is forbidden (403)
# and u unauthorized (401), which says that logging in would help.
TABLE = [
    ("", "ffff ffff ffff ffff ffff ffff"),
    ("--authenv-http", "uuuu uuuu uuuu offf ooof oooo"),
    ("--authenv", "ffff ffff ffff ffff ffff ffff"),
    ("--unauth-readonly", "ooff ooff ooff ooff ooff ooff"),
    ("--unauth-appendonly", "ooof ooof ooof ooof ooof ooof"),
    ("--unauth-readonly --unauth-nolocking", "offf offf offf offf offf offf"),
    ("--unauth-readonly --authenv-http", "oouu oouu oouu offf ooof oooo"),
    ("--unauth-appendonly --authenv-http", "ooou ooou ooou offf ooof oooo"),
    ("--unauth-readonly --unauth-nolocking --authenv-http", "ouuu ouuu ouuu offf ooof oooo"),
    ("--unauth-readonly --authenv", "ooff ooff ooff ooff ooff ooff"),
    ("--wideopen", "oooo oooo oooo oooo oooo oooo"),
    ("--wideopen --unauth-nolocking", "oooo oooo oooo oooo oooo oooo"),
    ("--wideopen --authenv-http", "oooo oooo oooo offf ooof oooo"),
]


def authorization(who: str, encode: Callable[[bytes], bytes] = urlsafe_b64encode) -> bytes:
    if not who:
        return b""
    password = USERS.get(who.encode(), (b"wrong", ""))[0]
    name = "rw" if who == "bad" else who
    return b"Basic " + encode(b"%b:%b" % (name.encode(), password if who != "bad" else b"wrong"))


def access_for(options: str) -> Access:
    words = options.split()
    modes = {"--wideopen": READ_WRITE, "--unauth-appendonly": APPEND_ONLY, "--unauth-readonly": READ_ONLY}
    anonymous = next((mode for word, mode in modes.items() if word in words), None)
    locking = "--unauth-nolocking" not in words
    return Access(anonymous, locking, USERS, "--authenv" in words, "--authenv-http" in words)


@pytest.mark.parametrize(("options", "row"), TABLE, ids=[options or "none" for options, _ in TABLE])
def test_everybody_may_do_what_the_table_says(options: str, row: str) -> None:
    access = access_for(options)
    for who, expected in zip(WHO, row.split()):
        found = ""
        for action in ("read", "lock", "write", "remove"):
            try:
                access.check(authorization(who), False, action)
                found += "o"
            except AccessDenied:
                found += "f"
            except NeedsLogin:
                found += "u"
        assert found == expected, who


def test_over_tls_the_other_option_counts() -> None:
    access = access_for("--authenv")
    assert access.check(authorization("rw"), True, "remove") == b"rw"
    with pytest.raises(NeedsLogin):
        access.check(b"", True, "read")
    with pytest.raises(AccessDenied):
        access_for("--authenv-http").check(authorization("rw"), True, "read")


@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode, lambda data: b64encode(data).rstrip(b"=")])
def test_each_alphabet_will_do(encode: Callable[[bytes], bytes]) -> None:
    assert decode_basic(authorization("rw", encode)) == (b"rw", b"pw:~~~?")
    assert decode_basic(b"bAsIc   " + encode(b"user")) == (b"user", b"")


@pytest.mark.parametrize("value", [b"Bearer x", b"Basic", b"Basic !", b"Basic YQ==YQ==", b"Basic Y", b"x" * 1000])
def test_what_is_no_login(value: bytes) -> None:
    if value == b"Basic":
        assert decode_basic(value) == (b"", b"")
        return
    with pytest.raises(BadRequest):
        decode_basic(value)


def test_an_empty_name_is_nobody() -> None:
    with pytest.raises(NeedsLogin):
        access_for("--authenv-http").check(b"Basic " + b64encode(b":"), False, "read")
    with pytest.raises(NeedsLogin):
        access_for("--authenv-http").check(b"Basic " + b64encode(b"nobody:"), False, "read")


def test_users_of_the_environment() -> None:
    environment = {name.encode(): value.encode() for name, value in ENVIRONMENT.items()}
    assert users_from_environment(environment) == USERS
    for value in (b"ReadOnly", b"", b"read-only"):
        with pytest.raises(BadUsage, match="GIT_ANNEX_P2PHTTP_PERMISSIONS_ro has to be"):
            users_from_environment({**environment, b"GIT_ANNEX_P2PHTTP_PERMISSIONS_ro": value})


def test_every_request_is_some_action() -> None:
    assert set(ACTIONS) == set(SINCE)


REQUESTS = [(name, version) for name, since in SINCE.items() for version in (*range(since, MAX_VERSION + 1),)]
_LETTERS = {403: "f", 401: "u"}


def ask(api: Api, name: str, version: int | None, key: str) -> int:
    parameters: dict[str, object] = {"clientuuid": CLIENT}
    if name == "key":
        return api.ask("GET", api.path(f"key/{key}", version, **parameters)).status
    if name == "remove-before":
        parameters["timestamp"] = 1
    if name == "keeplocked":
        parameters["lockid"] = "x"
    elif name != "gettimestamp":
        parameters["key"] = key
    return api.ask("POST", api.path(name, version, **parameters), b"", {"X-git-annex-data-length": "0"}).status


@pytest.mark.parametrize(("options", "row"), [entry for entry in TABLE if "http" in entry[0] or "only" in entry[0]])
def test_every_request_of_every_version_is_checked(
    repo: Repo, start: Callable[..., Server], talk: Callable[..., Api], options: str, row: str
) -> None:
    key = "SHA256E-s3--" + "0" * 64
    server = start(repo.path, *options.split(), env=ENVIRONMENT)
    for who, expected in zip(WHO, row.split()):
        value = authorization(who).decode()
        api = talk(server, repo.uuid, {"Authorization": value} if value else {})
        unknown = talk(server, "somewhere-else", {"Authorization": value} if value else {})
        allowed = dict(zip(("read", "lock", "write", "remove"), expected))
        for name, version in [*REQUESTS, ("key", None)]:
            status = ask(api, name, version, key)
            assert _LETTERS.get(status, "o") == allowed[ACTIONS[name]], (who, name, version)
            status = ask(unknown, name, version, key)  # nobody learns from the difference what there is
            assert _LETTERS.get(status, "o") == allowed[ACTIONS[name]], (who, name, version)
            assert status == 404 or allowed[ACTIONS[name]] != "o"


def test_logging_in_is_asked_for(repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]) -> None:
    api = talk(start(repo.path, "--authenv-http", env=ENVIRONMENT), repo.uuid)
    answer = api.post("checkpresent", "SHA256E-s3--" + "0" * 64)
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == 'Basic realm="git-annex", charset="UTF-8"'


def test_a_wrong_permission_keeps_the_server_from_starting(repo: Repo) -> None:
    done = ours(repo.path, "p2phttp", "--authenv", GIT_ANNEX_P2PHTTP_PERMISSIONS_x="all")
    assert done.code == 1
    assert "GIT_ANNEX_P2PHTTP_PERMISSIONS_x has to be readonly or appendonly" in done.err


def test_nothing_to_serve(tmp_path: Path) -> None:
    assert "no git-annex repository here" in ours(tmp_path, "p2phttp", "--wideopen").err
