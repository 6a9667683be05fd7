"""Nodes that fail, stall or talk nonsense behind the HTTP server: each request gets an answer or the end of its
connection in time, which claims nothing that the node did not say; other requests are served meanwhile, and nothing is
held for it afterwards."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPException, IncompleteRead
from pathlib import Path

import pytest

from tests.repo.places import waiting_for
from tests.support.census import WatchedServer
from tests.support.client import sha256_key
from tests.support.fakenodes import FakeGateway, FakeNodes, node_uuid
from tests.support.httpserver import Api, RawClient
from tests.support.rawrequests import crowd, get, leave, put, reset

SMALL, LARGE = b"a small content", b"0123456789" * 300_000
SMALL_KEY, LARGE_KEY = sha256_key(SMALL), sha256_key(LARGE)
ABSENT = "SHA256-s3--" + "0" * 64
# Seconds that what is open is kept for the next request, and of patience with nodes: much shorter than usual.
TIDY = "annexshell.serve.http.repositories.pool:_IDLE_LIMIT=1"
IMPATIENT = f"{TIDY} annexshell.repo.gateway.gateway:NODE_LIMIT=3 annexshell.repo.gateway.gateway:CONNECT_LIMIT=3"


# What clients ask for, and whether they were told that it was done.


def finds(api: Api) -> bool:
    answer = api.post("checkpresent", SMALL_KEY)
    return answer.status == 200


def gets_small(api: Api) -> bool:
    answer = api.get(SMALL_KEY)
    return answer.status == 200 and answer.body == SMALL


def gets_large(api: Api) -> bool:
    answer = api.get(LARGE_KEY, None)
    return answer.status == 200 and len(answer.body) == len(LARGE)


def puts(api: Api) -> bool:
    answer = api.put(LARGE_KEY, LARGE)
    return answer.status == 200 and answer.json["stored"] is True


def learns_offset(api: Api) -> bool:
    return api.post("putoffset", LARGE_KEY).status == 200


def locks(api: Api) -> bool:
    answer = api.post("lockcontent", SMALL_KEY)
    return answer.status == 200 and answer.json["locked"] is True


def learns_time(api: Api) -> bool:
    return api.post("gettimestamp").status == 200


def removes(api: Api) -> bool:
    answer = api.post("remove", SMALL_KEY)
    return answer.status == 200 and answer.json["removed"] is True


def removes_in_time(api: Api) -> bool:
    answer = api.post("remove-before", SMALL_KEY, timestamp=10**6)
    return answer.status == 200 and answer.json["removed"] is True


EVERYTHING = [finds, gets_small, gets_large, puts, learns_offset, locks, learns_time, removes, removes_in_time]
AT_STEPS = {
    "greet": [finds, puts],
    "version": [gets_large],
    "check": [finds],
    "get": [gets_small, gets_large],
    "valid": [gets_small, gets_large],
    "put": [learns_offset, puts],
    "stored": [puts],
    "lock": [locks],
    "ts": [learns_time],
    "remove": [removes, removes_in_time],
}
MISBEHAVIOUR = ["close", "stall", "garbage", "endless", "CHANGED x", "ERROR no"]
CASES = [
    (f"{step}={how}", ask)
    for step, asked in AT_STEPS.items()
    for how in (MISBEHAVIOUR[:4] if step in ("greet", "version") else MISBEHAVIOUR)
    for ask in asked
] + [
    ("refuse=255", finds),
    ("uuid=11111111-2222-4333-8444-555555555555", finds),
    ("cut_after=100000", gets_large),
    ("cut_after=0", gets_small),
    ("length=-1", gets_small),
    ("valid=INVALID", gets_large),
    ("valid=INVALID", gets_small),
    ("die_after=1", puts),
    ("die_after=1000000", puts),
    ("stall_after=1000000", puts),
]


class Setting:
    """A gateway in front of scripted nodes, and a cluster of them."""

    def __init__(self, top: Path, start: Callable[..., WatchedServer], count: int, limits: str = IMPATIENT) -> None:
        self.hosts = [f"n{number}" for number in range(1, count + 1)]
        self.gateway = FakeGateway.make(top / "gw", self.hosts)
        self.nodes = FakeNodes(top / "nodes")
        for key, content in ((SMALL_KEY, SMALL), (LARGE_KEY, LARGE)):
            self.nodes.content(key, content)
        options = ("--wideopen", "--cpus=1", "--stall=5")
        self.server = start(self.gateway.path, *options, env=self.nodes.env, limits=limits)

    def is_told(self, uuid: str, ask: Callable[[Api], bool]) -> bool:
        api = Api(self.server, uuid)
        try:
            return ask(api)
        except (ConnectionError, IncompleteRead, HTTPException):
            return False  # a connection that ended
        finally:
            api.close()


class Bystander:
    """A client of the gateway's own repository, who is served all the time."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._end = threading.Event()
        self.rounds = 0
        self._thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        while not self._end.is_set():
            data = b"content %d" % self.rounds
            assert self._api.put(sha256_key(data), data).json["stored"] is True
            assert self._api.get(sha256_key(data)).body == data
            self.rounds += 1
            self._end.wait(0.05)

    def __enter__(self) -> Bystander:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(20)
        assert not self._thread.is_alive()
        assert self.rounds > 3


