"""What a client may take of a server: time, and space."""

from __future__ import annotations

import hashlib
import os
import time
from base64 import b64encode
from collections.abc import Callable

import pytest

from tests.support.admin import ours
from tests.support.httpserver import CLIENT, Api, Server
from tests.support.real import Repo


def key_of(data: bytes) -> str:
    return f"SHA256-s{len(data)}--{hashlib.sha256(data).hexdigest()}"


def eventually(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def upload(api: Api, key: str, length: int, client: str = CLIENT, offset: int = 0) -> bytes:
    """The head of an upload's request."""
    path = api.path("put", key=key, clientuuid=client, offset=offset)
    return f"POST {path} HTTP/1.1\r\nX-git-annex-data-length: {length}\r\nContent-Length: {length}\r\n\r\n".encode()


def test_half_open_uploads_end_and_can_be_resumed(
    repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]
) -> None:
    server = start(repo.path, "--wideopen", "--stall=1", "--min-rate=1MB")
    api = talk(server, repo.uuid)
    contents = [b"%d" % number * 1000 for number in range(40)]
    clients = [server.raw() for _ in contents]
    for client, content in zip(clients, contents):
        client.send(upload(api, key_of(content), len(content)) + content[:100])
    assert api.put(key_of(b"honest" * 100_000), b"honest" * 100_000).json["stored"] is True
    for client in clients:
        answer = client.answer()
        assert (answer.status, answer.reason) == (408, "the connection is too slow")
        assert client.rest() == b""
        client.socket.close()
    assert api.post("putoffset", key_of(contents[7])).json == {"offset": 100}
    assert api.put(key_of(contents[7]), contents[7][100:], offset=100).json["stored"] is True


def test_a_reader_that_stops_is_cut_off(repo: Repo, start: Callable[..., Server]) -> None:
    key = repo.add("a", bytes(30_000_000))
    server = start(repo.path, "--wideopen", "--stall=1")
    with server.raw() as client:
        client.send(f"GET /git-annex/{repo.uuid}/key/{key} HTTP/1.1\r\n\r\n".encode())
        client.socket.recv(1000)
        began = time.monotonic()
        assert server.stop() == ""  # which waits half a minute for downloads that go on
        assert time.monotonic() - began < 20
        assert len(client.rest()) < 30_000_000


def test_who_comes_back_to_another_process_resumes_at_once(
    repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]
) -> None:
    data = os.urandom(200_000)
    first, second = start(repo.path, "--wideopen"), start(repo.path, "--wideopen")
    with first.raw() as lost:
        lost.send(upload(talk(first, repo.uuid), key_of(data), len(data)) + data[:50_000])
        eventually(lambda: size_of_partial(repo) == 50_000)
        began = time.monotonic()
        again = talk(second, repo.uuid)
        assert again.post("putoffset", key_of(data)).json == {"offset": 50_000}
        assert again.put(key_of(data), data[50_000:], offset=50_000).json["stored"] is True
        assert time.monotonic() - began < 10  # who can't take over waits for twice as long, in vain
        assert b"200" not in lost.rest()
    assert not any((repo.annex_dir / "annexshell" / "wanted").iterdir())


def test_others_let_an_upload_take_a_breath(repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]) -> None:
    data = os.urandom(200_000)
    first, second = start(repo.path, "--wideopen"), start(repo.path, "--wideopen")
    with first.raw() as slow, second.raw() as other:
        slow.send(upload(talk(first, repo.uuid), key_of(data), len(data)) + data[:50_000])
        eventually(lambda: size_of_partial(repo) == 50_000)
        other.send(upload(talk(second, repo.uuid), key_of(data), len(data), client="another") + data)
        notes = repo.annex_dir / "annexshell" / "wanted"
        eventually(notes.exists)
        began = time.time()
        eventually(lambda: any(note.stat().st_mtime > began + 2 for note in notes.iterdir()))
        slow.send(data[50_000:])
        for client in (slow, other):
            assert client.answer().json["stored"] is True


def size_of_partial(repo: Repo) -> int:
    return max((path.stat().st_size for path in (repo.annex_dir / "tmp").glob("SHA256*")), default=-1)


JOE = {"Authorization": "Basic " + b64encode(b"joe:secret").decode()}


def test_a_quota_refuses_before_the_content_comes(
    repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]
) -> None:
    server = start(repo.path, "--wideopen", "--max-size=1 kB")
    api = talk(server, repo.uuid)
    data = b"a" * 600
    assert api.put(key_of(data), data).json["stored"] is True
    reason = "the quota of this repository is used up: 600 B of 1.0 kB are taken, and 500 B would be added"
    with server.raw() as client:
        client.send(upload(api, key_of(b"b" * 500), 500))  # and nothing of it
        answer = client.answer()
        assert (answer.status, answer.reason) == (507, reason)
    assert api.post("putoffset", key_of(b"b" * 500)).reason == reason
    path = api.path("put", key="URL--something", clientuuid=CLIENT)
    announced = {"X-git-annex-data-length": "500"}
    chunked = api.ask("POST", path, iter([b"c" * 500]), announced, encode_chunked=True)
    assert (chunked.status, chunked.reason) == (507, reason)
    assert api.put(key_of(data), data).json["stored"] is True
    assert api.removed(key_of(data))
    assert api.put(key_of(b"b" * 500), b"b" * 500).json["stored"] is True
    assert server.stop() == ""


