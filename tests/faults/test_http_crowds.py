"""Crowds of HTTP clients, most of them bad ones: everybody gets an answer or the end of the connection, honest clients
are served all the time, and when the crowd is gone the server holds no more than before."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.repo.places import make_repo, waiting_for
from tests.support.census import WatchedServer
from tests.support.client import sha256_key
from tests.support.httpserver import Api, RawClient
from tests.support.rawrequests import crowd, get, leave, put, reset
from tests.support.real import Repo

LARGE = os.urandom(1 << 16) * 256  # far more than fits into the buffers of a connection
ABSENT = "SHA256E-s3--" + "0" * 64
SECONDS = float(os.environ.get("HTTP_CROWD_SECONDS", "1"))  # how long the crowd that works stays
PATIENCE = 10.0  # seconds that an honest client waits for anything, on however busy a machine


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return make_repo(tmp_path / "repo")


@pytest.fixture
def large(repo: Repo) -> str:
    return repo.add("large", LARGE)


def honest_day(api: Api, large: str = "") -> None:
    """A client that does what clients do, and waits for nothing long."""
    data = os.urandom(50_000)
    key = sha256_key(data)

    def timely(answer: Callable[[], object]) -> object:
        began = time.monotonic()
        result = answer()
        assert time.monotonic() - began < PATIENCE
        return result

    assert timely(lambda: api.present(key)) is False
    assert timely(lambda: api.put(key, data).json["stored"]) is True
    assert timely(lambda: api.get(key).body) == data
    lock_id = timely(lambda: api.lock(key))
    assert lock_id
    assert timely(lambda: api.removed(key)) is False
    unlock = api.path("keeplocked", lockid=lock_id, clientuuid="x")
    assert timely(lambda: api.ask("POST", unlock, b'{"unlock":true}\n').json) == {"locked": False}
    if large:
        assert timely(lambda: api.get(large).body) == LARGE


def test_clients_that_all_work_at_once(repo: Repo, start: Callable[..., WatchedServer]) -> None:
    """For longer with HTTP_CROWD_SECONDS."""
    server = start(repo.path, "--wideopen", "--lockedfiles=100000")
    shared = os.urandom(200_000)
    shared_key = repo.add("shared", shared)
    before = server.at_rest()
    end = time.monotonic() + SECONDS
    slowest = [0.0] * 64

    def timed(number: int, answer: Callable[[], object]) -> object:
        began = time.monotonic()
        result = answer()
        slowest[number] = max(slowest[number], time.monotonic() - began)
        return result

    def one_round(api: Api, number: int, data: bytes) -> None:
        key = sha256_key(data)
        assert timed(number, lambda: api.present(key)) is False
        assert timed(number, lambda: api.put(key, data).json["stored"]) is True
        assert timed(number, lambda: api.get(shared_key).body) == shared
        assert timed(number, lambda: api.get(key).body) == data
        assert timed(number, lambda: api.post("putoffset", key).json) == {"alreadyhave": True, "plusuuids": []}
        assert timed(number, lambda: api.removed(key)) is True
        assert timed(number, lambda: api.get(key).status) == 404

    def work(number: int) -> int:
        api = Api(server, repo.uuid)
        rounds = 0
        while rounds == 0 or time.monotonic() < end:
            one_round(api, number, b"%d %d " % (number, rounds) * 4000)
            rounds += 1
        api.close()
        return rounds

    with ThreadPoolExecutor(64) as pool:
        assert sum(pool.map(work, range(64))) >= 64
    assert max(slowest) < 2 * PATIENCE
    server.settled(before)


@pytest.mark.parametrize("how", [leave, reset])
def test_clients_that_are_gone_half_way(
    how: Callable[[RawClient], None],
    repo: Repo,
    large: str,
    start: Callable[..., WatchedServer],
    talk: Callable[..., Api],
) -> None:
    server = start(repo.path, "--wideopen", "--cpus=1")
    api = talk(server, repo.uuid)
    assert api.present(ABSENT) is False
    before = server.at_rest()
    chunk = b"8000\r\n" + b"x" * 0x8000
    messages = []
    for number in range(50):
        keys = [f"SHA256-s1000000--{n:064d}" for n in (2 * number, 2 * number + 1)]
        messages += [
            get(api, large),
            get(api, large)[:-1],
            put(api, keys[0], 1_000_000) + b"x" * (number * 999),
            put(api, keys[1], 1_000_000, "Transfer-Encoding: chunked") + chunk[: number * 700],
        ]
    with crowd(server, messages) as clients:
        for client in clients[::8]:
            client.socket.recv(1000)
        for client in clients:
            how(client)
        honest_day(api, large)
    server.settled(before)
    for number in (7, 49):  # what came is there, for whoever goes on with it; a reset takes back what nobody has read
        offset = api.post("putoffset", f"SHA256-s1000000--{2 * number:064d}").json["offset"]
        assert offset == number * 999 or (how is reset and offset < number * 999)


def test_slow_readers_and_slow_writers(
    repo: Repo, large: str, start: Callable[..., WatchedServer], talk: Callable[..., Api]
) -> None:
    server = start(repo.path, "--wideopen", "--cpus=1")
    api = talk(server, repo.uuid)
    assert api.present(ABSENT) is False
    before = server.at_rest()
    # Fewer than one address may have under way.
    messages = [put(api, f"SHA256-s100000--{number:064d}", 100_000) + b"x" for number in range(200)]
    messages += [get(api, large)] * 100 + [b""] * 100 + [get(api, large)[:-2]] * 100
    with crowd(server, messages) as clients:
        for _ in range(3):
            honest_day(api, large)
            for client in clients[:200]:
                client.send(b"x")
    server.settled(before)


def test_who_stands_still_is_hung_up_on(
    repo: Repo, large: str, start: Callable[..., WatchedServer], talk: Callable[..., Api]
) -> None:
    server = start(repo.path, "--wideopen", "--cpus=1", "--stall=1", limits="idle=1.5 head=0.5")
    api = talk(server, repo.uuid)
    assert api.present(ABSENT) is False
    before = server.at_rest()
    key = "SHA256-s1000--" + "a" * 64
    upload, download = put(api, key, 1000) + b"half", get(api, large)
    ends = {
        upload: b"HTTP/1.1 408 ",
        upload[:20]: b"HTTP/1.1 408 ",
        download[:-1]: b"HTTP/1.1 408 ",
        b"": b"",
        b"\r\n": b"",
    }
    with crowd(server, [download, *ends]) as clients:
        assert [client.rest()[:13] for client in clients[1:]] == list(ends.values())
        server.settled(before)
        assert len(clients[0].rest()) < len(LARGE)
    assert talk(server, repo.uuid).post("putoffset", key).json == {"offset": 4}


def test_who_is_only_slow_is_served_to_the_end(
    repo: Repo, large: str, start: Callable[..., WatchedServer], talk: Callable[..., Api]
) -> None:
    server = start(repo.path, "--wideopen", "--cpus=1", "--stall=1", limits="idle=1 head=1")
    api = talk(server, repo.uuid)
    data = os.urandom(500_000)
    with crowd(server, [get(api, large), put(api, sha256_key(data), len(data))]) as (reader, writer):
        received = b""
        for start_of_piece in range(0, len(data), 100_000):
            received += reader.socket.recv(300_000)
            writer.send(data[start_of_piece : start_of_piece + 100_000])
            time.sleep(0.4)  # this is how slow they are
        assert (received + reader.rest()).endswith(LARGE[-1000:])
        assert writer.answer().json["stored"] is True


def test_many_questions_for_what_is_only_a_head(
    repo: Repo, large: str, start: Callable[..., WatchedServer], talk: Callable[..., Api]
) -> None:
    server = start(repo.path, "--wideopen", "--cpus=1")
    api = talk(server, repo.uuid)
    assert api.present(ABSENT) is False
    before = server.at_rest()
    pair = [get(api, large).replace(b"GET", b"HEAD"), get(api, ABSENT).replace(b"GET", b"HEAD")]
    last = pair[1].replace(b"Host: x", b"Connection: close")
    with crowd(server, [b"".join(pair * 10) + last] * 100) as clients:
        honest_day(api, large)
        for client in clients:
            answers = client.rest()
            assert answers.count(b"HTTP/1.1 200 ") == answers.count(b"Content-Length: %d\r\n" % len(LARGE)) == 10
            assert answers.count(b"HTTP/1.1 404 ") == 11
    server.settled(before)


def test_more_connections_than_are_allowed(
    repo: Repo, large: str, start: Callable[..., WatchedServer], talk: Callable[..., Api]
) -> None:
    server = start(repo.path, "--wideopen", "--cpus=1", limits="connections=50")
    api = talk(server, repo.uuid)
    assert api.present(ABSENT) is False
    before = server.at_rest()
    with crowd(server, [b""] * 49) as clients, server.raw() as one_more:
        assert one_more.rest() == b""
        honest_day(api, large)
        clients[0].send(get(api, ABSENT))
        assert clients[0].answer().status == 404
    server.settled(before)


def test_more_connections_than_there_are_file_descriptors(
    repo: Repo, start: Callable[..., WatchedServer], talk: Callable[..., Api]
) -> None:
    server = start(repo.path, "--wideopen", "--cpus=1")
    api = talk(server, repo.uuid)
    assert api.present(ABSENT) is False
    before = server.at_rest()
    (worker,) = server.workers
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (60, 60))
    with crowd(server, [b""] * 100) as clients:
        waiting_for(lambda: _is_closed(clients[-1]))
        assert api.present(ABSENT) is False
        assert cpu_time(worker) < 5
    honest_day(api)
    server.settled(before)


def _is_closed(client: RawClient) -> bool:
    client.socket.settimeout(0.01)
    try:
        return client.socket.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


def cpu_time(pid: int) -> float:
    """Seconds of a processor that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
