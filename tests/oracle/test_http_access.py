"""Who may do what, by our server and by git-annex's own."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from tests.support.httpserver import CLIENT, Api, Server
from tests.support.p2phttp import P2pHttp
from tests.support.real import Repo

KEY = "SHA256E-s3--" + "0" * 64
PASSWORDS = {"ro": "pr", "ao": "pa", "rw": "pw"}
WHO = ("", "bad", "unknown", *PASSWORDS)
ENVIRONMENT = {
    **{f"GIT_ANNEX_P2PHTTP_PASSWORD_{user}": word for user, word in PASSWORDS.items()},
    "GIT_ANNEX_P2PHTTP_PERMISSIONS_ro": "readonly",
    "GIT_ANNEX_P2PHTTP_PERMISSIONS_ao": "appendonly",
}
LETTERS = {200: "o", 401: "u", 403: "f"}

# For each of WHO what comes of reading, locking, writing and removing: allowed, unauthorized (401) or forbidden (403).
# After a wrong password we say unauthorized where they say forbidden: only then a client asks for another one. Where
# nobody can log in we don't say that logging in would help.
TABLE = [
    ("", "ffff ffff ffff ffff ffff ffff", "uuuu uuuu uuuu uuuu uuuu uuuu"),
    ("--authenv-http", "uuuu uuuu uuuu offf ooof oooo", "uuuu uuuu uuuu offf ooof oooo"),
    ("--unauth-readonly --authenv-http", "oouu oouu oouu offf ooof oooo", "oouu ooff ooff offf ooof oooo"),
    (
        "--unauth-readonly --unauth-nolocking --authenv-http",
        "ouuu ouuu ouuu offf ooof oooo",
        "ouuu offf offf offf ooof oooo",
    ),
    ("--wideopen --authenv-http", "oooo oooo oooo offf ooof oooo", "oooo oooo oooo offf ooof oooo"),
]


def found(server: Server | P2pHttp, uuid: str) -> str:
    row = []
    for who in WHO:
        text = f"{'rw' if who == 'bad' else who}:{PASSWORDS.get(who, 'wrong')}"
        headers = {"Authorization": "Basic " + urlsafe_b64encode(text.encode()).decode()} if who else {}
        api = Api(server, uuid, headers)  # type: ignore[arg-type]
        letters = ""
        for endpoint in ("checkpresent", "lockcontent", "putoffset", "remove"):
            path = api.path(endpoint, key=KEY, clientuuid=CLIENT)
            letters += LETTERS[api.ask("POST", path, b"").status]
        api.close()
        row.append(letters)
    return " ".join(row)


@pytest.mark.parametrize(("options", "by_us", "by_them"), TABLE, ids=[options or "none" for options, _, _ in TABLE])
def test_modes(tmp_path: Path, options: str, by_us: str, by_them: str) -> None:
    repo = Repo(tmp_path / "all" / "repo")
    ours = Server(repo.path, *options.split(), env=ENVIRONMENT)
    assert found(ours, repo.uuid) == by_us
    assert ours.stop() == ""
    theirs = P2pHttp(tmp_path / "all", *options.split(), env=ENVIRONMENT)
    try:
        assert found(theirs, repo.uuid) == by_them
    finally:
        theirs.stop()