def test_two_servers_count_each_others_uploads(
    repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]
) -> None:
    first, second = (start(repo.path, "--wideopen", "--max-size=1kB") for _ in range(2))
    api = talk(second, repo.uuid)
    data = b"a" * 600
    with first.raw() as client:
        client.send(upload(talk(first, repo.uuid), key_of(data), 600) + b"a")
        eventually(lambda: size_of_partial(repo) == 1)
        assert api.put(key_of(b"b" * 600), b"b" * 600).status == 507
        client.send(b"a" * 599)
        assert client.answer().json["stored"] is True


def test_users_have_quotas(repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]) -> None:
    users = {f"GIT_ANNEX_P2PHTTP_PASSWORD_{name}": "secret" for name in ("joe", "ann")}
    server = start(repo.path, "--authenv-http", "--max-size-user=1kB", env=users)
    ann = {"Authorization": "Basic " + b64encode(b"ann:secret").decode()}
    assert talk(server, repo.uuid, JOE).put(key_of(b"a" * 600), b"a" * 600).json["stored"] is True
    offset = talk(server, repo.uuid, JOE).post("putoffset", key_of(b"b" * 600))
    assert offset.json == {"offset": 0}, "git-annex would not try the upload as the user who has logged in"
    answer = talk(server, repo.uuid, JOE).put(key_of(b"b" * 600), b"b" * 600)
    assert (answer.status, answer.reason[:23]) == (507, "the quota of joe is use")
    assert talk(server, repo.uuid, ann).put(key_of(b"b" * 600), b"b" * 600).json["stored"] is True


@pytest.mark.parametrize(
    "option",
    ["--max-size=much", "--min-rate=GB", "--stall=-1", "--lockedfiles=all", "--jobs=x", "--expire-partials=soon"],
)
def test_a_limit_that_is_none(repo: Repo, option: str) -> None:
    done = ours(repo.path, "p2phttp", "--wideopen", "--port=0", option)
    assert done.code == 1
    assert f"{option.partition('=')[0]} has to be a" in done.err


def test_abandoned_uploads_are_deleted_and_running_ones_are_not(
    repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]
) -> None:
    server = start(repo.path, "--wideopen", "--expire-partials=1s")
    api = talk(server, repo.uuid)
    abandoned, running = b"a" * 1000, b"r" * 1000
    note = repo.annex_dir / "annexshell" / "wanted" / "of-somebody-who-died"
    note.parent.mkdir(parents=True)
    note.touch()
    os.utime(note, (1, 1))
    with server.raw() as client:
        client.send(upload(api, key_of(abandoned), 1000) + abandoned[:500])
        eventually(lambda: size_of_partial(repo) == 500)
    with server.raw() as client:
        client.send(upload(api, key_of(running), 1000) + running[:600])
        eventually(lambda: not (repo.annex_dir / "tmp" / key_of(abandoned)).exists())
        assert size_of_partial(repo) == 600
        eventually(lambda: not note.exists())
        client.send(running[600:])
        assert client.answer().json["stored"] is True


def test_one_job_is_enough_for_many_who_do_nothing(
    repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]
) -> None:
    server = start(repo.path, "--wideopen", "--jobs=1", "--cpus=1")
    api = talk(server, repo.uuid)
    contents = [b"%d" % number * 100 for number in range(20)]
    clients = [server.raw() for _ in contents]
    for client, content in zip(clients, contents):
        client.send(upload(api, key_of(content), len(content)) + content[:50])
    assert api.put(key_of(b"honest"), b"honest").json["stored"] is True
    lock_id = api.lock(key_of(b"honest"))
    with server.raw() as keeper:
        path = api.path("keeplocked", lockid=lock_id, clientuuid=CLIENT)
        keeper.send(f"POST {path} HTTP/1.1\r\nContent-Length: 100\r\n\r\n".encode() + b'{"unlock":false}\n')
        assert not api.removed(key_of(b"honest"))
        assert api.post("checkpresent", key_of(b"honest")).json["present"] is True
    for client, content in zip(clients, contents):
        client.send(content[50:])
        assert client.answer().json["stored"] is True
        client.socket.close()


def test_content_of_unknown_size_has_to_leave_the_reserve(
    repo: Repo, start: Callable[..., Server], talk: Callable[..., Api]
) -> None:
    server = start(repo.path, "--wideopen")
    with server.raw() as client:
        client.send(upload(talk(server, repo.uuid), "URL--large", 10**16) + b"x")
        answer = client.answer()
    assert (answer.status, answer.reason[:21]) == (507, "not enough free space")
    assert not (repo.annex_dir / "tmp" / "URL--large").exists()
