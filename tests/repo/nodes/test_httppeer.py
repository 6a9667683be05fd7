"""A repository behind the HTTP API of servers that are old, odd, broken or malicious. (Behind the real one:
test_httppeer_real.py.)"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from annexshell.errors import (
    AnnexshellError,
    NodeError,
    NodeFailed,
    NotPresent,
    PeerGone,
    TooLate,
    VerificationFailed,
)
from annexshell.model.key import parse_key
from annexshell.relay.copy import receive
from annexshell.repo.nodes.httppeer import HttpRepository
from annexshell.repo.port import AlreadyHave, Writing
from annexshell.stream.blocking import FdStream
from annexshell.stream.memory import MemoryStream
from tests.repo.conformance import LARGE, SMALL, key_of
from tests.repo.reached import http
from tests.support.httpfake import (
    CLOSE,
    DRIP,
    RESET,
    STALL,
    Api,
    HttpServer,
    Reply,
    Request,
    answer,
    content,
    reply,
)

UUID = "22222222-2222-4222-8222-222222222222"
KEY = key_of(SMALL)

Connect = Callable[..., tuple[HttpRepository, HttpServer]]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """connect(function) is a repository behind a server that answers so, and the server."""
    opened: list[tuple[HttpRepository, HttpServer]] = []

    def make(function: Callable[[Request], Reply], **options: Any) -> tuple[HttpRepository, HttpServer]:
        server = HttpServer(function)
        opened.append((http(server.port, UUID, **options), server))
        return opened[-1]

    yield make
    for repository, server in opened:
        repository.close()
        server.stop()


def in_turn(*replies: Reply) -> Callable[[Request], Reply]:
    """A server that gives these answers, and the last one again and again."""
    left = list(replies)
    return lambda _request: left.pop(0) if len(left) > 1 else left[0]


def begin(repository: HttpRepository) -> Writing:
    writing = repository.put(KEY, b"")
    assert isinstance(writing, Writing)
    return writing


def put(repository: HttpRepository, data: bytes = SMALL) -> list[bytes]:
    writing = repository.put(key_of(data), b"")
    assert isinstance(writing, Writing)
    receive(MemoryStream(data), writing.begin, len(data))
    return writing.finish(True)


def get(repository: HttpRepository, offset: int = 0) -> tuple[bytes, bool]:
    """What comes, and whether it is valid."""
    reading = repository.get(KEY, offset, b"")
    stream = MemoryStream()
    try:
        assert reading.send(stream) == len(stream.outgoing)
        return bytes(stream.outgoing), reading.is_valid()
    finally:
        reading.close(False)


# Versions


@pytest.mark.parametrize("newest", [4, 3, 2, 1, 0])
@pytest.mark.parametrize("bad_version", [None, reply("400 Bad Request", b"bad version")], ids=["404", "400"])
def test_every_version(connect: Connect, newest: int, bad_version: Reply | None) -> None:
    repository, server = connect(Api(newest, bad_version), clock=lambda: 500)
    plus = [b"another"] if newest >= 2 else []
    assert not repository.present(KEY)
    with pytest.raises(NotPresent):
        repository.get(KEY, 0, b"")
    assert put(repository) == plus
    assert put(repository, b"") == plus
    already = repository.put(KEY, b"")
    assert isinstance(already, AlreadyHave)
    assert already.uuids == plus
    assert get(repository) == (SMALL, True)
    assert get(repository, 5) == (SMALL[5:], True)
    assert get(repository, len(SMALL)) == (b"", True)
    repository.lock(KEY).release()
    now = repository.timestamp()
    assert now == (1000 if newest >= 3 else 500)
    with pytest.raises((TooLate, NodeFailed)):
        repository.remove(KEY, now)
    assert repository.remove(KEY, now + 1) == plus
    assert repository.remove(KEY) == plus
    assert not repository.present(KEY)
    assert server.connections == 1
    tried = {int(asked[1]) for asked in server.asked}
    assert tried == set(range(newest, 5))
    assert not {asked for asked in server.asked[5 - newest :] if int(asked[1]) > newest}, "it forgets the version"


@pytest.mark.parametrize("first", ["get", "put", "remove", "lock", "timestamp"])
def test_the_version_is_found_by_any_request(connect: Connect, first: str) -> None:
    api = Api(1)
    api.contents[KEY.serialized] = SMALL
    repository, _ = connect(api, clock=lambda: 7)
    if first == "get":
        assert get(repository) == (SMALL, True)
    elif first == "put":
        assert isinstance(repository.put(KEY, b""), AlreadyHave)
    elif first == "remove":
        repository.remove(KEY, 8)
        assert not api.contents
    elif first == "lock":
        repository.lock(KEY).release()
        assert not api.locks
    else:
        assert repository.timestamp() == 7


def test_a_server_that_knows_nothing_is_not_an_old_one(connect: Connect) -> None:
    repository, _ = connect(lambda _request: reply("404 Not Found"))
    for operation in (repository.timestamp, lambda: repository.remove(KEY, 1 << 40), lambda: repository.put(KEY, b"")):
        with pytest.raises(NodeError, match="it has no such repository"):
            operation()


def test_content_that_came_by_another_way(connect: Connect) -> None:
    api = Api(4)
    repository, _ = connect(api)
    with pytest.raises(NotPresent):
        begin(repository).finish_present()
    writing = begin(repository)
    api.contents[KEY.serialized] = SMALL
    assert writing.finish_present() == [b"another"]
    api = Api(3)
    repository, _ = connect(api)
    with pytest.raises(NodeError, match="arrived another way"):
        begin(repository).finish_present()


def test_gateways_are_bypassed(connect: Connect) -> None:
    repository, server = connect(Api(4), bypass=[b"gateway-1", b"gateway-2"])
    put(repository)
    for request in server.requests:
        assert [value for name, value in request.parameters if name == "bypass"] == ["gateway-1", "gateway-2"]
    repository, server = connect(Api(1), bypass=[b"gateway-1"])
    put(repository)
    assert not [
        name for request in server.requests if request.version < 2 for name, _ in request.parameters if name == "bypass"
    ]


# Connections


def test_a_connection_that_was_closed_meanwhile(connect: Connect) -> None:
    """It is found out before the next request, or when that gets no answer."""
    repository, server = connect(lambda _request: answer(present=True, then=CLOSE))
    for _ in range(3):
        assert repository.present(KEY)
    assert server.connections == 3


@pytest.mark.parametrize("then", [CLOSE, RESET])
def test_a_kept_connection_without_an_answer(connect: Connect, then: str) -> None:
    repository, server = connect(in_turn(answer(present=True), Reply(b"", then), answer(present=True)))
    assert repository.present(KEY)
    assert repository.present(KEY)
    assert (server.connections, len(server.requests)) == (2, 3)


@pytest.mark.parametrize("then", [CLOSE, RESET])
def test_a_new_connection_without_an_answer(connect: Connect, then: str) -> None:
    repository, server = connect(lambda _request: Reply(b"", then))
    with pytest.raises(NodeError, match="closed the connection"):
        repository.present(KEY)
    assert len(server.requests) == 1


def test_an_answer_that_says_that_it_is_the_last(connect: Connect) -> None:
    repository, server = connect(lambda _request: reply("200 OK", b'{"present":true}', "Connection: close"))
    assert repository.present(KEY)
    assert repository.present(KEY)
    assert server.connections == 2


def test_a_server_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(NodeError, match=f"^node: 127.0.0.1 port {port}: connection refused$"):
        http(port, UUID).present(KEY)


def test_names_of_hosts(connect: Connect) -> None:
    asked = []

    def resolve(*question: Any) -> list[Any]:
        asked.append(question)
        if question[0] == "nowhere.example":
            raise socket.gaierror(-2, "Name or service not known")
        return socket.getaddrinfo("127.0.0.1", *question[1:]) if question[0] == "node.example" else []

    repository, server = connect(Api(4), url="http://node.example:{port}", resolve=resolve)
    assert not repository.present(KEY)
    assert server.requests[0].fields[b"host"] == f"node.example:{server.port}".encode()
    for host in ("nowhere.example", "empty.example"):
        with pytest.raises(NodeError, match=f"the host {host} "):
            http(server.port, UUID, url=f"http://{host}/", resolve=resolve).present(KEY)
    assert asked[0] == ("node.example", server.port, 0, socket.SOCK_STREAM)


def test_the_second_address_is_tried(connect: Connect) -> None:
    def resolve(*_question: object) -> list[object]:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            closed = listening.getsockname()
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", address) for address in (closed, ("127.0.0.1", server.port))
        ]

    repository, server = connect(Api(4), resolve=resolve)
    assert not repository.present(KEY)


def test_a_host_that_does_not_answer() -> None:
    """A full backlog drops what comes, as a firewall does."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        filling = [socket.socket() for _ in range(4)]
        for each in filling:
            each.setblocking(False)
            each.connect_ex(listening.getsockname())
        with pytest.raises(NodeError, match=r"nothing has moved for 0\.[12] seconds"):  # some has passed
            http(listening.getsockname()[1], UUID, limit=0.2).present(KEY)
        for each in filling:
            each.close()


