"""A node that fails, stalls or talks nonsense at any step: the others go on, the client gets a true answer, and the
location log says what happened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import CLIENT_UUID
from tests.repo.places import waiting_for
from tests.support.client import Client, sha256_key
from tests.support.fakenodes import FakeGateway, FakeNodes, node_uuid

HOSTS = ["fa", "fb", "fc"]
FA, FB, FC = map(node_uuid, (1, 2, 3))
SMALL, LARGE = b"a small content", b"0123456789" * 300_000
MISBEHAVIOUR = ["close", "stall", "garbage", "endless", "CHANGED x", "ERROR no"]
GREETINGS = [f"{step}={how}" for step in ("greet", "version") for how in ("close", "stall", "garbage", "endless")]
FEW_GREETINGS = ["greet=stall", "version=close"]
SHORT, LONG = 0.3, 1.5  # seconds in which the first node has to answer: LONG where it does so in the end

_SCRIPT = """
import os

from annexshell.repo.nodes import dial

dial._GRACE = 0.1
_start = dial.Dialer.start


def start(dialer, argv, name, *args):
    line = _start(dialer, argv, name, *args)
    if name == "fa":
        line._waiter = line.stream._waiter = type(line.stream._waiter)(float(os.environ["PATIENCE"]))
    return line


