"""The same requests to our server and to git-annex's own: what they answer, and where we differ on purpose."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.httpserver import CLIENT, DistantApi, Server
from tests.support.ports import free_port
from tests.support.real import Repo

KEY = "SHA256E-s6--5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
TEN = "SHA256-s10--84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882"
NONE = "SHA256E-s3--" + "0" * 64


class Theirs:
    """git-annex p2phttp, as far as a client of it needs to know."""

    def __init__(self, place: Path, port: int) -> None:
        command = ["git-annex", "p2phttp", "--wideopen", "--jobs=4", "--bind=127.0.0.1", f"--port={port}"]
        self.port = port
        self.process = subprocess.Popen(command, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert time.monotonic() < deadline

    connect = Server.connect
    raw = Server.raw

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[DistantApi, DistantApi]]:
    """Ours and theirs, in front of two copies of one repository."""
    repo = Repo(tmp_path / "one")
    assert repo.add("a", b"hello\n") == KEY
    shutil.copytree(repo.path, tmp_path / "two", symlinks=True)
    ours = Server(repo.path, "--wideopen")
    theirs = Theirs(tmp_path / "two", free_port())
    pair = (DistantApi(ours, repo.uuid), DistantApi(theirs, repo.uuid))
    yield pair
    for api in pair:
        api.close()
    assert "internal error" not in ours.stop()
    theirs.stop()


def post(endpoint: str, key: str = KEY, version: int = 4, **parameters: object) -> tuple[Any, ...]:
    return ("POST", endpoint, version, {"key": key, **parameters}, b"", {})


def put(key: str, data: bytes, length: object = None, version: int = 4, **parameters: object) -> tuple[Any, ...]:
    announced = {"X-git-annex-data-length": str(len(data) if length is None else length)}
    return ("POST", "put", version, {"key": key, **parameters}, data, announced if length != "" else {})


def get(key: str = KEY, version: int | None = 4, **parameters: object) -> tuple[Any, ...]:
    return ("GET", f"key/{key}", version, parameters, None, {})


ALIKE = [
    *[get(version=version) for version in (0, 1, 2, 3, 4, None)],
    *[get(offset=offset) for offset in (0, 2, 6, 7)],
    get("foo"),
    get("[!!]"),
    get(offset="abc"),
    *[post("checkpresent", key, version) for key in (KEY, NONE) for version in range(5)],
    *[post("putoffset", key, version) for key in (KEY, NONE) for version in range(1, 5)],
    *[post("lockcontent", NONE, version) for version in range(5)],
    post("keeplocked", lockid="foo"),
    post("keeplocked"),
    post("checkpresent", "foo"),
    put(TEN, b"0123", 10),
    post("putoffset", TEN),
    put(TEN, b"456789", offset=4),
    post("checkpresent", TEN),
    put(TEN, b"other", 5),
    put(TEN, b"0123456789", data_present="true"),
    put(NONE, b"", 3, data_present="true"),
    put(NONE, b"", 3, data_present="1"),
    put(NONE, b"abc"),
    put(NONE, b"ab"),
    put(NONE, b"abcd", 3),
    put(NONE, b"abc", ""),
    put(NONE, b"abc", "abc"),
    *[post("remove", TEN, version) for version in range(5)],
    post("remove-before", KEY, timestamp=1),
    post("remove-before", KEY, 3, timestamp=1),
    post("remove-before", KEY),
    post("remove-before", KEY, timestamp=99999999999),
    post("remove", KEY),
]
# What theirs answers, and why we don't.
DIFFERENT = [
    (get(NONE), 200, 404),  # clients took it for empty content
    (get(NONE, None), 200, 404),
    (get(version=5), 400, 404),  # a client goes on to an older version only after a 404
    (post("gettimestamp", version=2), 400, 404),
    (post("remove-before", version=2, timestamp=1), 400, 404),
    (post("putoffset", version=0), 400, 404),
    (("GET", "checkpresent", 4, {"key": KEY}, None, {}), 400, 405),
    (get(offset=-1), 200, 400),
    (put(NONE, b"abc", -1), 200, 400),
]


def ask(api: DistantApi, request: tuple[Any, ...]) -> tuple[int, Any, str | None]:
    method, endpoint, version, parameters, body, headers = request
    path = api.path(endpoint, version, clientuuid=CLIENT, **parameters)
    answer = api.ask(method, path, body, headers)
    length = answer.headers.get("x-git-annex-data-length")
    if answer.status != 200:
        return answer.status, None, length
    return answer.status, answer.json if method == "POST" else answer.body, length


def test_they_answer_alike(both: tuple[DistantApi, DistantApi]) -> None:
    ours, theirs = both
    for request in ALIKE:
        assert ask(ours, request) == ask(theirs, request), request


def test_they_differ_on_purpose(both: tuple[DistantApi, DistantApi]) -> None:
    ours, theirs = both
    for request, expected, wanted in DIFFERENT:
        assert ask(ours, request)[0] == wanted, request
        assert ask(theirs, request)[0] == expected, request


def test_a_locked_content_is_refused_in_the_way_of_the_specification(both: tuple[DistantApi, DistantApi]) -> None:
    ours, theirs = both
    assert ours.lock(KEY)
    assert theirs.lock(KEY)
    assert ask(ours, post("remove")) == (200, {"removed": False, "plusuuids": []}, None)
    assert ask(theirs, post("remove"))[0] in (200, 500)
