"""What clients may send that is no request: each gets an answer or the end of its connection, and others are served."""

from __future__ import annotations

import hashlib
import os
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.httpserver import CLIENT, Api, RawClient, Server
from tests.support.real import Repo

KEY = "SHA256E-s6--5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, programs: Path) -> Iterator[tuple[Server, Repo]]:
    """One server for all tests here: none of them may harm it."""
    place = tmp_path_factory.mktemp("served")
    before = dict(os.environ)
    (place / "home").mkdir()
    os.environ.update(HOME=str(place / "home"), PATH=f"{programs}:{os.environ['PATH']}")
    (place / "home" / ".gitconfig").write_text("[user]\n\tname = T\n\temail = t@example.com\n")
    repo = Repo(place / "repo")
    assert repo.add("a", b"hello\n") == KEY.replace(".txt", "")
    server = Server(repo.path, "--wideopen")
    yield server, repo
    errors = server.stop()
    os.environ.clear()
    os.environ.update(before)
    assert "internal error" not in errors


@pytest.fixture
def api(served: tuple[Server, Repo]) -> Iterator[Api]:
    server, repo = served
    client = Api(server, repo.uuid)
    yield client
    assert client.present(KEY)
    client.close()


@pytest.fixture
def raw(api: Api) -> Iterator[RawClient]:
    with api.server.raw() as client:
        yield client


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"NONSENSE\r\n\r\n", 400),
        (b"BREW / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"CONNECT example.com:80 HTTP/1.1\r\n\r\n", 501),
        (b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 300 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"X%d: y\r\n" % i for i in range(300)) + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 200000 + b"\r\n\r\n", 431),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -3\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 3, 3\r\n\r\nabc", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nA: b\r\n folded: c\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA : b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nA: b\n\n", 400),
        (b"POST / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc", 501),
        (b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", 404),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_requests_that_are_refused(raw: RawClient, data: bytes, status: int) -> None:
    raw.send(data)
    assert raw.answer().status == status


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/git-annex",
        "/git-annex/",
        "/git-annex/{uuid}",
        "/git-annex/{uuid}/v4",
        "/git-annex/{uuid}/v4/key/",
        "/git-annex/{uuid}/v4/key/a/b?clientuuid=x",
        "/git-annex/{uuid}/v4/key/{key}/more?clientuuid=x",
        "/git-annex/{uuid}/v5/key/{key}?clientuuid=x",
        "/git-annex/{uuid}/v04/key/../../config?clientuuid=x",
        "/git-annex/{uuid}/v-1/key/{key}?clientuuid=x",
        "/git-annex/{uuid}/v99999999999999999999/key/{key}?clientuuid=x",
        "/git-annex/../{uuid}/v4/key/{key}?clientuuid=x",
        "/git-annex/%2e%2e/v4/key/{key}?clientuuid=x",
        "/git-annex/%00/v4/key/{key}?clientuuid=x",
        "/git-annex/%2Fetc/v4/key/{key}?clientuuid=x",
        "/git-annex/other/v4/key/{key}?clientuuid=x",
        "/git-annex/{uuid}/checkpresent?key={key}",
        "/etc/passwd",
        "/git-annex/{uuid}/v4/key/SHA256-s3--..%2F..%2F..%2Fconfig?clientuuid=x",
        "/git-annex/{uuid}/key/WORM--%2Fetc%2Fpasswd",
        "/git-annex/{uuid}/key/WORM--a%00b",
        "/git-annex/{uuid}/key/WORM--a%0Ab",
        "/git-annex/{uuid}/key/WORM--" + "a" * 5000,
    ],
)
def test_there_is_nothing_there(api: Api, path: str) -> None:
    assert api.ask("GET", path.format(uuid=api.uuid, key=KEY)).status == 404


