"""A cluster of repositories on this machine: disks that are full, read-only or gone, signals, interrupted uploads, and
many clients at once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.conftest import CLIENT_UUID
from tests.oracle.servers import complaints, leftovers, objects
from tests.repo.places import make_repo, waiting_for
from tests.support.client import Client, sha256_key
from tests.support.fakenodes import FakeGateway, FakeNodes
from tests.support.real import Repo, run

SMALL, LARGE = b"a small content", b"0123456789abcdef" * 200_000
HALF = len(LARGE) // 2


class LocalCluster:
    """A gateway with three nodes beside it."""

    def __init__(self, directory: Path, shell: Path, first: Path | None = None) -> None:
        self._shell = shell
        paths = [first or directory / "n1", directory / "n2", directory / "n3"]
        self.nodes = [self._node(path, number) for number, path in enumerate(paths, 1)]
        self.uuids = [node.uuid for node in self.nodes]
        remotes = {f"n{number}": (node.path, node.uuid) for number, node in enumerate(self.nodes, 1)}
        self.errors = ""  # what the last session said to people
        self.gateway = FakeGateway.in_front_of(directory / "gw", remotes)

    @staticmethod
    def _node(path: Path, number: int) -> Repo:
        node = make_repo(path, clone=number)
        node.git("config", "annex.diskreserve", "0")
        return node

    @contextmanager
    def client(self, code: int = 0, env: dict[str, str] | None = None) -> Iterator[Client]:
        argv = (self._shell, "p2pstdio", self.gateway.path, CLIENT_UUID, "--uuid", self.gateway.cluster)
        with Client(*argv, env=env) as client:
            assert client.ask("VERSION 4") == "VERSION 4"
            yield client
            if client.process.poll() is None:
                ended, self.errors = client.close()
                assert ended == code, self.errors
                assert "Traceback" not in self.errors
                assert "internal error" not in self.errors, self.errors

    def plus(self, *numbers: int) -> str:
        return " ".join(self.uuids[number - 1] for number in numbers)

    def check(self, lost: bool = False) -> None:
        """Nothing is left behind, and the gateway knows where everything is."""
        for repo in self.nodes:
            assert [name for name in leftovers(repo.annex_dir) if not name.startswith("transfer/failed/")] == []
            assert complaints(repo, lost) == []
        assert os.listdir(self.gateway.path / ".git/annex/journal") == []
        for key in set().union(*(objects(node.annex_dir) for node in self.nodes)):
            assert self.gateway.locations(key) == self.holders(key)

    def holders(self, key: str) -> set[str]:
        return {node.uuid for node in self.nodes if key in objects(node.annex_dir)}


@pytest.fixture
def cluster(tmp_path: Path, shell: Path) -> LocalCluster:
    return LocalCluster(tmp_path, shell)


# Locks


def test_a_node_whose_branch_stays_locked(cluster: LocalCluster) -> None:
    """It has the content, its journal keeps that, and the operator learns which node it is."""
    lock = cluster.nodes[0].git_dir / "refs/heads/git-annex.lock"
    lock.touch()
    key = sha256_key(SMALL)
    with cluster.client() as client:
        assert client.put(key, SMALL) == f"SUCCESS-PLUS {cluster.plus(1, 2, 3)}"
    (line,) = cluster.errors.splitlines()
    assert "n1: git did not commit" in line
    assert cluster.nodes[1].location_log(key) == {cluster.uuids[1]: "1"}
    lock.unlink()
    cluster.nodes[0].annex("merge")
    cluster.check()


# Disks


@pytest.mark.parametrize("key", [sha256_key(LARGE), "WORM--unsized"], ids=["known before", "in the middle"])
def test_a_full_disk(key: str, tmp_path: Path, mount: Path, shell: Path) -> None:
    cluster = LocalCluster(tmp_path, shell, mount / "n1")
    with cluster.client() as client:
        assert client.put(key, LARGE) == f"SUCCESS-PLUS {cluster.plus(2, 3)}"
        assert client.get(key) == LARGE
        assert client.ask(f"CHECKPRESENT {key}") == "SUCCESS"
    assert "n1: " in cluster.errors
    assert cluster.gateway.locations(key) == {cluster.uuids[1], cluster.uuids[2]}
    shutil.rmtree(cluster.nodes[0].annex_dir / "tmp", ignore_errors=True)
    cluster.check()


@pytest.mark.parametrize("room", [0, 24 << 10])
def test_hardly_any_space(room: int, tmp_path: Path, mount: Path, shell: Path) -> None:
    cluster = LocalCluster(tmp_path, shell, mount / "n1")
    filler = mount / "filler"
    with filler.open("wb", buffering=0) as file:
        with suppress(OSError):
            while True:
                file.write(bytes(4096))
        file.truncate(file.tell() - room)
    keys = {}
    with cluster.client() as client:
        for number in range(3):
            key, content = f"WORM--unsized{number}", b"small content %d" % number * 3000
            keys[key] = content
            assert client.put(key, content) == f"SUCCESS-PLUS {cluster.plus(2, 3)}"
        filler.unlink()
        for key, content in keys.items():
            assert client.put(key, content) == f"SUCCESS-PLUS {cluster.plus(1)}", "nothing of it may be in the way"
    cluster.check()


def test_a_read_only_disk(tmp_path: Path, mount: Path, shell: Path) -> None:
    cluster = LocalCluster(tmp_path, shell, mount / "n1")
    small, other = sha256_key(SMALL), sha256_key(b"another content")
    with cluster.client() as client:
        assert client.put(small, SMALL) == f"SUCCESS-PLUS {cluster.plus(1, 2, 3)}"
    subprocess.run(["mount", "-o", "remount,ro", mount], check=True)
    with cluster.client() as client:
        assert client.put(other, b"another content") == f"SUCCESS-PLUS {cluster.plus(2, 3)}"
        assert client.put(sha256_key(LARGE), LARGE) == f"SUCCESS-PLUS {cluster.plus(2, 3)}"
        assert client.get(small) == SMALL
        assert client.ask(f"REMOVE {small}") == f"FAILURE-PLUS {cluster.plus(2, 3)}"
        assert client.get(small) == SMALL
    subprocess.run(["mount", "-o", "remount,rw", mount], check=True)
    cluster.check(lost=True)


def test_a_repository_that_is_gone(cluster: LocalCluster) -> None:
    small, large = sha256_key(SMALL), sha256_key(LARGE)
    with cluster.client() as client:
        assert client.put(small, SMALL) == f"SUCCESS-PLUS {cluster.plus(1, 2, 3)}"
    run("chmod", "-R", "u+w", cluster.nodes[0].path)
    shutil.rmtree(cluster.nodes[0].path)
    with cluster.client() as client:
        assert client.put(large, LARGE) == f"SUCCESS-PLUS {cluster.plus(2, 3)}"
        assert client.get(small) == SMALL
        assert client.ask(f"REMOVE {small}") == f"FAILURE-PLUS {cluster.plus(2, 3)}"
    del cluster.nodes[0]
    assert cluster.gateway.locations(small) == {cluster.uuids[0]}
    assert cluster.gateway.locations(large) == {cluster.uuids[1], cluster.uuids[2]}
    cluster.check(lost=True)


# The end of a session in the middle of something


def begin_upload(client: Client, nodes: list[Repo]) -> None:
    """A good part of it is on the disks of the nodes, and at most half of it will be."""
    assert client.ask(f"PUT  {sha256_key(LARGE)}") == "PUT-FROM 0"
    client.raw(b"DATA %d\n" % len(LARGE) + LARGE[:HALF])
    partials = [node.annex_dir / "tmp" / sha256_key(LARGE) for node in nodes]
    waiting_for(lambda: all(path.exists() and path.stat().st_size > HALF // 2 for path in partials))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP, None], ids=["TERM", "HUP", "closed"])
def test_an_interrupted_upload_goes_on(how: signal.Signals | None, cluster: LocalCluster) -> None:
    small, large = sha256_key(SMALL), sha256_key(LARGE)
    with cluster.client() as client:
        assert client.put(small, SMALL).startswith("SUCCESS-PLUS")
        begin_upload(client, cluster.nodes)
        if how is not None:
            client.process.send_signal(how)
            assert client.process.wait(20) == 1
        else:
            client.stdin.close()
            assert client.line() == "FAILURE"
            assert client.line() == ""
            assert client.process.wait(20) == 1
    assert cluster.gateway.locations(small) == set(cluster.uuids), "what was recorded is committed"
    with cluster.client() as client:
        offset = int(client.ask(f"PUT  {large}").removeprefix("PUT-FROM "))
        assert HALF // 2 < offset <= HALF
        rest = LARGE[offset:]
        client.raw(b"DATA %d\n" % len(rest) + rest + b"VALID\n")
        assert client.line() == f"SUCCESS-PLUS {cluster.plus(1, 2, 3)}"
        assert client.get(large) == LARGE
    cluster.check()


def test_an_interrupted_upload_over_ssh_goes_on(cluster: LocalCluster, shell: Path, tmp_path: Path) -> None:
    """The third node is another host, which keeps what it got, and what it is sent afterwards is the rest only."""
    large = sha256_key(LARGE)
    distant = FakeNodes(tmp_path / "nodes")
    distant.script("n3", program=shell)
    cluster.gateway.config("remote.n3.url", f"ssh://n3{cluster.nodes[2].path}")
    partial = cluster.nodes[2].annex_dir / "tmp" / large
    with cluster.client(env=distant.env) as client:
        begin_upload(client, cluster.nodes)
        client.stdin.close()
        assert client.line() == "FAILURE"
        client.process.wait(20)
    waiting_for(lambda: not any("transfer/download" in name for name in leftovers(cluster.nodes[2].annex_dir)))
    offset = partial.stat().st_size
    assert HALF // 2 < offset <= HALF
    cluster.gateway.config("remote.n1.annex-cluster-node", "")
    cluster.gateway.config("remote.n2.annex-cluster-node", "")
    with cluster.client(env=distant.env) as client:
        assert client.ask(f"PUT  {large}") == f"PUT-FROM {offset}"
        client.raw(b"DATA %d\n" % (len(LARGE) - offset) + LARGE[offset:] + b"VALID\n")
        assert client.line() == f"SUCCESS-PLUS {cluster.plus(3)}"
    for name in ("n1", "n2"):
        cluster.gateway.config(f"remote.{name}.annex-cluster-node", "mycluster")
    with cluster.client(env=distant.env) as client:
        assert client.put(large, LARGE) == f"SUCCESS-PLUS {cluster.plus(1, 2)}"
    cluster.check()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_between_requests(how: signal.Signals, cluster: LocalCluster) -> None:
    with cluster.client() as client:
        assert client.put(sha256_key(SMALL), SMALL).startswith("SUCCESS-PLUS")
        client.process.send_signal(how)
        assert client.process.wait(20) == 1
    cluster.check()


def test_a_session_that_is_killed(cluster: LocalCluster) -> None:
    with cluster.client() as client:
        assert client.put(sha256_key(SMALL), SMALL).startswith("SUCCESS-PLUS")
        begin_upload(client, cluster.nodes)
        client.kill()
    with cluster.client() as client:
        assert client.put(sha256_key(LARGE), LARGE) == f"SUCCESS-PLUS {cluster.plus(1, 2, 3)}"
    cluster.check()


def test_a_node_that_comes_later_gets_all_of_it(cluster: LocalCluster) -> None:
    """The others need the rest only, which shows in what they are sent."""
    large = sha256_key(LARGE)
    cluster.gateway.config("remote.n3.annex-cluster-node", "")
    with cluster.client() as client:
        begin_upload(client, cluster.nodes[:2])
        client.stdin.close()
        assert client.line() == "FAILURE"
        client.process.wait(20)
    cluster.gateway.config("remote.n3.annex-cluster-node", "mycluster")
    with cluster.client() as client:
        assert client.put(large, LARGE) == f"SUCCESS-PLUS {cluster.plus(1, 2, 3)}"
    cluster.check()


def test_a_bad_beginning_on_one_node(cluster: LocalCluster) -> None:
    """Only that node fails, and begins anew the next time."""
    large = sha256_key(LARGE)
    partial = cluster.nodes[0].annex_dir / "tmp" / large
    partial.parent.mkdir(exist_ok=True)
    partial.write_bytes(b"x" * 100_000)
    with cluster.client() as client:
        assert client.put(large, LARGE) == f"SUCCESS-PLUS {cluster.plus(2, 3)}"
        assert client.put(large, LARGE) == f"SUCCESS-PLUS {cluster.plus(1)}"
    cluster.check()


# Changes of the configuration while a session goes on


def test_who_is_taken_off_is_used_no_more(cluster: LocalCluster) -> None:
    contents = [b"content %d" % number for number in range(4)]
    keys = [sha256_key(content) for content in contents]
    with cluster.client() as client:
        assert client.put(keys[0], contents[0]) == f"SUCCESS-PLUS {cluster.plus(1, 2, 3)}"
        cluster.gateway.config("remote.n1.annex-cluster-node", "")
        assert client.put(keys[1], contents[1]) == f"SUCCESS-PLUS {cluster.plus(2, 3)}"
        assert client.ask(f"REMOVE {keys[0]}") == f"SUCCESS-PLUS {cluster.plus(2, 3)}"
        cluster.gateway.config("annex.cluster.mycluster", "ac000000-0000-8000-8000-000000000000")
        for request in (f"PUT  {keys[2]}", f"REMOVE {keys[1]}", f"CHECKPRESENT {keys[1]}", "GETTIMESTAMP"):
            assert client.ask(request).startswith("ERROR cluster: it has no nodes that can be used here"), request
        cluster.gateway.config("annex.cluster.mycluster", cluster.gateway.cluster)
        cluster.gateway.config("remote.n1.annex-cluster-node", "mycluster")
        assert client.put(keys[3], contents[3]) == f"SUCCESS-PLUS {cluster.plus(1, 2, 3)}"
    cluster.check(lost=True)


# Many at once


def in_threads(jobs: list[Callable[[], None]]) -> None:
    problems: list[BaseException] = []

    def run_one(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=run_one, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_twenty_clients_with_the_same_and_with_different_contents(cluster: LocalCluster) -> None:
    """Somebody gets the shared content there, on every node; who comes meanwhile is refused, or told that it is
    there."""
    answers: list[str] = []
    large = sha256_key(LARGE)

    def client_of(number: int) -> Callable[[], None]:
        def job() -> None:
            own = b"content of client %d" % number * 10_000
            with cluster.client() as client:
                answers.append(client.put(large, LARGE))
                assert client.put(sha256_key(own), own) == f"SUCCESS-PLUS {cluster.plus(1, 2, 3)}"
                assert client.get(sha256_key(own)) == own
                if number % 2:
                    assert client.ask(f"REMOVE {sha256_key(own)}") == f"SUCCESS-PLUS {cluster.plus(1, 2, 3)}"

        return job

    in_threads([client_of(number) for number in range(20)])
    assert any(answer.startswith("SUCCESS-PLUS") for answer in answers)
    assert {answer.split(" ")[0] for answer in answers} <= {"SUCCESS-PLUS", "ALREADY-HAVE-PLUS", "FAILURE"}
    with cluster.client() as client:
        client.put(large, LARGE)
        assert client.get(large) == LARGE
    assert cluster.holders(large) == set(cluster.uuids)
    assert len(objects(cluster.nodes[0].annex_dir)) == 11
    cluster.check(lost=True)


# Two clients that send the same


@pytest.mark.parametrize("of", ["cluster", "node"])
@pytest.mark.parametrize("breaks_off", [False, True])
def test_who_comes_second_waits_and_keeps_nobody_waiting(
    tmp_path: Path, shell: Path, of: str, breaks_off: bool
) -> None:
    """Behind a gateway as well: until the first is done, or goes, and then goes on with what has come."""
    cluster = LocalCluster(tmp_path, shell)
    uuid = cluster.gateway.cluster if of == "cluster" else cluster.uuids[0]
    argv = (shell, "p2pstdio", cluster.gateway.path, CLIENT_UUID, "--uuid", uuid)
    key = sha256_key(LARGE)
    with Client(*argv) as first, Client(*argv) as second, Client(*argv) as other:
        for client in (first, second, other):
            assert client.ask("VERSION 4") == "VERSION 4"
        assert first.ask(f"PUT f {key}") == "PUT-FROM 0"
        first.raw(b"DATA %d\n" % len(LARGE) + LARGE[:HALF])
        partial = cluster.nodes[0].annex_dir / "tmp" / key
        waiting_for(lambda: partial.exists() and partial.stat().st_size >= 1 << 20)
        second.send(f"PUT f {key}")
        waiting_for(lambda: any((cluster.gateway.path / ".git/annex/annexshell/wanted").glob("*")))
        assert other.put(sha256_key(SMALL), SMALL).startswith("SUCCESS")
        if breaks_off:
            first.close()
            offset = int(second.line().removeprefix("PUT-FROM "))
            assert 0 < offset <= HALF
            second.raw(b"DATA %d\n%bVALID\n" % (len(LARGE) - offset, LARGE[offset:]))
            assert second.line().startswith("SUCCESS")
        else:
            first.raw(LARGE[HALF:] + b"VALID\n")
            assert first.line().startswith("SUCCESS")
            assert second.line().startswith("ALREADY-HAVE")
        for client in (second, other):
            assert client.close()[0] == 0


@pytest.mark.parametrize("content", [b"", SMALL[:5], SMALL + b"more"])
def test_bad_objects_of_nodes_do_not_count(tmp_path: Path, shell: Path, content: bytes) -> None:
    """A node whose object was cut short gets the content again, and all can be removed."""
    cluster = LocalCluster(tmp_path, shell)
    key = sha256_key(SMALL)
    with cluster.client() as client:
        assert client.put(key, SMALL) == f"SUCCESS-PLUS {cluster.plus(1, 2, 3)}"
    for node in cluster.nodes:
        (path,) = node.annex_dir.glob(f"objects/*/*/{key}/{key}")
        path.chmod(0o644)
        path.write_bytes(content)
    with cluster.client() as client:
        assert client.ask(f"CHECKPRESENT {key}") == "FAILURE"
        assert client.put(key, SMALL) == f"SUCCESS-PLUS {cluster.plus(1, 2, 3)}"
        assert client.get(key) == SMALL
    for node in cluster.nodes:
        assert (node.annex_dir / "bad" / key).read_bytes() == content
        (path,) = node.annex_dir.glob(f"objects/*/*/{key}/{key}")
        path.chmod(0o644)
        path.write_bytes(content)
    with cluster.client() as client:
        assert client.ask(f"REMOVE {key}") == f"SUCCESS-PLUS {cluster.plus(1, 2, 3)}"
