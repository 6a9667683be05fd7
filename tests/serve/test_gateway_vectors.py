"""Conversations with the real git-annex-shell as a gateway to scripted nodes, replayed against ours.

What is compared is what the client sees, what each node is told, and what the gateway's location log says afterwards.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.fakenodes import FakeGateway
from tests.support.gatewayvectors import HOSTS, GatewayWorkspace, make_gateway_template
from tests.support.replay import BYTEWISE, PIPELINED, WHOLE, Replay
from tests.support.vectors import SOMETHING, Session, Vector, read_vectors, substitute

VECTORS = read_vectors(Path(__file__).resolve().parent.parent / "vectors" / "gateway")


@pytest.fixture(scope="module")
def templates() -> list[FakeGateway]:
    return []


@pytest.fixture
def template(templates: list[FakeGateway], tmp_path_factory: pytest.TempPathFactory) -> FakeGateway:
    if not templates:  # made for the first test, in the environment of a test
        templates.append(make_gateway_template(tmp_path_factory.mktemp("gateway") / "gw"))
    return templates[0]


@pytest.mark.parametrize("delivery", [WHOLE, BYTEWISE, PIPELINED])
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.path.stem)
def test_answers_and_asks_as_recorded(
    vector: Vector, delivery: str, shell: Path, template: FakeGateway, tmp_path: Path
) -> None:
    def replay(number: int) -> None:
        session = vector.sessions[number]
        workspace = GatewayWorkspace(tmp_path / str(number), vector, template)
        with Replay(shell, workspace, session, delivery) as client:
            client.run()
        check_traces(workspace, session)

    with ThreadPoolExecutor(4) as pool:  # each session has a workspace of its own
        list(pool.map(replay, range(len(vector.sessions))))


def check_traces(workspace: GatewayWorkspace, session: Session) -> None:
    """The nodes' sides of it, and the location log."""
    found = workspace.seen(session)
    expected = {
        kind: [substitute(line.text, workspace.names) for line in session.ours() if line.kind == kind]
        for kind in ("node", "log")
    }
    logs = [" ".join([workspace.names[line.split()[0]], *line.split()[1:]]) for line in found["log"]]
    assert logs == expected["log"], session.title
    for host in HOSTS:
        mine = [line for line in found["node"] if line.startswith(host)]
        assert mine == [line for line in expected["node"] if line.startswith(host)], session.title


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.path.stem)
def test_is_written_as_it_was_read(vector: Vector) -> None:
    text = vector.path.read_text()
    assert str(vector) == text
    assert f"< {SOMETHING}" not in text, "not recorded yet"