def test_nodes_that_misbehave_at_any_step(
    tmp_path: Path, start: Callable[..., WatchedServer], talk: Callable[..., Api]
) -> None:
    setting = Setting(tmp_path, start, len(CASES))
    for host, (script, _) in zip(setting.hosts, CASES, strict=True):
        setting.nodes.set_script(host, dict([script.split("=", 1)]))
    own = talk(setting.server, setting.gateway.uuid)
    assert own.present(ABSENT) is False
    before = setting.server.at_rest()

    def one(number: int) -> bool:
        return setting.is_told(node_uuid(number + 1), CASES[number][1])

    with Bystander(own), ThreadPoolExecutor(16) as pool:
        told = list(pool.map(one, range(len(CASES))))
    lies = [(script, ask.__name__) for (script, ask), is_told in zip(CASES, told, strict=True) if is_told]
    assert lies == []
    setting.server.settled(before)
    for host in setting.hosts:
        setting.nodes.script(host)
    for number in range(0, len(CASES), 7):
        waiting_for(partial(one, number))


def test_a_cluster_with_nodes_that_fail(
    tmp_path: Path, start: Callable[..., WatchedServer], talk: Callable[..., Api]
) -> None:
    setting = Setting(tmp_path, start, 4)
    setting.nodes.script("n1", refuse=255)
    setting.nodes.script("n2", put="stall", ts="stall", remove="close", check="close", get="garbage")
    setting.nodes.script("n3", stall_after=100_000, valid="INVALID", remove="FAILURE")
    own, cluster = talk(setting.server, setting.gateway.uuid), talk(setting.server, setting.gateway.cluster)
    assert own.present(ABSENT) is False
    before = setting.server.at_rest()
    good = node_uuid(4)
    with Bystander(own):
        assert cluster.put(LARGE_KEY, LARGE).json == {"stored": True, "plusuuids": [good]}
        assert cluster.get(LARGE_KEY).body == LARGE
        assert cluster.present(LARGE_KEY) is True
        assert cluster.get(ABSENT).status == 404
        assert cluster.present(ABSENT) is False
        assert cluster.post("remove", LARGE_KEY).json["removed"] is False
        assert cluster.lock(LARGE_KEY) == ""
    waiting_for(lambda: setting.gateway.locations(LARGE_KEY) == set(), 6)
    cluster.close()
    setting.server.settled(before)


