"""Servers of the HTTP API that have moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from annexshell.errors import NodeError
from annexshell.relay.copy import receive
from annexshell.repo.port import Writing
from annexshell.stream.memory import MemoryStream
from annexshell.wire.httpapi import BaseUrl, parse_moved, parse_url
from tests.repo.conformance import SMALL, key_of
from tests.repo.reached import http
from tests.support.httpfake import HttpServer, Reply, Request, answer, content, done, reply

UUID = "22222222-2222-4222-8222-222222222222"
KEY = key_of(SMALL)

Start = Callable[[Callable[[Request], Reply]], HttpServer]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[HttpServer] = []

    def make(function: Callable[[Request], Reply]) -> HttpServer:
        started.append(HttpServer(function))
        return started[-1]

    yield make
    for server in started:
        server.stop()


def to(place: str, status: str = "307 Temporary Redirect") -> Callable[[Request], Reply]:
    """Sends all requests to another place, behind which the target is put."""
    return lambda request: (request.read_body(), reply(status, b"", f"Location: {place}{request.target.decode()}"))[1]


def serving(request: Request) -> Reply:
    """Has nothing, and stores what it is given."""
    body = request.read_body()
    if request.endpoint == "putoffset":
        return answer(offset=0)
    if request.endpoint == "put":
        return done(request, stored=body == SMALL)
    if request.endpoint == "key":
        return content(SMALL)
    return answer(present=True)


@pytest.mark.parametrize("status", ["301 x", "302 x", "307 x", "308 x"])
def test_it_is_followed_for_good(start: Start, status: str) -> None:
    """And a POST stays one."""
    there = start(serving)
    here = start(to(f"http://127.0.0.1:{there.port}", status))
    repository = http(here.port, UUID)
    assert repository.present(KEY)
    assert repository.present(KEY)
    assert (len(here.requests), len(there.requests)) == (1, 2)
    assert {request.method for request in there.requests} == {b"POST"}
    repository.close()


def test_an_upload_goes_where_it_is_asked_about(start: Start) -> None:
    there = start(serving)
    here = start(to(f"http://127.0.0.1:{there.port}"))
    repository = http(here.port, UUID)
    writing = repository.put(KEY, b"file")
    assert isinstance(writing, Writing)
    receive(MemoryStream(SMALL), writing.begin, len(SMALL))
    writing.finish(True)
    assert [request.endpoint for request in there.requests] == ["putoffset", "put"]
    assert [request.endpoint for request in here.requests] == ["putoffset"]
    repository.close()


def test_a_prefix_that_is_new(start: Start) -> None:
    def function(request: Request) -> Reply:
        if request.path[0] == "lab":
            request.path = request.path[1:]
            return serving(request)
        return to("/lab")(request)

    repository = http(start(function).port, UUID)
    assert repository.present(KEY)
    repository.close()


def test_no_password_goes_to_another_server(start: Start) -> None:
    there = start(serving)

    def function(request: Request) -> Reply:
        if b"authorization" not in request.fields:
            return reply("401 Unauthorized", b"", "WWW-Authenticate: Basic realm=x")
        return to(f"http://127.0.0.1:{there.port}")(request)

    here = start(function)
    repository = http(here.port, UUID, url="http://me:secret@127.0.0.1:{port}/")
    assert repository.present(KEY)
    assert [b"authorization" in request.fields for request in here.requests] == [False, True]
    assert [b"authorization" in request.fields for request in there.requests] == [False]
    repository.close()


@pytest.mark.parametrize(
    "place",
    ["http://127.0.0.1:1/login?from=", "ftp://127.0.0.1", "http://x@127.0.0.1", "http://[", "", "http://h:99999"],
)
def test_what_leads_to_something_else(start: Start, place: str) -> None:
    def function(request: Request) -> Reply:
        request.read_body()
        return reply(
            "301 Moved", b"", f"Location: {place}{'' if '?' in place or not place else request.target.decode()}"
        )

    repository = http(start(function).port, UUID)
    with pytest.raises(NodeError, match="the server is elsewhere"):
        repository.present(KEY)
    repository.close()


def test_round_in_circles(start: Start) -> None:
    here = start(to(""))
    repository = http(here.port, UUID)
    with pytest.raises(NodeError, match="the server is elsewhere"):
        repository.present(KEY)
    assert len(here.requests) == 6
    repository.close()


# Where an answer sends us to


def moved(base: str, location: str) -> BaseUrl | None:
    url = parse_url(base.encode(), UUID.encode())
    return parse_moved(url, location.encode(), url.prefix + b"/git-annex/u/v4/put?key=K")


def test_places() -> None:
    found = moved("http://host/", "https://host/git-annex/u/v4/put?key=K")
    assert found is not None
    assert (found.origin, found.prefix, found.known_as) == (b"https://host:443", b"", b"https://host")
    found = moved("http://host/lab", "//other:81/a/b/git-annex/u/v4/put?key=K")
    assert found is not None
    assert (found.origin, found.prefix, found.known_as) == (b"http://other:81", b"/a/b", b"http://other:81/a/b")
    assert moved("http://host/", "https://host/git-annex/u/v4/put?key=L") is None
    assert moved("http://host/", "https://host/git-annex/u/v4/put") is None
    assert moved("http://host/", "https://h\u00f6st/git-annex/u/v4/put?key=K") is None
