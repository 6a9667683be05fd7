"""What git http-backend is told, and how its answers are read."""

from __future__ import annotations

import pytest

from annexshell.serve.http.git.cgi import CgiHead, is_known_coding, kept, split_head, variables
from annexshell.serve.http.git.target import parse_target
from annexshell.serve.http.http1.heads import Head


def head(method: bytes = b"GET", **headers: str) -> Head:
    made = Head()
    for name, value in headers.items():
        made.add(name.replace("_", "-").encode(), value.encode())
    made.complete(method, b"/", "1.1")
    return made


def told(path: bytes, query: bytes = b"", sent: Head | None = None, user: bytes = b"") -> dict[bytes, bytes]:
    target = parse_target(path, query)
    assert target is not None
    return variables(target, sent or head(), b"/srv/a.git", user, "192.0.2.1")


def test_a_request_in_variables() -> None:
    assert told(b"/a/info/refs", b"x&service=git-upload-pack", head(git_protocol="version=2")) == {
        b"GATEWAY_INTERFACE": b"CGI/1.1",
        b"GIT_HTTP_EXPORT_ALL": b"1",
        b"PATH_TRANSLATED": b"/srv/a.git/info/refs",
        b"REQUEST_METHOD": b"GET",
        b"SERVER_PROTOCOL": b"HTTP/1.1",
        b"REMOTE_ADDR": b"192.0.2.1",
        b"QUERY_STRING": b"service=git-upload-pack",
        b"CONTENT_TYPE": b"",
        b"HTTP_CONTENT_ENCODING": b"",
        b"GIT_PROTOCOL": b"version=2",
    }


def test_a_push_by_somebody() -> None:
    sent = head(b"POST", content_type="application/x-git-receive-pack-request", content_encoding="GZIP")
    variables = told(b"/a/git-receive-pack", b"", sent, b"bob")
    assert variables[b"REMOTE_USER"] == b"bob"
    assert variables[b"HTTP_CONTENT_ENCODING"] == b"gzip"
    assert variables[b"CONTENT_TYPE"] == b"application/x-git-receive-pack-request"
    assert b"CONTENT_LENGTH" not in variables  # the end of the body is that of its input


@pytest.mark.parametrize("protocol", ["version=2\tx", "x" * 201, "version=2; rm"])
def test_a_protocol_that_is_none(protocol: str) -> None:
    assert b"GIT_PROTOCOL" not in told(b"/a/info/refs", b"", head(git_protocol=protocol))


def test_our_environment_stays_ours() -> None:
    environment = {
        b"PATH": b"/bin",
        b"HOME": b"/home/annex",
        b"LC_ALL": b"C",
        b"GIT_CONFIG_KEY_0": b"a.b",
        b"GIT_ANNEX_P2PHTTP_PASSWORD_bob": b"secret",
        b"AWS_SECRET_ACCESS_KEY": b"secret",
        b"GIT_DIR": b"/elsewhere",
        b"GIT_TRACE": b"1",
        b"HTTP_PROXY": b"x",
    }
    assert kept(environment).keys() == {b"PATH", b"HOME", b"LC_ALL", b"GIT_CONFIG_KEY_0"}


def test_codings() -> None:
    assert all(is_known_coding(head(content_encoding=coding)) for coding in ("gzip", "x-gzip", "GZip", "identity"))
    assert is_known_coding(head())
    assert not any(is_known_coding(head(content_encoding=coding)) for coding in ("br", "deflate", "gzip, gzip"))


def test_the_last_of_several_headers_counts() -> None:
    raw = b"Expires: 1\r\nPragma: no-cache\r\nExpires: 2\r\nStatus: 403 Forbidden\r\nX: x\r\nContent-Type: text/plain"
    found = CgiHead(raw)
    assert found.status == 403
    assert found.headers == (("Content-Type", "text/plain"), ("Expires", "2"), ("Pragma", "no-cache"))
    assert CgiHead(b"Status: what\nbroken\n: x").status == 200


def test_the_end_of_the_headers() -> None:
    assert split_head(b"A: b\r\nC: d\r\n\r\nbody\r\n\r\n") == (b"A: b\r\nC: d", b"body\r\n\r\n")
    assert split_head(b"A: b\n\nbody") == (b"A: b", b"body")
    assert split_head(b"A: b\r\n") is None
