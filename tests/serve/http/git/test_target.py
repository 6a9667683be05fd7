"""Which urls are git's, and what they are about."""

from __future__ import annotations

import pytest

from annexshell.serve.http.git.target import parse_target, split_api

KEY = b"SHA256E-s3--" + b"0" * 64


def parsed(path: bytes, query: bytes = b"", base: bytes = b"") -> tuple[object, ...] | None:
    target = parse_target(path, query, base)
    return None if target is None else (target.words, target.endpoint, target.service, target.name, target.methods)


READS, POSTS = (b"GET", b"HEAD"), (b"POST",)


@pytest.mark.parametrize(
    ("path", "words", "endpoint"),
    [
        (b"/photos/config", (b"photos",), "config"),
        (b"//photos//config", (b"photos",), "config"),
        (b"/photos.git/config/", (b"photos.git",), "config"),
        (b"/photos/.git/config", (b"photos",), "config"),
        (b"/a/b/c/config", (b"a", b"b", b"c"), "config"),
        (b"/my%20photos/config", (b"my photos",), "config"),
        (b"/%70hotos/%63onfig", (b"photos",), "config"),
        (b"/a%25b/config", (b"a%b",), "config"),
        (b"/a%2525b/config", (b"a%25b",), "config"),
        (b"/config", (), "config"),
        (b"/config/config", (b"config",), "config"),
        (b"/a/annex/objects/b66/a69/%b/%b" % (KEY, KEY), (b"a",), "object"),
        (b"/a/annex/objects/zQ/MQ/%b/%b" % (KEY, KEY), (b"a",), "object"),
        (b"/a/annex/objects/b66/%b/%b" % (KEY, KEY), (b"a",), "object"),
        (b"/a/.git/annex/objects/b66/a69/%b/%b" % (KEY, KEY), (b"a",), "object"),
    ],
)
def test_what_is_read(path: bytes, words: tuple[bytes, ...], endpoint: str) -> None:
    name = KEY if endpoint == "object" else b""
    assert parsed(path) == (words, endpoint, b"", name, READS)
    assert parsed(b"/lab/x" + path, b"", b"/lab/x") == (words, endpoint, b"", name, READS)


@pytest.mark.parametrize("service", [b"git-upload-pack", b"git-receive-pack"])
def test_services(service: bytes) -> None:
    assert parsed(b"/a/info/refs", b"service=" + service) == ((b"a",), "info/refs", service, b"", READS)
    assert parsed(b"/a/info/refs", b"x=1&service=%b&y" % service) == ((b"a",), "info/refs", service, b"", READS)
    assert parsed(b"/a/b.git/" + service) == ((b"a", b"b.git"), service.decode(), service, b"", POSTS)


@pytest.mark.parametrize("query", [b"", b"service=", b"service=git-upload-archive", b"service=git-shell", b"service"])
def test_other_services_are_none(query: bytes) -> None:
    assert parsed(b"/a/info/refs", query) == ((b"a",), "info/refs", b"", b"", READS)


def test_one_service_at_once() -> None:
    query = b"service=git-upload-pack&service=git-receive-pack"
    assert parsed(b"/a/info/refs", query) == ((b"a",), "info/refs", b"", b"", READS)


@pytest.mark.parametrize(
    "path",
    [
        b"/",
        b"/photos",
        b"/../config",
        b"/a/../b/config",
        b"/a/%2e%2e/b/config",
        b"/a/./b/config",
        b"/a%2fb/config",
        b"/a%00/config",
        b"/photos/HEAD",
        b"/photos/objects/info/packs",
        b"/photos/refs",
        b"/photos/annex/objects/b66/a69/%b/other" % KEY,
        b"/photos/annex/objects/b66/a69/x/%b/%b" % (KEY, KEY),
        b"/a" * 100 + b"/config",
    ],
)
def test_what_is_none_of_them(path: bytes) -> None:
    assert parsed(path) is None
    assert parsed(b"/other/photos/config", b"", b"/lab") is None


def test_the_api_below_a_repository() -> None:
    assert split_api(b"/git-annex/U/v4/checkpresent") is None
    assert split_api(b"/photos/git-annex/U/v4/checkpresent") == ((b"photos",), b"/git-annex/U/v4/checkpresent")
    assert split_api(b"/lab/a/b/git-annex/U/key/K", b"/lab") == ((b"a", b"b"), b"/lab/git-annex/U/key/K")
    assert split_api(b"/a/git-annex/x/git-annex/U/v4/key/K") == ((b"a", b"git-annex", b"x"), b"/git-annex/U/v4/key/K")
    for path in (b"/photos/git-annex/U", b"/photos/git-annex/U/put", b"/../git-annex/U/v4/put", b"/photos/x/U/v4/put"):
        assert split_api(path) is None