# Answers that make no sense

ANSWERS = {
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "an empty line": b"\r\n\r\n",
    "a line without an end": b"HTTP/1.1 200 " + b"x" * 100_000,
    "endless headers": b"HTTP/1.1 200 OK\r\n" + b"X-Header: 12345678\r\n" * 10_000,
    "endless continues": b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
    "a switch of protocols": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "a folded header": b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "an ambiguous length": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
    "a compressed answer": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    "a large answer": b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n{}",
    "an endless answer": b'HTTP/1.1 200 OK\r\n\r\n{"present":true' + b" " * 2_000_000,
    "endless chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    + (b"1000\r\n" + b" " * 4096 + b"\r\n") * 300,
    "an endless trailer": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b\r\n" * 20_000,
    "a chunk without a size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
    "a chunk that goes on": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}}\r\n0\r\n\r\n",
    "a chunk that breaks off": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n{}",
    "a body that breaks off": b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{}",
    "headers that break off": b"HTTP/1.1 200 OK\r\nContent-Le",
    "something else": b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull",
    "no such field": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "a redirect": b"HTTP/1.1 301 Moved Permanently\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n",
    "an error": b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n",
    "success of a kind": b"HTTP/1.1 204 No Content\r\n\r\n",
    "an endless refusal": b"HTTP/1.1 404 No\r\nContent-Length: 999999999\r\n\r\n",
}