def test_a_node_that_hangs_hinders_no_other_node(
    tmp_path: Path, start: Callable[..., WatchedServer], talk: Callable[..., Api]
) -> None:
    setting = Setting(tmp_path, start, 3, TIDY)
    setting.nodes.script("n1", check="stall")
    hung, other = talk(setting.server, node_uuid(1)), talk(setting.server, node_uuid(2))
    path = hung.path("checkpresent", key=SMALL_KEY, clientuuid="x")
    with crowd(setting.server, [f"POST {path} HTTP/1.1\r\nContent-Length: 0\r\n\r\n".encode()] * 100):
        waiting_for(lambda: setting.server.held()["children"] >= 10)
        assert other.present(SMALL_KEY) is True
        assert other.put(LARGE_KEY, LARGE).json["stored"] is True
        assert other.get(LARGE_KEY).body == LARGE
    setting.server.stop(signal.SIGKILL)


@pytest.mark.parametrize("how", [leave, reset])
def test_uploads_to_nodes_that_break_off_hold_nothing(
    how: Callable[[RawClient], None], tmp_path: Path, start: Callable[..., WatchedServer], talk: Callable[..., Api]
) -> None:
    setting = Setting(tmp_path, start, 2, TIDY)
    server = setting.server
    own = talk(server, setting.gateway.uuid)
    assert own.present(ABSENT) is False
    before = server.at_rest()
    half = LARGE[: len(LARGE) // 2]
    chunked = b"%x\r\n%b\r\n" % (len(half), half)
    for uuid in (node_uuid(1), setting.gateway.cluster):
        api = talk(server, uuid)
        plain = put(api, LARGE_KEY, len(LARGE)) + half
        messages = [plain, put(api, LARGE_KEY, len(LARGE), "Transfer-Encoding: chunked") + chunked] * 3
        with crowd(server, messages) as clients:
            for client in clients:
                how(client)
        assert api.put(LARGE_KEY, LARGE).json["stored"] is True
        api.close()
        waiting_for(lambda: setting.gateway.locations(LARGE_KEY) >= {node_uuid(1)}, 6)
        server.settled(before)


def test_downloads_from_nodes_that_break_off_hold_nothing(
    tmp_path: Path, start: Callable[..., WatchedServer], talk: Callable[..., Api]
) -> None:
    setting = Setting(tmp_path, start, 2, TIDY)
    large = os.urandom(1 << 16) * 200
    key = sha256_key(large)
    setting.nodes.content(key, large)
    setting.gateway.set_locations(key, [node_uuid(1), node_uuid(2)])
    own = talk(setting.server, setting.gateway.uuid)
    assert own.present(ABSENT) is False
    before = setting.server.at_rest()
    for uuid in (node_uuid(1), setting.gateway.cluster):
        api = talk(setting.server, uuid)
        with crowd(setting.server, [get(api, key)] * 4) as clients:
            for client in clients:
                assert client.socket.recv(100)
        assert api.get(key).body == large
        api.close()
        setting.server.settled(before)


def test_absent_contents_of_nodes(
    tmp_path: Path, start: Callable[..., WatchedServer], talk: Callable[..., Api]
) -> None:
    """Many questions in a row, whose clients do not all wait for the answer."""
    setting = Setting(tmp_path, start, 2, TIDY)
    setting.nodes.content(ABSENT, b"")  # with what they say of it, this is how a node says that it has nothing
    for host in setting.hosts:
        setting.nodes.script(host, valid="INVALID", check="FAILURE", lock="FAILURE")
    for uuid in (node_uuid(1), setting.gateway.cluster):
        api = talk(setting.server, uuid)
        with crowd(setting.server, [get(api, ABSENT)] * 8) as clients:
            for client in clients[::2]:
                reset(client)
            for _ in range(2):
                assert api.get(ABSENT).status == api.get(ABSENT, None).status == 404
                assert api.present(ABSENT) is False
                assert api.lock(ABSENT) == ""
                assert api.post("gettimestamp").status == 200
            for client in clients[1::2]:
                assert client.answer().status == 404
