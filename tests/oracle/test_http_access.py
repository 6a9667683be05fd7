"""Who may do what, by our server and by git-annex's own."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from tests.oracle.clients import Clone
from tests.support.certificates import make_certificate
from tests.support.httpserver import CLIENT, DistantApi, Server
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
# Of those who have logged in we refuse the upload itself, and not the question before it.
TABLE = [
    ("", "ffff ffff ffff ffff ffff ffff", "uuuu uuuu uuuu uuuu uuuu uuuu"),
    ("--authenv-http", "uuuu uuuu uuuu ofof ooof oooo", "uuuu uuuu uuuu offf ooof oooo"),
    ("--unauth-readonly --authenv-http", "oouu oouu oouu ofof ooof oooo", "oouu ooff ooff offf ooof oooo"),
    (
        "--unauth-readonly --unauth-nolocking --authenv-http",
        "ouuu ouuu ouuu ofof ooof oooo",
        "ouuu offf offf offf ooof oooo",
    ),
    ("--wideopen --authenv-http", "oooo oooo oooo ofof ooof oooo", "oooo oooo oooo offf ooof oooo"),
]


def found(server: Server | P2pHttp, uuid: str) -> str:
    row = []
    for who in WHO:
        text = f"{'rw' if who == 'bad' else who}:{PASSWORDS.get(who, 'wrong')}"
        headers = {"Authorization": "Basic " + urlsafe_b64encode(text.encode()).decode()} if who else {}
        api = DistantApi(server, uuid, headers)
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


def test_users_of_a_file_over_https(tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bcrypt = pytest.importorskip("bcrypt")
    hashes = {user: bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode() for user in ("ann", "bob", "eve")}
    (tmp_path / "users").write_text("".join(f"{user}:{hashed}\n" for user, hashed in hashes.items()))
    (tmp_path / "rules").write_text("[all/*]\nann = full\nbob = read lock\n")
    certificate, key = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("SYSTEM_CERTIFICATE_PATH", str(certificate))
    monkeypatch.setenv("GIT_TERMINAL_PROMPT", "0")
    repo = Repo(tmp_path / "all" / "repo")
    repo.add("first", b"first content\n")
    options = ["--htpasswd", str(tmp_path / "users"), "--access", str(tmp_path / "rules"), "--directory", str(tmp_path)]
    server = Server(repo.path, *options, f"--certfile={certificate}", f"--privatekeyfile={key}")
    clone = Clone.of(str(repo.path), tmp_path / "clone", programs)
    clone.git("config", "annex.security.allowed-ip-addresses", "all")
    clone.git("config", "remote.origin.annexUrl", f"annex+https://localhost:{server.port}/git-annex")

    def become(user: str) -> None:
        clone.git("config", "credential.helper", f"!f() {{ echo username={user}; echo password=secret; }}; f")

    become("eve")
    assert clone.try_annex("get", "first").returncode != 0
    become("bob")
    clone.annex("get", "first", "-J2")
    assert "locking origin" in clone.annex("drop", "first")
    clone.add(["more"])
    refused = clone.try_annex("copy", "--to", "origin", "more")
    assert refused.returncode != 0
    assert "this user may not do that" in refused.stderr + refused.stdout
    become("ann")
    clone.annex("copy", "--to", "origin", "more")
    clone.annex("drop", "--from", "origin", "more")
    assert server.stop() == ""