@pytest.mark.parametrize(
    "path",
    [
        "key/foo?clientuuid=x",
        "key/{key}",
        "key/{key}?clientuuid=",
        "key/{key}?clientuuid=x&offset=abc",
        "key/{key}?clientuuid=x&offset=",
        "key/{key}?clientuuid=x&offset=-1",
        "key/{key}?clientuuid=x&offset=1.5",
        "key/{key}?clientuuid=x&bypass=",
        "key/[!!]?clientuuid=x",
        "key/[]?clientuuid=x",
        "key/%5Bc2hvcnQ%5D?clientuuid=x",
        "key/{key}?clientuuid=[%ff]",
        "key/{key}?clientuuid=x" + "&a=b" * 2000,
    ],
)
def test_parameters_that_can_not_be_read(api: Api, path: str) -> None:
    assert api.ask("GET", f"/git-annex/{api.uuid}/v4/" + path.format(key=KEY)).status == 400


@pytest.mark.parametrize(
    "path",
    [
        "//git-annex/{uuid}/v4/key/{key}?clientuuid=x",
        "///git-annex/{uuid}/v4/key/{key}?clientuuid=x",
        "/git-annex/git-annex/{uuid}/v4/key/{key}?clientuuid=x",
        "/git-annex/{uuid}/v4/key/{key}/?clientuuid=x",
        "http://somewhere:1/git-annex/{uuid}/v4/key/{key}?clientuuid=x",
        "/git-annex/{uuid}/v4/key/[{base64}]?clientuuid=foo%20bar&clientuuid=%ff",
        "/git-annex/{uuid}/v4/key/%5B{base64}%5D?clientuuid=[Zm9v]&associatedfile=..%2F..%2Fetc",
        "/git-annex/{uuid}/key/{key}?unknown=1&offset=abc",
    ],
)
def test_other_ways_to_write_it(api: Api, path: str) -> None:
    base64 = urlsafe_b64encode(KEY.encode()).decode().rstrip("=")
    assert api.ask("GET", path.format(uuid=api.uuid, key=KEY, base64=base64)).body in (b"hello\n",)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD"])
def test_wrong_methods(api: Api, method: str) -> None:
    answer = api.ask(method, api.path("checkpresent", key=KEY, clientuuid=CLIENT))
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


def test_wrong_method_for_content(api: Api) -> None:
    answer = api.ask("POST", api.path(f"key/{KEY}", clientuuid=CLIENT))
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


def test_pipelined_requests_are_answered_in_order(raw: RawClient, api: Api) -> None:
    one = f"GET {api.path(f'key/{KEY}', None)} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    two = f"POST {api.path('checkpresent', key=KEY, clientuuid='x')} HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc".encode()
    three = b"GET /nothing HTTP/1.1\r\nConnection: close\r\n\r\n"
    raw.send((one + two) * 20 + three)
    text = raw.rest()
    assert text.count(b"HTTP/1.1 200 OK") == 40
    assert text.count(b"hello\n") == text.count(b'{"present":true}') == 20
    assert text.count(b"HTTP/1.1 404") == 1


def test_http_1_0(raw: RawClient, api: Api) -> None:
    raw.send(f"GET {api.path(f'key/{KEY}', None)} HTTP/1.0\r\n\r\n".encode())
    text = raw.rest()
    assert text.startswith(b"HTTP/1.1 200 OK")
    assert b"Connection: close" in text
    assert text.endswith(b"hello\n")


def test_a_request_in_single_bytes(raw: RawClient, api: Api) -> None:
    for byte in f"GET {api.path(f'key/{KEY}', None)} HTTP/1.1\r\nHost: x\r\n\r\n".encode():
        raw.send(bytes([byte]))
    assert raw.answer().body == b"hello\n"


def put_head(api: Api, key: str, *headers: str) -> bytes:
    lines = [f"POST {api.path('put', key=key, clientuuid='x')} HTTP/1.1", "Host: x", *headers, "", ""]
    return "\r\n".join(lines).encode()


def test_continue_is_said_before_a_body_is_read(raw: RawClient, api: Api) -> None:
    key = "SHA256-s3--" + "a" * 64
    raw.send(put_head(api, key, "X-git-annex-data-length: 3", "Content-Length: 3", "Expect: 100-continue"))
    assert raw.socket.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
    raw.send(b"abc")
    assert raw.answer().json["stored"] is False


@pytest.mark.parametrize("key", [KEY, "nonsense"])
def test_continue_is_not_said_when_no_body_is_needed(raw: RawClient, api: Api, key: str) -> None:
    raw.send(put_head(api, key, "X-git-annex-data-length: 6", "Content-Length: 6", "Expect: 100-continue"))
    text = raw.rest()
    assert text.startswith((b"HTTP/1.1 200 OK", b"HTTP/1.1 400"))
    assert b"Connection: close" in text


