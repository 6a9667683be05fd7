"""The HTTP API, request by request."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

import pytest

from tests.support.httpserver import CLIENT, Api, Server
from tests.support.real import Repo

ABSENT = "SHA256E-s3--" + "0" * 64
VERSIONS = (0, 1, 2, 3, 4)


def key_of(data: bytes) -> str:
    return f"SHA256-s{len(data)}--{hashlib.sha256(data).hexdigest()}"


@pytest.fixture
def api(repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]) -> Api:
    return talk(start(repo.path, "--wideopen"), repo.uuid)


@pytest.mark.parametrize("version", [*VERSIONS, None])
def test_content_is_sent(api: Api, repo: Repo, version: int | None) -> None:
    key = repo.add("a file", b"hello\n")
    answer = api.get(key, version)
    assert (answer.status, answer.body) == (200, b"hello\n")
    assert answer.headers["x-git-annex-data-length"] == "6"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert api.get(ABSENT, version).status == 404


def test_content_is_sent_from_an_offset(api: Api, repo: Repo) -> None:
    key = repo.add("a file", b"hello\n")
    for offset, rest in ((2, b"llo\n"), (6, b""), (7, b""), (10**23, b"")):
        answer = api.get(key, offset=offset)
        assert (answer.status, answer.body) == (200, rest)
        assert answer.headers["x-git-annex-data-length"] == str(len(rest))
    assert api.get(key, offset=-1).status == 400


def test_large_content_is_sent(api: Api, repo: Repo) -> None:
    data = bytes(range(256)) * 20000
    key = repo.add("large", data)
    assert api.get(key).body == data
    assert api.get(key, offset=100001).body == data[100001:]


def test_head_answers_without_content(api: Api, repo: Repo) -> None:
    key = repo.add("a file", b"hello\n")
    for _ in range(3):
        answer = api.ask("HEAD", api.path(f"key/{key}", None))
        assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "6")
    assert api.ask("HEAD", api.path(f"key/{ABSENT}", None)).status == 404


@pytest.mark.parametrize("version", VERSIONS)
def test_presence(api: Api, repo: Repo, version: int) -> None:
    key = repo.add("a file", b"hello\n")
    assert api.post("checkpresent", key, version).json == {"present": True}
    assert api.post("checkpresent", ABSENT, version).json == {"present": False}


def test_the_clock_is_that_of_the_machine(api: Api) -> None:
    seconds = api.post("gettimestamp").json["timestamp"]
    assert abs(seconds - time.clock_gettime(time.CLOCK_BOOTTIME)) < 5
    for version in (0, 1, 2):
        assert api.post("gettimestamp", version=version).status == 404


@pytest.mark.parametrize("version", VERSIONS)
def test_upload_and_removal(api: Api, repo: Repo, version: int) -> None:
    data = b"content of version %d" % version
    key = key_of(data)
    plus: dict[str, object] = {"plusuuids": []} if version >= 2 else {}
    if version >= 1:
        assert api.post("putoffset", key, version).json == {"offset": 0}
    assert api.put(key, data, version).json == {"stored": True, **plus}
    if version >= 1:
        assert api.post("putoffset", key, version).json == {"alreadyhave": True, **plus}
    assert api.get(key).body == data
    assert api.post("remove", key, version).json == {"removed": True, **plus}
    assert api.post("remove", key, version).json == {"removed": True, **plus}
    assert not api.present(key)


def test_a_large_upload_in_chunks(api: Api) -> None:
    data = bytes(range(256)) * 20000
    pieces = [data[i : i + 32752] for i in range(0, len(data), 32752)]
    path = api.path("put", key=key_of(data), clientuuid=CLIENT)
    headers = {"X-git-annex-data-length": str(len(data)), "Transfer-Encoding": "chunked"}
    answer = api.ask("POST", path, iter(pieces), headers, encode_chunked=True)
    assert answer.json["stored"] is True
    assert api.get(key_of(data)).body == data


def test_an_upload_that_is_cut_off_goes_on_from_there(api: Api) -> None:
    data = b"0123456789"
    key = key_of(data)
    assert api.put(key, data[:4], length=10).json["stored"] is False
    assert api.post("putoffset", key).json == {"offset": 4}
    assert api.put(key, data[4:], offset=4).json["stored"] is True
    assert api.get(key).body == data


def test_an_upload_may_start_from_the_beginning_all_the_same(api: Api) -> None:
    data = b"0123456789"
    key = key_of(data)
    api.put(key, data[:4], length=10)
    assert api.put(key, data).json["stored"] is True


def test_a_wrong_partial_upload_spoils_only_one_attempt(api: Api) -> None:
    data = b"0123456789"
    key = key_of(data)
    api.put(key, b"wrong", length=10)
    assert api.put(key, data).json["stored"] is False
    assert api.put(key, data).json["stored"] is True


@pytest.mark.parametrize(
    ("body", "announced"), [(b"0123456789", 8), (b"0123456789", 12), (b"0123456780", 10), (b"", 0), (b"0123456789", 0)]
)
def test_what_is_not_the_content_is_not_stored(api: Api, body: bytes, announced: int) -> None:
    key = key_of(b"0123456789")
    assert api.put(key, body, length=announced).json["stored"] is False
    assert not api.present(key)
    assert api.put(key, b"0123456789").json["stored"] is True


def test_an_empty_content(api: Api) -> None:
    key = key_of(b"")
    assert api.put(key, b"").json["stored"] is True
    answer = api.get(key)
    assert (answer.status, answer.body, answer.headers["x-git-annex-data-length"]) == (200, b"", "0")


@pytest.mark.parametrize("length", ["", "abc", "-1", "1 2"])
def test_the_length_of_an_upload_is_needed(api: Api, length: str) -> None:
    assert api.put(ABSENT, b"abc", length=length).status == 400


def test_content_that_came_by_another_way(api: Api, repo: Repo) -> None:
    key = repo.add("a file", b"hello\n")
    assert api.put(key, b"", length=6, data_present="true").json["stored"] is True
    assert api.put(ABSENT, b"", length=3, data_present="true").json["stored"] is False
    assert api.put(key, b"", length=6, data_present="1").status == 400


def test_removal_with_a_time_limit(api: Api, repo: Repo) -> None:
    key = repo.add("a file", b"hello\n")
    now = api.post("gettimestamp").json["timestamp"]
    for version in (3, 4):
        assert api.post("remove-before", key, version, timestamp=now - 1).json == {"removed": False, "plusuuids": []}
    assert api.post("remove-before", key).status == 400
    assert api.post("remove-before", key, 2, timestamp=now + 100).status == 404
    assert api.post("remove-before", key, timestamp=now + 100).json["removed"] is True


def test_the_location_log_is_committed_soon(api: Api, repo: Repo) -> None:
    data = b"some content"
    assert api.put(key_of(data), data).json["stored"] is True
    deadline = time.monotonic() + 5
    while repo.location_log(key_of(data)) != {repo.uuid: "1"}:
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("size", [10, 300_000])
@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        ("bytes=0-", 0, None),
        ("bytes=2-4", 2, 5),
        ("bytes=2-2", 2, 3),
        ("bytes=-3", -3, None),
        ("bytes=5-1000000", 5, None),
        ("bytes=-1000000", 0, None),
        ("bytes=0-0", 0, 1),
    ],
)
def test_parts_of_contents(api: Api, repo: Repo, size: int, wanted: str, first: int, last: int | None) -> None:
    data = bytes(range(251)) * (size // 251 + 1)
    data = data[:size]
    path = api.path(f"key/{repo.add('a', data)}", None)
    answer = api.ask("GET", path, headers={"Range": wanted})
    assert (answer.status, answer.body) == (206, data[first:last])
    begin = first % size
    assert answer.headers["content-range"] == f"bytes {begin}-{begin + len(answer.body) - 1}/{size}"
    assert answer.headers["x-git-annex-data-length"] == str(len(answer.body))


@pytest.mark.parametrize(
    "wanted", ["bytes=2-1", "bytes=1-2,4-5", "lines=1-2", "bytes=-", "bytes=x-", "bytes", "bytes=--1"]
)
def test_ranges_that_mean_nothing_are_ignored(api: Api, repo: Repo, wanted: str) -> None:
    path = api.path(f"key/{repo.add('a', b'0123456789')}", None)
    answer = api.ask("GET", path, headers={"Range": wanted})
    assert (answer.status, answer.body) == (200, b"0123456789")


@pytest.mark.parametrize("wanted", ["bytes=10-", "bytes=10-20", "bytes=-0"])
def test_ranges_beyond_the_end(api: Api, repo: Repo, wanted: str) -> None:
    path = api.path(f"key/{repo.add('a', b'0123456789')}", None)
    answer = api.ask("GET", path, headers={"Range": wanted})
    assert (answer.status, answer.headers["content-range"]) == (416, "bytes */10")


def test_content_that_the_client_has_already(api: Api, repo: Repo) -> None:
    path = api.path(f"key/{repo.add('a', b'0123456789')}", None)
    tag = api.ask("GET", path).headers["etag"]
    assert api.ask("GET", path, headers={"If-None-Match": tag}).status == 304
    assert api.ask("GET", path, headers={"If-None-Match": f'"x", W/{tag}'}).status == 304
    assert api.ask("GET", path, headers={"If-None-Match": '"other"'}).status == 200
    assert api.ask("GET", path, headers={"If-Range": tag, "Range": "bytes=1-1"}).body == b"1"
    assert api.ask("GET", path, headers={"If-Range": '"other"', "Range": "bytes=1-1"}).body == b"0123456789"
    absent = api.path(f"key/{ABSENT}", None)
    assert api.ask("GET", absent, headers={"If-None-Match": "*"}).status == 404


def test_health(api: Api) -> None:
    assert api.ask("GET", "/healthz").body == b"ok\n"


def test_a_base_path(repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]) -> None:
    api = talk(start(repo.path, "--wideopen", "--base-path=/some/where/"), repo.uuid)
    path = api.path("checkpresent", key=ABSENT, clientuuid=CLIENT)
    assert api.ask("POST", "/some/where" + path, b"").json == {"present": False}
    assert api.ask("POST", path, b"").status == 404
