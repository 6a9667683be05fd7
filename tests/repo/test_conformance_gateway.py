"""The conformance suite on what a gateway makes of its nodes: one of them, and a cluster of two.

Nodes that are reached by ssh are in test_peer.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import gevent
import pytest

from annexshell.green.tasks import Tasks
from annexshell.repo.gateway import transfer as spread
from annexshell.repo.gateway.gateway import Gateway, open_cluster, open_node
from annexshell.repo.local.opening import open_parts
from annexshell.repo.port import Repository
from tests.repo.conformance import Backing, RepositoryConformance
from tests.repo.places import make_repo
from tests.repo.reached import PATIENCE
from tests.support.fakenodes import FakeGateway

gevent.sleep(0)
Tasks().offload(lambda: None)  # the hub and its threads have file descriptors of their own


class Behind(Backing):
    """Two nodes behind a gateway, which every user opens anew. All are copies of the same three."""

    _template: tuple[Path, FakeGateway, tuple[bytes, ...]] | None = None

    def __init__(self, directory: Path) -> None:
        if Behind._template is None:
            Behind._template = self._make(Path(tempfile.mkdtemp(prefix="template-")))
        template, gateway, self.uuids = Behind._template
        self.cluster = gateway.cluster.encode()
        self._path = directory / "all" / "gw"
        shutil.copytree(template, directory / "all", symlinks=True)

    @staticmethod
    def _make(directory: Path) -> tuple[Path, FakeGateway, tuple[bytes, ...]]:
        atexit.register(shutil.rmtree, directory, ignore_errors=True)
        nodes = {f"n{number}": make_repo(directory / f"n{number}", clone=number) for number in (1, 2)}
        remotes = {name: (f"../{name}", node.uuid) for name, node in nodes.items()}
        gateway = FakeGateway.in_front_of(directory / "gw", remotes)
        return directory, gateway, tuple(node.uuid.encode() for node in nodes.values())

    def gateway(self) -> Gateway:
        return Gateway(open_parts(os.fsencode(self._path), dict(os.environb), lambda _text: None))


class OneNode(Behind):
    def open(self) -> Repository:
        return open_node(self.gateway(), self.uuids[0], PATIENCE)


class AllNodes(Behind):
    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.plus = self.uuids

    def open(self) -> Repository:
        return open_cluster(self.gateway(), self.cluster, PATIENCE, Tasks())


class TestNode(RepositoryConformance):
    @pytest.fixture
    def backing(self, tmp_path: Path) -> Backing:
        return OneNode(tmp_path)


class TestCluster(RepositoryConformance):
    @pytest.fixture
    def backing(self, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Backing:
        if "lock" in request.node.name or "hinders" in request.node.name:
            pytest.skip("a cluster can't lock content: its nodes can")
        monkeypatch.setattr(spread, "_SMALL", 0)  # else the parts of small contents are not kept
        return AllNodes(tmp_path)