@pytest.mark.parametrize("name", ANSWERS)
def test_bad_answers(connect: Connect, name: str) -> None:
    """Each is the end of the operation, and of nothing else."""
    is_bad = False
    repository, _ = connect(lambda _request: Reply(ANSWERS[name], CLOSE) if is_bad else answer(present=True))
    operations: list[Callable[[], object]] = [
        lambda: repository.present(KEY),
        lambda: repository.lock(KEY),
        lambda: repository.remove(KEY),
        lambda: repository.remove(KEY, 5),
        lambda: repository.put(KEY, b""),
        repository.timestamp,
    ]
    for operation in operations:
        is_bad = True
        with pytest.raises(NodeError) as caught:
            operation()
        assert str(caught.value).startswith("node: ")
        assert str(caught.value).isprintable()
        is_bad = False
        assert repository.present(KEY)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("301 Moved", "the server is elsewhere .301 Moved.: set annexUrl to what http://x/ is part of"),
        ("403 Forbidden", "the server does not allow this .403 Forbidden."),
        ("507 Insufficient Storage (quota)", "the server answers 507 Insufficient Storage .quota.$"),
        ("404 Not Found", "it has no such repository"),
    ],
)
def test_people_are_told_why(connect: Connect, status: str, words: str) -> None:
    repository, _ = connect(lambda _request: reply(status, b"", "Location: http://x/"))
    with pytest.raises(NodeError, match=words):
        repository.present(KEY)


def test_interim_answers(connect: Connect) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    repository, _ = connect(lambda _request: Reply(interim + answer(present=True).data))
    assert repository.present(KEY)
    assert repository.present(KEY)


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"])
def test_a_server_that_falls_silent(connect: Connect, said: bytes) -> None:
    repository, server = connect(lambda _request: Reply(said, STALL), limit=0.2)
    with pytest.raises(NodeError, match=r"^node: nothing has moved for 0\.2 seconds$"):
        repository.present(KEY)
    assert len(server.requests) == 1


def test_a_kept_connection_that_falls_silent_is_not_tried_again(connect: Connect) -> None:
    repository, server = connect(in_turn(answer(present=True), Reply(b"", STALL)), limit=0.2)
    assert repository.present(KEY)
    with pytest.raises(NodeError, match="nothing has moved"):
        repository.present(KEY)
    assert len(server.requests) == 2


# Content that comes

