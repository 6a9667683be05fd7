"""Every way to start a server, every request in every version, everybody who may ask, with and without https."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path

import pytest

from annexshell.serve.http.api.operations import OPERATIONS
from annexshell.wire.endpoints import ENDPOINTS, MAX_VERSION, PLAIN_KEY, Endpoint
from tests.support.httpserver import CLIENT, Answer, Api, Server
from tests.support.real import Repo

bcrypt = pytest.importorskip("bcrypt")

PASSWORDS = {"ro": "pr", "ao": "pa", "rw": "pw:~~~?"}
WHO = ("", "bad", "unknown", *PASSWORDS)
LIMITS = {"GIT_ANNEX_P2PHTTP_PERMISSIONS_ro": "readonly", "GIT_ANNEX_P2PHTTP_PERMISSIONS_ao": "appendonly"}
ENVIRONMENT = {**LIMITS, **{f"GIT_ANNEX_P2PHTTP_PASSWORD_{user}": word for user, word in PASSWORDS.items()}}
KEY = "SHA256E-s3--" + "0" * 64

# For each of WHO what comes of reading, locking, writing and removing: o is allowed, f is forbidden (403), u is
# unauthorized (401), which says that logging in would help, and n is not found.
NOBODY = "ffff ffff ffff ffff ffff ffff"
LOGIN = "uuuu uuuu uuuu offf ooof oooo"
READERS = "ooff ooff ooff ooff ooff ooff"
READERS_LOGIN = "oouu oouu oouu offf ooof oooo"
WRITERS = "ooof ooof ooof ooof ooof ooof"
WRITERS_LOGIN = "ooou ooou ooou offf ooof oooo"
NO_LOCKING = "offf offf offf offf offf offf"
NO_LOCKING_LOGIN = "ouuu ouuu ouuu offf ooof oooo"
OPEN = "oooo oooo oooo oooo oooo oooo"
OPEN_LOGIN = "oooo oooo oooo offf ooof oooo"

# Options, and what holds over http and over https.
TABLE = [
    ("", NOBODY, NOBODY),
    ("--authenv", NOBODY, LOGIN),
    ("--authenv-http", LOGIN, LOGIN),
    ("--unauth-readonly", READERS, READERS),
    ("--unauth-readonly --authenv", READERS, READERS_LOGIN),
    ("--unauth-readonly --authenv-http", READERS_LOGIN, READERS_LOGIN),
    ("--unauth-appendonly", WRITERS, WRITERS),
    ("--unauth-appendonly --authenv", WRITERS, WRITERS_LOGIN),
    ("--unauth-appendonly --authenv-http", WRITERS_LOGIN, WRITERS_LOGIN),
    ("--unauth-readonly --unauth-nolocking", NO_LOCKING, NO_LOCKING),
    ("--unauth-readonly --unauth-nolocking --authenv", NO_LOCKING, NO_LOCKING_LOGIN),
    ("--unauth-readonly --unauth-nolocking --authenv-http", NO_LOCKING_LOGIN, NO_LOCKING_LOGIN),
    ("--wideopen", OPEN, OPEN),
    ("--wideopen --unauth-nolocking --unauth-readonly", OPEN, OPEN),
    ("--wideopen --authenv", OPEN, OPEN_LOGIN),
    ("--wideopen --authenv-http", OPEN_LOGIN, OPEN_LOGIN),
    ("--htpasswd=PASSWORDS", NOBODY, LOGIN),
    ("--htpasswd=PASSWORDS --authenv-http --unauth-readonly", READERS_LOGIN, READERS_LOGIN),
]
NEWEST: list[tuple[Endpoint, int | None]] = [
    *((endpoint, MAX_VERSION) for endpoint in ENDPOINTS.values()),
    (PLAIN_KEY, None),
]
ALL = [
    *((endpoint, version) for endpoint in ENDPOINTS.values() for version in range(endpoint.since, MAX_VERSION)),
    *NEWEST,
]
LETTERS = {403: "f", 401: "u", 404: "n"}


def authorization(who: str) -> dict[str, str]:
    if not who:
        return {}
    user = "rw" if who == "bad" else who
    text = f"{user}:{PASSWORDS.get(who, 'wrong')}"
    return {"Authorization": "Basic " + urlsafe_b64encode(text.encode()).decode()}


# A value for each parameter that an endpoint may require.
ARGUMENTS = {"key": KEY, "clientuuid": CLIENT, "timestamp": 1, "lockid": "x"}


def ask(api: Api, endpoint: Endpoint, version: int | None) -> Answer:
    arguments = {parameter.name: ARGUMENTS[parameter.name] for parameter in endpoint.required}
    name = f"key/{KEY}" if endpoint.name == "key" else endpoint.name
    method = endpoint.methods[0].decode()
    body = None if method == "GET" else b""
    return api.ask(method, api.path(name, version, **arguments), body, {"X-git-annex-data-length": "0"})


def check_row(talk: Callable[..., Api], server: Server, uuid: str, scheme: str, row: str, missing: str) -> None:
    """`missing` is the row for a repository that does not exist, with n for what is allowed to who may do something."""
    for who, allowed, elsewhere in zip(WHO, row.split(), missing.split()):
        headers = {**authorization(who), "X-Forwarded-Proto": scheme}
        for target, expected, requests in ((uuid, allowed, ALL), ("somewhere-else", elsewhere, NEWEST)):
            api = talk(server, target, headers)
            letters = dict(zip(("read", "lock", "write", "remove"), expected))
            for endpoint, version in requests:
                answer = ask(api, endpoint, version)
                letter = letters[OPERATIONS[endpoint].right]
                found = LETTERS.get(answer.status, "o")
                if answer.status == 404 and answer.reason != "no such repository here":
                    found = "o"  # it is the key that is not there
                if endpoint.name == "putoffset" and letter == "f" and answer.body == b'{"offset":0}':
                    # Of who has logged in the upload itself is refused: git-annex would lose what is said here.
                    assert who not in ("", "bad")
                    found = "f"
                assert found == letter, (who, target, endpoint.name, version, answer.reason)
                assert ("www-authenticate" in answer.headers) == (answer.status == 401)


@pytest.fixture
def passwords(tmp_path: Path) -> str:
    """A file of them."""
    lines = [
        b"%b:%b\n" % (user.encode(), bcrypt.hashpw(word.encode(), bcrypt.gensalt(4)))
        for user, word in PASSWORDS.items()
    ]
    path = tmp_path / "passwords"
    path.write_bytes(b"".join(lines))
    return str(path)


_kept: list[Repo] = []


@pytest.fixture
def served(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    """A repository for all these tests, which leave it as it is."""
    if not _kept:
        _kept.append(Repo(tmp_path_factory.mktemp("all") / "repo"))
    return _kept[0]


@pytest.mark.parametrize(("options", "http", "https"), TABLE, ids=[options or "none" for options, _, _ in TABLE])
def test_every_request_of_every_version_is_checked(
    served: Repo,
    start: Callable[..., Server],
    talk: Callable[..., Api],
    passwords: str,
    options: str,
    http: str,
    https: str,
) -> None:
    words = [*options.replace("PASSWORDS", passwords).split(), "--cpus=1", "--trust-proxy=127.0.0.1"]
    server = start(served.path, *words, env=LIMITS if "--htpasswd" in options else ENVIRONMENT)
    for scheme, row in (("http", http), ("https", https)):
        check_row(talk, server, served.uuid, scheme, row, row.replace("o", "n"))


RULES = """\
[hidden/*]
rw = full

[repo]
anonymous = read lock
ro = read
ao = append
rw = full
"""


def test_rules_in_a_file(
    repo: Repo, start: Callable[..., Server], talk: Callable[..., Api], passwords: str, tmp_path: Path
) -> None:
    (tmp_path / "rules").write_text(RULES)
    (tmp_path / "hidden").mkdir()
    hidden = Repo(tmp_path / "hidden" / "x.git", bare=True)
    words = ["--directory", str(tmp_path), "--access", str(tmp_path / "rules"), "--htpasswd", passwords]
    server = start(tmp_path, *words, "--cpus=1", "--trust-proxy=127.0.0.1")
    missing = "uuuu uuuu uuuu nfff nnnf nnnn"
    check_row(talk, server, repo.uuid, "https", READERS_LOGIN, missing)
    check_row(talk, server, hidden.uuid, "https", "uuuu uuuu uuuu nfff nnnf oooo", missing)
    missing = "nnff nnff nnff nnff nnff nnff"
    check_row(talk, server, repo.uuid, "http", READERS, missing)
    check_row(talk, server, hidden.uuid, "http", missing, missing)