dial.Dialer.start = start
main()
"""


@pytest.fixture
def impatient(shell: Path, tmp_path: Path) -> Path:
    """Our git-annex-shell, with little patience for the first node, and with the usual one for the others."""
    script = tmp_path / "impatient"
    script.write_text(shell.read_text().replace("main()\n", _SCRIPT))
    script.chmod(0o755)
    return script


class Bench:
    """Gateways with three nodes, a fresh one for each case."""

    def __init__(self, template: FakeGateway, program: Path, directory: Path) -> None:
        self._template = template
        self._program = program
        self._directory = directory

    @contextmanager
    def session(
        self, name: str, content: bytes, steps: str, located: bool, uuid: str = "", patience: float = SHORT
    ) -> Iterator[tuple[Client, FakeGateway, FakeNodes]]:
        """A client of the cluster, whose first node does what `steps` say."""
        directory = self._directory / name
        directory.mkdir()
        gateway, nodes = self._template.copy_to(directory / "gw"), FakeNodes(directory / "nodes")
        gateway.config("remote.fa.annex-stalldetection", f"1MB/{patience}s")
        nodes.set_script("fa", dict(step.split("=", 1) for step in steps.split("; ")))
        nodes.content(sha256_key(content), content)
        if located:
            gateway.set_locations(sha256_key(content), [FA, FB, FC])
        argv = (self._program, "p2pstdio", gateway.path, CLIENT_UUID, "--uuid", uuid or gateway.cluster)
        with Client(*argv, env={**nodes.env, "PATIENCE": str(patience)}) as client:
            assert client.ask("VERSION 4") == "VERSION 4"
            yield client, gateway, nodes
            code, errors = client.close()
            assert code == 0, errors
            assert "Traceback" not in errors
            assert "internal error" not in errors, errors


@pytest.fixture
def bench(impatient: Path, tmp_path: Path) -> Bench:
    return Bench(FakeGateway.make(tmp_path / "template", HOSTS), impatient, tmp_path)


def run_all(check: Callable[[str, str], None], cases: list[str]) -> None:
    """Most of these wait for a limit, and so can do it together."""
    with ThreadPoolExecutor(8) as pool:
        for result in [pool.submit(check, str(number), case) for number, case in enumerate(cases)]:
            result.result()


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_uploads(content: bytes, bench: Bench) -> None:
    cases = GREETINGS if content is LARGE else FEW_GREETINGS
    cases = cases + [f"{step}={how}" for step in ("put", "stored") for how in MISBEHAVIOUR]
    cases += ["put=PUT-FROM -5", "stored=FAILURE", "maxver=1; stored=close", "refuse=255"]
    ends = [0, 1, 65_536, 1_000_000, len(LARGE)] if content is LARGE else [0, 3]
    cases += [f"{what}_after={count}" for what in ("die", "stall") for count in ends]

    def check(name: str, case: str) -> None:
        key = sha256_key(content)
        with bench.session(name, content, case, located=False) as (client, gateway, nodes):
            assert client.put(key, content) == f"SUCCESS-PLUS {FB} {FC}", case
            assert client.ask(f"CHECKPRESENT {key}") == "SUCCESS", case
        assert gateway.locations(key) == {FB, FC}, case
        for host in ("fb", "fc"):
            (line,) = nodes.requests(host, "PUT")
            assert f"> DATA {len(content)}  > [{len(content)} bytes]" in line, case
            assert line.endswith("> VALID  < SUCCESS"), case

    run_all(check, cases)


def test_downloads(bench: Bench) -> None:
    """Whatever the first node does before the end of the content, the others can do better."""
    cases = (
        FEW_GREETINGS + [f"get={how}" for how in MISBEHAVIOUR] + ["valid=INVALID; length=0; cut_after=0", "refuse=1"]
    )
    ends = (0, 1, 65_536, len(LARGE) - 2)
    cases += [f"cut_after={count}; cut={how}" for count in ends for how in ("close", "stall")]
    cases += ["length=-5", "length=10", f"length={len(LARGE) + 100}"]

    def check(name: str, case: str) -> None:
        key = sha256_key(LARGE)
        with bench.session(name, LARGE, case, located=True) as (client, gateway, nodes):
            assert client.get(key) == LARGE, case
            assert client.get(key, 1) == LARGE[1:], case
        assert gateway.locations(key) == {FA, FB, FC}, case
        assert nodes.requests("fb", "GET"), case

    run_all(check, cases)


def test_downloads_that_fail_behind_the_end(bench: Bench) -> None:
    """Nobody but the node knows whether its content is good."""

    def check(name: str, case: str) -> None:
        key = sha256_key(LARGE)
        with bench.session(name, LARGE, case, located=True, patience=LONG) as (client, _, _):
            assert client.ask(f"GET 0  {key}") == f"DATA {len(LARGE)}", case
            assert client.data(len(LARGE)) == LARGE
            assert client.line() == "INVALID", case
            assert client.ask("FAILURE", f"CHECKPRESENT {key}") == "SUCCESS", case

    run_all(check, [f"valid={how}" for how in MISBEHAVIOUR])


def test_removals(bench: Bench) -> None:
    cases = FEW_GREETINGS + [f"remove={how}" for how in [*MISBEHAVIOUR, "FAILURE"]] + ["refuse=255"]

    def check(name: str, case: str) -> None:
        key = sha256_key(SMALL)
        with bench.session(name, SMALL, case, located=True) as (client, gateway, nodes):
            assert client.ask(f"REMOVE {key}") == f"FAILURE-PLUS {FB} {FC}", case
            assert client.ask("GETTIMESTAMP").startswith("TIMESTAMP "), case
        assert gateway.locations(key) == {FA}, case
        for host in ("fb", "fc"):
            assert nodes.requests(host, "REMOVE") == [f"> REMOVE {key}  < SUCCESS"], case

    run_all(check, cases)


def test_clocks(bench: Bench) -> None:
    """Who does not tell the time is not asked to remove anything until a certain time."""

    def check(name: str, case: str) -> None:
        key = sha256_key(SMALL)
        with bench.session(name, SMALL, case, located=True) as (client, gateway, nodes):
            now = int(client.ask("GETTIMESTAMP").split()[1])
            assert client.ask(f"REMOVE-BEFORE {now + 100} {key}") == f"FAILURE-PLUS {FB} {FC}", case
        assert gateway.locations(key) == {FA}, case
        assert nodes.requests("fa", "REMOVE") == [], case

    run_all(check, [f"ts={how}" for how in MISBEHAVIOUR])


def test_presence(bench: Bench) -> None:
    cases = FEW_GREETINGS + [f"check={how}" for how in [*MISBEHAVIOUR, "FAILURE"]] + ["refuse=255"]

    def check(name: str, case: str) -> None:
        key = sha256_key(SMALL)
        with bench.session(name, SMALL, case, located=True) as (client, gateway, _):
            assert client.ask(f"CHECKPRESENT {key}") == "SUCCESS", case
            assert client.ask(f"CHECKPRESENT {key}") == "SUCCESS", case
        assert gateway.locations(key) == {FA, FB, FC}, case

    run_all(check, cases)


def test_one_node_alone(bench: Bench) -> None:
    """There is nobody else, so that the client has to be told; the session goes on all the same."""
    requests = {
        "check": "CHECKPRESENT {key}",
        "remove": "REMOVE {key}",
        "ts": "GETTIMESTAMP",
        "lock": "LOCKCONTENT {key}",
        "get": "GET 0  {key}",
        "put": "PUT  {key}",
    }
    cases = [f"{step}={how}" for step in requests for how in MISBEHAVIOUR if how != "ERROR no"]

    def check(name: str, case: str) -> None:
        key = sha256_key(SMALL)
        step = case.partition("=")[0]
        with bench.session(name, SMALL, case, located=True, uuid=FA, patience=LONG) as (client, gateway, _):
            assert client.ask(requests[step].format(key=key)).startswith("ERROR fa: "), case
            other = "check" if step != "check" else "lock"
            assert client.ask(requests[other].format(key=key)) == "SUCCESS", case
            if other == "lock":
                client.send("UNLOCKCONTENT")
        assert gateway.locations(key) == {FA, FB, FC}, case

    run_all(check, cases)


def test_all_nodes_stall(bench: Bench) -> None:
    """At the same time, and not one after the other."""
    key = sha256_key(LARGE)
    with bench.session("all", LARGE, "stall_after=100000", located=False) as (client, gateway, nodes):
        for host in ("fb", "fc"):
            nodes.script(host, stall_after=200000)
            gateway.config(f"remote.{host}.annex-stalldetection", f"1MB/{SHORT}s")
        assert client.put(key, LARGE) == "FAILURE"
        assert client.ask(f"CHECKPRESENT {key}") == "FAILURE"
    assert gateway.locations(key) == set()


def test_fifty_nodes(shell: Path, tmp_path: Path) -> None:
    hosts = [f"h{number}" for number in range(1, 51)]
    gateway, nodes = FakeGateway.make(tmp_path / "gw", hosts), FakeNodes(tmp_path / "nodes")
    nodes.script("h7", refuse=255)
    nodes.script("h23", put="close", remove="FAILURE")
    nodes.script("h42", die_after=100_000, remove="close")
    good = [node_uuid(number) for number in range(1, 51) if number not in (7, 23, 42)]
    key = sha256_key(LARGE)
    nodes.content(key, LARGE)
    argv = (shell, "p2pstdio", gateway.path, CLIENT_UUID, "--uuid", gateway.cluster)
    with Client(*argv, env=nodes.env) as client:
        assert client.ask("VERSION 4") == "VERSION 4"
        assert client.put(key, LARGE) == f"SUCCESS-PLUS {' '.join(good)}"
        assert client.get(key) == LARGE
        assert client.ask(f"REMOVE {key}") == f"FAILURE-PLUS {' '.join(good)}"
        code, errors = client.close()
        assert code == 0, errors
    assert gateway.locations(key) == set()
    assert len(nodes.requests("h50")) == 2


@pytest.mark.parametrize("uuid", ["", FA], ids=["cluster", "node"])
def test_who_is_no_gateway_speaks_for_nobody_else(uuid: str, bench: Bench) -> None:
    """What a node says of others, and of nobody at all, goes neither into the location log nor to the client."""
    key, others = sha256_key(SMALL), f"{FB} made-up {' '.join(map(node_uuid, range(100, 300)))} {FB}"
    steps = "; ".join(f"{step}={word}-PLUS {others}" for step, word in (("remove", "FAILURE"), ("stored", "SUCCESS")))
    with bench.session("one", SMALL, steps, located=True, uuid=uuid) as (client, gateway, _):
        assert client.ask(f"REMOVE {key}") == ("FAILURE" if uuid else f"FAILURE-PLUS {FB} {FC}")
    assert gateway.locations(key) == ({FA, FB, FC} if uuid else {FA})
    with bench.session("two", SMALL, f"{steps}; put=PUT-FROM 0", located=False, uuid=uuid) as (client, gateway, _):
        assert client.put(key, SMALL) == ("SUCCESS" if uuid else f"SUCCESS-PLUS {FA} {FB} {FC}")
    assert gateway.locations(key) == ({FA} if uuid else {FA, FB, FC})
    with bench.session("three", SMALL, f"put=ALREADY-HAVE-PLUS {others}", located=False, uuid=FA) as (client, _, _):
        assert client.put(key, SMALL) == "ALREADY-HAVE"


def test_who_kept_a_client_waiting_is_asked_last(impatient: Path, tmp_path: Path) -> None:
    """Later sessions know of it too; and the node is as good as any other as soon as it has answered."""
    impatient.write_text(
        impatient.read_text().replace(
            "import dial\n", "import dial\nfrom annexshell.repo.gateway import member, silence\n"
        )
    )
    impatient.write_text(
        impatient.read_text().replace("dial._GRACE", "member.SLOW, silence._SHORTEST = 0.1, 900\ndial._GRACE")
    )
    gateway, nodes = FakeGateway.make(tmp_path / "gw", HOSTS), FakeNodes(tmp_path / "nodes")
    small, large = sha256_key(SMALL), sha256_key(LARGE)
    nodes.content(small, SMALL)

    @contextmanager
    def session(**scripts: str) -> Iterator[Client]:
        for host in HOSTS:
            step, _, what = scripts.get(host, "maxver=4").partition("=")
            nodes.set_script(host, {step: what})
        argv = (impatient, "p2pstdio", gateway.path, CLIENT_UUID, "--uuid", gateway.cluster)
        with Client(*argv, env={**nodes.env, "PATIENCE": str(SHORT)}) as client:
            assert client.ask("VERSION 4") == "VERSION 4"
            yield client
            client.close()

    with session(fa="put=stall") as client:
        assert client.put(small, SMALL) == f"SUCCESS-PLUS {FB} {FC}"
        assert client.put(large, LARGE) == f"SUCCESS-PLUS {FB} {FC}"
    gateway.set_locations(small, [FA, FB, FC])
    with session() as client:
        assert client.put(sha256_key(b""), b"") == f"SUCCESS-PLUS {FB} {FC}"
        assert client.get(small) == SMALL
        assert client.ask(f"REMOVE {small}") == f"FAILURE-PLUS {FB} {FC}"
    assert len(nodes.requests("fa")) == 1
    gateway.set_locations(small, [FA, FB, FC])
    with session(fb="refuse=1", fc="refuse=1") as client:
        assert client.get(small) == SMALL, "nobody else is there"
    with session() as client:
        assert client.put(sha256_key(b"new"), b"new") == f"SUCCESS-PLUS {FA} {FB} {FC}"


def test_a_signal_ends_a_session_whose_node_is_silent(shell: Path, tmp_path: Path) -> None:
    gateway, nodes = FakeGateway.make(tmp_path / "gw", HOSTS), FakeNodes(tmp_path / "nodes")
    nodes.script("fa", greet="stall")
    with Client(shell, "p2pstdio", gateway.path, CLIENT_UUID, "--uuid", FA, env=nodes.env) as client:
        assert client.ask("VERSION 4") == "VERSION 4"
        client.send(f"CHECKPRESENT {sha256_key(SMALL)}")
        waiting_for((nodes.directory / "fa.log").exists)  # the node has been started
        client.process.terminate()
        assert client.process.wait(15) == 1