CHUNKED = b"HTTP/1.1 200 OK\r\nX-git-annex-data-length: %d\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunked(data: bytes, length: int, size: int = 5, end: bytes = b"0\r\n\r\n", then: str = "keep") -> Reply:
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    body = b"".join(b"%X\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return Reply(CHUNKED % length + body + end, then)


def until_close(data: bytes, length: int) -> Reply:
    return Reply(b"HTTP/1.0 200 OK\r\nX-git-annex-data-length: %d\r\n\r\n%b" % (length, data), CLOSE)


SIZE = len(SMALL)
GOOD = {
    "with a length": content(SMALL),
    "in chunks": chunked(SMALL, SIZE),
    "in one chunk": chunked(SMALL, SIZE, size=100),
    "with a trailer": chunked(SMALL, SIZE, end=b"0;x=y\r\nA: b\r\n\r\n"),
    "until the end": until_close(SMALL, SIZE),
}
INVALID = {
    "fewer chunks": chunked(SMALL[:-1], SIZE),
    "more chunks": chunked(SMALL + b"x", SIZE),
    "no last chunk": chunked(SMALL, SIZE, end=b"", then=CLOSE),
    "a broken last chunk": chunked(SMALL, SIZE, end=b"x\r\n"),
    "a broken chunk": chunked(SMALL[:5], SIZE, end=b"-1\r\n"),
    "cut": content(SMALL[:-3], length=SIZE, then=CLOSE),
    "cut without a length": until_close(SMALL[:-3], SIZE),
    "longer without a length": until_close(SMALL + b"x", SIZE),
    "cut chunk": Reply(CHUNKED % SIZE + b"10\r\n" + SMALL[:3], CLOSE),
    "reset": Reply(CHUNKED % SIZE + b"10\r\n" + SMALL[:3], RESET),
    "silence": Reply(CHUNKED % SIZE + b"10\r\n" + SMALL[:3], STALL),
}


@pytest.mark.parametrize("name", GOOD)
def test_content_that_comes(connect: Connect, name: str) -> None:
    repository, server = connect(lambda _request: GOOD[name])
    for _ in range(2):
        assert get(repository) == (SMALL, True)
    assert server.connections == (2 if name == "until the end" else 1)


@pytest.mark.parametrize("name", INVALID)
def test_content_that_is_invalid(connect: Connect, name: str) -> None:
    """It is never taken for valid, and the connection for nothing else."""
    repository, server = connect(in_turn(INVALID[name], content(SMALL)), limit=0.5)
    try:
        data, valid = get(repository)
    except NodeError:
        pass
    else:
        assert not valid
        assert SMALL.startswith(data[:SIZE])
    assert get(repository) == (SMALL, True)
    assert server.connections == 2


def test_content_that_comes_a_byte_now_and_then(connect: Connect) -> None:
    """Something moves each time, but nobody will see the end of it."""
    head = b"HTTP/1.1 200 OK\r\nX-git-annex-data-length: 9999\r\nContent-Length: 9999\r\n\r\n"
    repository, _ = connect(lambda _request: Reply(head, DRIP), limit=0.5)
    reading = repository.get(KEY, 0, b"")
    assert reading.send(MemoryStream(b"")) < 100
    assert "it sends too slowly" in str(reading.failure)
    reading.close(False)


def test_lengths_that_contradict_each_other(connect: Connect) -> None:
    for length in (SIZE - 1, SIZE + 1):
        repository, _ = connect(lambda _request, length=length: content(SMALL, length=length))
        with pytest.raises(NodeError, match=f"announces {length} bytes of content but sends {SIZE}"):
            repository.get(KEY, 0, b"")


@pytest.mark.parametrize("length", ["-1", "x", "9" * 30, "1, 2", "0x10"])
def test_lengths_that_are_none(connect: Connect, length: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nX-git-annex-data-length: {length}\r\n\r\n".encode()
    repository, _ = connect(lambda _request: Reply(head + SMALL, CLOSE))
    with pytest.raises(NodeError, match="an invalid length"):
        repository.get(KEY, 0, b"")


def test_version_0_need_not_say_how_long_content_is(connect: Connect) -> None:
    repository, _ = connect(lambda _request: reply("200 OK", SMALL))
    assert get(repository) == (SMALL, True)
    repository, _ = connect(lambda _request: Reply(b"HTTP/1.1 200 OK\r\n\r\n" + SMALL[5:], CLOSE))
    assert get(repository, 5) == (SMALL[5:], True)
    with pytest.raises(NodeError, match="does not say how long"):
        repository.get(parse_key(b"URL--x"), 0, b"")


def test_why_content_falls_short(connect: Connect) -> None:
    repository, _ = connect(lambda _request: Reply(CHUNKED % SIZE + b"10\r\n" + SMALL[:3], STALL), limit=0.2)
    reading = repository.get(KEY, 0, b"")
    assert reading.send(MemoryStream()) == 3
    assert isinstance(reading.failure, NodeError)
    assert "nothing has moved" in str(reading.failure)
    reading.close(False)


@pytest.mark.parametrize("make", [content, lambda data: chunked(data, len(data), 32752)], ids=["length", "chunks"])
def test_much_content_through_a_pipe(connect: Connect, make: Callable[[bytes], Reply]) -> None:
    """As it really goes: from a socket into a pipe, in the kernel where that is possible."""
    data = os.urandom(1 << 16) * 20
    repository, server = connect(lambda _request: make(data))
    receiving, sending = os.pipe()
    received = bytearray()

    def drain() -> None:
        while piece := os.read(receiving, 1 << 16):
            received.extend(piece)

    for _ in range(2):
        thread = threading.Thread(target=drain)
        thread.start()
        reading = repository.get(KEY, 0, b"")
        assert reading.send(FdStream(-1, sending)) == len(data)
        assert reading.is_valid()
        reading.close(True)
        os.close(sending)
        thread.join()
        os.close(receiving)
        assert received == data
        receiving, sending = os.pipe()
        received.clear()
    os.close(sending)
    os.close(receiving)
    assert server.connections == 1


# Content that goes


def test_what_the_server_gets(connect: Connect) -> None:
    api = Api(4)
    repository, server = connect(api)
    receiving, sending = os.pipe()
    thread = threading.Thread(target=_write_and_close, args=(sending, LARGE + b"VALID\n"))
    thread.start()
    writing = repository.put(key_of(LARGE), b"a file")
    assert isinstance(writing, Writing)
    source = FdStream(receiving, -1)
    receive(source, writing.begin, len(LARGE))
    assert source.read_line() == b"VALID"
    thread.join()
    source.close()
    assert not api.contents, "the last byte has to wait for the sender's word"
    writing.finish(True)
    assert api.contents == {key_of(LARGE).serialized: LARGE}
    request = server.requests[-1]
    assert request.fields[b"x-git-annex-data-length"] == request.fields[b"content-length"] == b"%d" % len(LARGE)
    assert request.parameters[1:] == [
        ("associatedfile", "a file"),
        ("offset", "0"),
        ("clientuuid", "11111111-1111-4111-8111-111111111111"),
    ]


def _write_and_close(fd: int, data: bytes) -> None:
    with open(fd, "wb") as file:
        file.write(data)


def test_an_upload_that_goes_on(connect: Connect) -> None:
    got: list[Request] = []

    def function(request: Request) -> Reply:
        if request.endpoint == "putoffset":
            return answer(offset=5)
        request.read_body()
        got.append(request)
        return answer(stored=True, plusuuids=[])

    repository, _ = connect(function)
    writing = begin(repository)
    assert writing.offset == 5
    receive(MemoryStream(SMALL[5:]), writing.begin, SIZE - 5)
    writing.finish(True)
    assert got[0].body == SMALL[5:]
    assert dict(got[0].parameters)["offset"] == "5"


@pytest.mark.parametrize("ending", ["cut", "abandoned", "invalid", "wrong"])
def test_an_interrupted_upload_is_not_completed(connect: Connect, ending: str) -> None:
    """The connection is closed at once, and what the server has is less than was announced."""
    bodies: list[bytes] = []

    def function(request: Request) -> Reply:
        if request.endpoint == "putoffset":
            return answer(offset=0)
        bodies.append(request.read_body())
        return Reply(b"", CLOSE)

    repository, server = connect(function)
    writing = begin(repository)
    if ending == "cut":
        with pytest.raises(PeerGone):
            receive(MemoryStream(SMALL[:-1]), writing.begin, SIZE)
    else:
        receive(MemoryStream(SMALL), writing.begin, SIZE)
    if ending in ("cut", "abandoned"):
        writing.abandon()
    else:
        with pytest.raises(VerificationFailed):
            writing.finish(ending == "wrong", verified=False if ending == "wrong" else None)
    repository.close()
    server.stop()
    assert bodies == [SMALL[:-1]]


def test_a_sender_that_has_nothing(connect: Connect) -> None:
    repository, server = connect(lambda _request: answer(offset=SIZE))
    writing = begin(repository)
    receive(MemoryStream(b""), writing.begin, 0)
    with pytest.raises(VerificationFailed):
        writing.finish(False)
    assert server.asked == ["v4 putoffset"]


@pytest.mark.parametrize("then", [CLOSE, RESET])
def test_a_server_that_refuses_an_upload_in_the_middle_of_it(connect: Connect, then: str) -> None:
    """What it says is what is told; what the client sends is taken off its stream all the same."""

    def function(request: Request) -> Reply:
        return answer(offset=0) if request.endpoint == "putoffset" else reply("507 Disk Full", then=then)

    repository, _ = connect(function)
    data = os.urandom(1 << 20) * 24
    writing = begin(repository)
    source = MemoryStream(data + b"VALID\n", piece=1 << 20)
    with pytest.raises(NodeError) as caught:
        receive(source, writing.begin, len(data))
    assert "507 Disk Full" in str(caught.value) or then == RESET
    assert source.read_line() == b"VALID"
    writing.abandon()


def test_a_server_that_does_not_take_an_upload(connect: Connect) -> None:
    def function(request: Request) -> Reply:
        if request.endpoint == "putoffset":
            return answer(offset=0)
        is_silent.wait(20)
        return Reply(b"", CLOSE)

    is_silent = threading.Event()
    repository, _ = connect(function, limit=0.3)
    data = os.urandom(1 << 20) * 24
    writing = begin(repository)
    with pytest.raises(NodeError, match=r"nothing has moved for 0\.3 seconds"):
        receive(MemoryStream(data), writing.begin, len(data))
    writing.abandon()
    is_silent.set()


@pytest.mark.parametrize(
    ("last", "error"),
    [
        (answer(stored=False, plusuuids=[]), VerificationFailed),
        (answer(plusuuids=[]), NodeError),
        (answer(stored=True, plusuuids=["a b"]), NodeError),
        (reply("500 Oops"), NodeError),
        (reply("401 Unauthorized"), NodeError),
        (reply("404 Not Found"), NodeError),
        (Reply(b"", CLOSE), NodeError),
        (Reply(b"", STALL), NodeError),
        (Reply(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", CLOSE), NodeError),
    ],
)
def test_what_the_server_says_of_an_upload(connect: Connect, last: Reply, error: type[AnnexshellError]) -> None:
    def function(request: Request) -> Reply:
        if request.endpoint == "putoffset":
            return answer(offset=0)
        request.read_body()
        return last

    for data in (SMALL, b""):
        repository, _ = connect(function, limit=0.3)
        with pytest.raises(error):
            put(repository, data)


# Locks and removals


def test_a_lock_is_ended_by_its_name(connect: Connect) -> None:
    api = Api(4)
    api.contents[KEY.serialized] = SMALL
    repository, server = connect(api)
    held = repository.lock(KEY)
    assert api.locks
    held.release()
    assert not api.locks
    assert server.requests[-1].body == b'{"unlock":true}\n'
    repository.lock(KEY).abandon()
    assert api.locks
    assert server.asked[-1] == "v4 lockcontent"


def test_a_lock_whose_end_does_not_arrive(connect: Connect) -> None:
    """It ends by itself, and nobody can do anything about it."""
    repository, _ = connect(
        lambda request: answer(locked=True, lockid="x") if request.endpoint == "lockcontent" else reply("500 Oops")
    )
    repository.lock(KEY).release()


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (answer(locked=False), NotPresent),
        (answer(locked=True), NodeError),
        (answer(locked=True, lockid="[!]"), NodeError),
        (answer(locked=True, lockid=5), NodeError),
    ],
)
def test_locks_that_are_none(connect: Connect, said: Reply, error: type[AnnexshellError]) -> None:
    repository, _ = connect(lambda _request: said)
    with pytest.raises(error):
        repository.lock(KEY)


def test_removals_that_worked_elsewhere_only(connect: Connect) -> None:
    repository, _ = connect(lambda _request: answer(removed=False, plusuuids=["node-1", "[bm9kZS0y]"]))
    with pytest.raises(NodeFailed) as caught:
        repository.remove(KEY)
    assert caught.value.uuids == [b"node-1", b"node-2"]