def test_a_body_that_nobody_wants_is_not_read_to_the_end(raw: RawClient, api: Api) -> None:
    raw.send(put_head(api, "nonsense", "X-git-annex-data-length: 6", "Transfer-Encoding: chunked"))
    answer = raw.answer()
    assert (answer.status, answer.headers["connection"]) == (400, "close")
    sent = 0
    try:
        while sent < 1 << 30:
            raw.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            sent += 65536
    except OSError:
        pass
    assert sent < 1 << 30


def test_a_body_of_many_small_chunks_and_trailers(raw: RawClient, api: Api) -> None:
    data = os.urandom(2000)
    key = f"SHA256-s2000--{hashlib.sha256(data).hexdigest()}"
    raw.send(put_head(api, key, "X-git-annex-data-length: 2000", "Transfer-Encoding: chunked"))
    raw.send(b"".join(b'1;ext="x"\r\n%c\r\n' % byte for byte in data) + b"0\r\nTrailer: yes\r\nContent: 5\r\n\r\n")
    assert raw.answer().json["stored"] is True
    raw.send(f"GET {api.path(f'key/{KEY}', None)} HTTP/1.1\r\n\r\n".encode())
    assert raw.answer().body == b"hello\n"


@pytest.mark.parametrize("endless", [b"1;" + b"x" * 1000000, b"0\r\n" + b"Trailer: x\r\n" * 100000, b"zz\r\n"])
def test_framing_without_end(raw: RawClient, api: Api, endless: bytes) -> None:
    raw.send(put_head(api, "SHA256-s3--" + "b" * 64, "X-git-annex-data-length: 3", "Transfer-Encoding: chunked"))
    try:
        raw.send(endless)
    except OSError:
        pass
    assert raw.rest()[:13] in (b"HTTP/1.1 400 ", b"")


def test_uploads_that_break_off_are_kept(api: Api) -> None:
    data = os.urandom(300000)
    key = f"SHA256-s300000--{hashlib.sha256(data).hexdigest()}"
    for count in (1, 100000, 200000):
        have = api.post("putoffset", key).json["offset"]
        with api.server.raw() as client:
            head = put_head(api, key, f"X-git-annex-data-length: {300000 - have}", f"Content-Length: {300000 - have}")
            client.send(head.replace(b"clientuuid=x", b"clientuuid=x&offset=%d" % have))
            client.send(data[have:count])
        deadline = time.monotonic() + 10
        while api.post("putoffset", key).json["offset"] != count:
            assert time.monotonic() < deadline
    assert api.put(key, data[200000:], offset=200000).json["stored"] is True


def test_many_clients_that_go_in_the_middle(api: Api) -> None:
    pid = api.server.process.pid
    api.present(KEY)
    before = len(os.listdir(f"/proc/{pid}/fd"))
    get = f"GET {api.path(f'key/{KEY}', None)} HTTP/1.1\r\n\r\n".encode()
    put = put_head(api, "SHA256-s100000--" + "c" * 64, "X-git-annex-data-length: 100000", "Content-Length: 100000")
    clients = []
    for data in (get, get[:20], put, put + b"x" * 5000, b"", put[:-2]) * 20:
        client = api.server.raw()
        client.send(data)
        clients.append(client)
    for client in clients:
        client.socket.close()
    deadline = time.monotonic() + 10
    while len(os.listdir(f"/proc/{pid}/fd")) > before + 4:
        assert time.monotonic() < deadline
        assert api.present(KEY)


def test_honest_clients_are_served_beside_half_open_uploads(api: Api) -> None:
    clients = []
    for number in range(300):
        client = api.server.raw()
        key = f"SHA256-s100000--{number:064d}"
        client.send(put_head(api, key, "X-git-annex-data-length: 100000", "Content-Length: 100000") + b"x")
        clients.append(client)
    times = []
    for _ in range(50):
        began = time.monotonic()
        assert api.present(KEY)
        times.append(time.monotonic() - began)
    assert sorted(times)[25] < 0.5
    for client in clients:
        client.socket.close()
