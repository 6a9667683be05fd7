"""A gateway to measure: one repository with a cluster of nodes on the same machine, set up by the real git-annex."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.bench.model import Place
from tests.support.real import Repo, run

NODES = 4
_CLUSTER = "bench"
# In place of ssh: what the gateway's process itself has to do does not depend on it.
_SSH = """#!/bin/sh
for command; do :; done
exec sh -c "$command"
"""


@dataclass(frozen=True)
class Gateway:
    """The gateway's repository, and the uuids that it serves besides its own: the cluster's, that of a node on this
    machine, and that of one which is reached through a program in place of ssh."""

    path: Path
    cluster: str
    node: str
    distant: str
    repositories: list[Path]

    def flush_to_disk(self, wanted: bool) -> None:
        for path in self.repositories:
            run("git", "config", "core.fsync", "default" if wanted else "none", cwd=path)


def make_gateway(place: Place) -> Gateway:
    """The gateway of one side, made unless it is there already. Its node behind ssh is of the same side."""
    top = place.repository.parent / f"gateway-{place.side.name}"
    if not (top / "complete").exists():
        shutil.rmtree(top, ignore_errors=True)
        top.mkdir()
        _make(top, place.side.shell)
        (top / "complete").touch()
    os.environ |= {"GIT_ANNEX_USE_GIT_SSH": "1", "GIT_SSH": str(top / "ssh")}
    path = top / "gateway.git"

    def config(name: str) -> str:
        return run("git", "config", name, cwd=path).strip()

    repositories = [path, top / "distant.git", *(top / f"node{number}.git" for number in range(NODES))]
    return Gateway(
        path,
        config(f"annex.cluster.{_CLUSTER}"),
        config("remote.node0.annex-uuid"),
        config("remote.distant.annex-uuid"),
        repositories,
    )


def _make(top: Path, shell: Path) -> None:
    (top / "ssh").write_text(_SSH)
    (top / "ssh").chmod(0o755)
    gateway = Repo(top / "gateway.git", bare=True)
    gateway.git("config", "annex.sshcaching", "false")
    for name in [*(f"node{number}" for number in range(NODES)), "distant"]:
        node = Repo(top / f"{name}.git", bare=True)
        gateway.git("remote", "add", name, str(node.path) if name != "distant" else f"ssh://localhost{node.path}")
        gateway.git("config", f"remote.{name}.annex-uuid", node.uuid)
        gateway.git("config", f"remote.{name}.annex-shell", str(shell))
        gateway.git("config", f"remote.{name}.annex-proxy", "true")
        if name != "distant":
            gateway.git("config", f"remote.{name}.annex-cluster-node", _CLUSTER)
    gateway.annex("initcluster", _CLUSTER)
    gateway.annex("updatecluster")
