"""The real git-annex uses nodes and a cluster behind our HTTP server."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oracle.clients import Clone
from tests.support.httpserver import CLIENT, Api, Server
from tests.support.real import Repo, run

ABSENT = "SHA256E-s3--" + "0" * 64


class Setting:
    """A gateway with two nodes that are a cluster, its server and a clone."""

    def __init__(self, top: Path, programs: Path) -> None:
        self.gateway = Repo(top / "gateway")
        self.gateway.add("first", b"first content\n")
        self.nodes = [Repo(top / name) for name in ("n1", "n2")]
        for node in self.nodes:
            name = node.path.name
            self.gateway.git("remote", "add", name, str(node.path))
            self.gateway.git("config", f"remote.{name}.annex-uuid", node.uuid)
            self.gateway.git("config", f"remote.{name}.annex-proxy", "true")
        self.gateway.annex("initcluster", "cluster")
        for node in self.nodes:
            self.gateway.git("config", f"remote.{node.path.name}.annex-cluster-node", "cluster")
        self.gateway.annex("updatecluster")
        self.gateway.annex("updateproxy")
        self.cluster = self.gateway.git("config", "annex.cluster.cluster").strip()
        self.server = Server(self.gateway.path, "--wideopen")
        self.clone = Clone.of(str(self.gateway.path), top / "clone", programs)
        self.clone.git("config", "annex.security.allowed-ip-addresses", "all")
        self.clone.git("config", "remote.origin.annexUrl", self.server.url)


@pytest.fixture
def setting(tmp_path: Path, programs: Path) -> Iterator[Setting]:
    made = Setting(tmp_path, programs)
    yield made
    assert "internal error" not in made.server.stop()


def present(repo: Repo, key: str) -> bool:
    return bool(run("git", "annex", "contentlocation", key, cwd=repo.path, check=False).strip())


def test_a_cluster_and_its_nodes(setting: Setting) -> None:
    clone, (one, two) = setting.clone, setting.nodes
    keys = clone.add(["a", "b"], size=300_000)
    clone.annex("copy", "--to", "origin-cluster", "a")
    assert present(one, keys["a"])
    assert present(two, keys["a"])
    clone.annex("copy", "--to", "origin-n1", "b")
    assert present(one, keys["b"])
    assert not present(two, keys["b"])
    clone.annex("drop", "a", "b")
    clone.annex("get", "--from", "origin-cluster", "a")
    clone.annex("get", "b")
    clone.annex("drop", "--from", "origin-cluster", "a")
    assert not present(one, keys["a"])
    assert not present(two, keys["a"])
    clone.annex("move", "--from", "origin-n1", "b")
    assert not present(one, keys["b"])
    deadline = time.monotonic() + 10
    while setting.gateway.location_log(keys["b"]).get(one.uuid) != "0":
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("remote", ["origin-cluster", "origin-n2"])
def test_git_annex_testremote(setting: Setting, remote: str) -> None:
    done = setting.clone.try_annex("testremote", "--fast", remote)
    failed = set(re.findall(r"^ +(\w+): +FAIL", done.stdout, re.MULTILINE))
    assert failed <= {"removeKey", "storeKey", "checkPresent"}, done.stdout[-5000:]  # of "unavailable remote"
    assert re.search(r"3 out of \d{3} tests failed|All \d{3} tests passed", done.stdout), done.stdout[-1000:]


def test_what_is_absent_everywhere(setting: Setting) -> None:
    for uuid in (setting.cluster, setting.nodes[0].uuid):
        api = Api(setting.server, uuid)
        assert api.present(ABSENT) is False
        assert api.get(ABSENT).status == api.get(ABSENT, None).status == 404
        assert api.post("putoffset", ABSENT).json == {"offset": 0}
        assert api.lock(ABSENT) == ""
        assert api.post("remove", ABSENT).json["removed"] is True
        assert api.post("gettimestamp").json["timestamp"] > 0
        api.close()


def test_parts_of_a_content_on_a_node(setting: Setting) -> None:
    key = setting.nodes[0].add("x", bytes(range(200)) * 1000)
    api = Api(setting.server, setting.nodes[0].uuid)
    answer = api.ask("GET", api.path(f"key/{key}", None), headers={"Range": "bytes=100-199999"})
    assert (answer.status, answer.body) == (206, (bytes(range(200)) * 1000)[100:])
    answer = api.ask("GET", api.path(f"key/{key}", None), headers={"Range": "bytes=100-100099"})
    assert (answer.status, answer.body) == (206, (bytes(range(200)) * 1000)[100:100100])
    api.close()


def test_a_lock_on_a_node_outlives_the_gateway(setting: Setting) -> None:
    node = setting.nodes[0]
    key = node.add("x", b"some content")
    api = Api(setting.server, node.uuid)
    lock_id = api.lock(key)
    assert lock_id
    assert api.removed(key) is False
    api.close()
    setting.server.stop(signal.SIGKILL)
    setting.server = Server(setting.gateway.path, "--wideopen")
    api = Api(setting.server, node.uuid)
    assert api.removed(key) is False
    path = api.path("keeplocked", lockid=lock_id, clientuuid=CLIENT)
    assert api.ask("POST", path, b'{"unlock":true}\n').json == {"locked": False}
    assert api.removed(key) is True
    api.close()


def test_an_upload_to_a_node_that_breaks_off(setting: Setting) -> None:
    for uuid in (setting.nodes[0].uuid, setting.cluster):
        api = Api(setting.server, uuid)
        data = os.urandom(200_000)
        key = f"SHA256-s{len(data)}--{hashlib.sha256(data).hexdigest()}"
        head = f"POST {api.path('put', key=key, clientuuid='x')} HTTP/1.1\r\nX-git-annex-data-length: {len(data)}\r\n"
        for _ in range(10):
            with setting.server.raw() as client:
                client.send(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data[:100_000])
        began = time.monotonic()
        assert api.put(key, data).json["stored"] is True
        assert time.monotonic() - began < 10
        assert api.get(key).body == data
        api.close()
