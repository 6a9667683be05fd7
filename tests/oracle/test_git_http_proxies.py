"""git and its contents from one url behind nginx and Caddy, as docs/http.md has their configuration."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oracle import test_caddy, test_reverse_proxy
from tests.oracle.clients import Clone
from tests.oracle.servers import existing
from tests.oracle.test_caddy import Caddy
from tests.oracle.test_git_http import clone_of, published
from tests.support import nginx
from tests.support.httpserver import Server
from tests.support.nginx import Nginx

_OPTIONS = ("--git", "--wideopen", "--base-path=/annex", "--trust-proxy=127.0.0.1")


@pytest.fixture(params=["nginx", "caddy"])
def proxied(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The url of a directory with a repository in it, behind a proxy."""
    program = nginx.PROGRAM if request.param == "nginx" else test_caddy.PROGRAM
    if program is None:
        pytest.skip(f"there is no {request.param}")
    published(tmp_path / "srv" / "photos.git", small=b"some content\n", large=b"x" * 3_000_000)
    server = Server(tmp_path, *_OPTIONS, "--directory", str(tmp_path / "srv"))
    proxy: Nginx | Caddy
    if request.param == "nginx":
        assert test_reverse_proxy.LOCATION is not None
        proxy = Nginx(tmp_path / "proxy", test_reverse_proxy.LOCATION[0].replace(":9417", f":{server.port}"))
        for variable in ("GIT_SSL_CAINFO", "SSL_CERT_FILE", "SYSTEM_CERTIFICATE_PATH"):
            monkeypatch.setenv(variable, str(proxy.certificate))
        url = f"https://localhost:{proxy.port}"
    else:
        proxy = Caddy(tmp_path / "proxy", server.port)
        url = f"http://127.0.0.1:{proxy.port}"
    yield f"{url}/annex"
    proxy.stop()
    assert server.stop() == ""


def test_by_the_url_alone(proxied: str, tmp_path: Path, programs: Path) -> None:
    clone = clone_of(f"{proxied}/photos", tmp_path / "clone", programs)
    clone.annex("get", "-q", ".")
    assert (clone.path / "small").read_bytes() == b"some content\n"
    keys = clone.add(["new", "newer"], size=3_000_000)
    clone.annex("push", "-q")
    bare = existing(tmp_path / "srv" / "photos.git")
    assert bare.git("rev-parse", "HEAD") == clone.git("rev-parse", "HEAD")
    assert set(keys.values()) <= set(
        bare.annex("find", "--branch=HEAD", "--format=${key}\\n", "--in=here").splitlines()
    )
    assert "locking origin" in clone.annex("drop", "large")
    clone.annex("drop", "-q", "--from", "origin", "small")
    assert clone.git("config", "remote.origin.annexurl").strip() == f"annex+{proxied}/photos"


def test_an_old_client(proxied: str, tmp_path: Path, old_programs: Path) -> None:
    clone = clone_of(f"{proxied}/photos", tmp_path / "clone", old_programs)
    clone.annex("get", "-q", ".")
    clone.annex("drop", "-q", "large")
    assert not clone.has("large")


@pytest.mark.skipif(shutil.which("datalad") is None, reason="there is no DataLad")
def test_datalad(proxied: str, tmp_path: Path, programs: Path) -> None:
    """Clones, gets, saves and pushes."""
    clone = Clone(tmp_path / "clone", programs)
    clone.env["DATALAD_EXTENSIONS_LOAD"] = ""
    _datalad(clone, tmp_path, "clone", f"{proxied}/photos", str(clone.path))
    clone.git("config", "annex.security.allowed-ip-addresses", "all")
    _datalad(clone, clone.path, "get", "small")
    assert (clone.path / "small").read_bytes() == b"some content\n"
    (clone.path / "made").write_bytes(b"y" * 100_000)
    _datalad(clone, clone.path, "save", "-m", "made")
    _datalad(clone, clone.path, "push", "--to", "origin")
    bare = existing(tmp_path / "srv" / "photos.git")
    assert clone.key("made") in bare.annex("find", "--branch=HEAD", "--format=${key}\\n", "--in=here")


def _datalad(clone: Clone, place: Path, *words: str) -> None:

    done = subprocess.run(["datalad", *words], cwd=place, env=clone.env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
