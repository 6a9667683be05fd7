"""Where the sessions of a vector of a gateway run: `gw` is a gateway to the scripted nodes fa, fb and fc, and to a
cluster of them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.support.fakenodes import FakeGateway, FakeNodes, node_uuid
from tests.support.vectors import CLIENT_UUID, Session, Vector, Workspace

HOSTS = ["fa", "fb", "fc"]
EXTRA, OTHER = node_uuid(77), node_uuid(88)  # repositories that nodes may mention


class GatewayWorkspace(Workspace):
    """Fresh for every session."""

    def __init__(self, directory: Path, vector: Vector, template: FakeGateway) -> None:
        self.directory = directory
        directory.mkdir()
        self._nodes = FakeNodes(directory / "nodes")
        self.gateway = template.copy_to(directory / "gw")
        shutil.copy(Path.home() / ".gitconfig", directory)
        self.uuids = {host: node_uuid(number) for number, host in enumerate(HOSTS, 1)}
        self.names = {
            **vector.names,
            "GATEWAY": self.gateway.uuid,
            "CLUSTER": self.gateway.cluster,
            "EXTRA": EXTRA,
            "OTHER": OTHER,
            "CLIENT": CLIENT_UUID,
            **{host.upper(): uuid for host, uuid in self.uuids.items()},
        }
        for name, content in vector.contents.items():
            self._nodes.content(vector.names[name], content)
        for name, value in vector.config:
            self.gateway.config(name, value)

    def env(self, session: Session) -> dict[str, str]:
        return {**super().env(session), **self._nodes.env}

    def act(self, text: str) -> None:
        """`! node fa put=PUT-FROM 7; maxver=1`: what a node does. `! located K1 fa fb`: where the gateway believes a
        key to be. `! config NAME=VALUE`: a setting of the gateway, which without a value is taken away."""
        verb, name, *rest = text[2:].split(" ", 2)
        if verb == "node":
            steps = (step.partition("=") for step in self._plain(rest[0]).split("; "))
            self._nodes.set_script(name, {step: value for step, _, value in steps})
        elif verb == "config":
            setting, _, value = " ".join([name, *rest]).partition("=")
            self.gateway.config(setting, value)
        else:
            assert verb == "located", text
            hosts = rest[0].split() if rest else []
            self.gateway.set_locations(self.names[name], [self.uuids[host] for host in hosts])

    def seen(self, session: Session) -> dict[str, list[str]]:
        """What the nodes were asked and said, and where the gateway's location log has the keys afterwards."""
        lines = [f"{host}: {line}" for host in HOSTS for line in self._nodes.log(host)]
        keys = sorted({key for line in session.lines for key in re.findall(r"\bK\d\b", line.text)})
        named = {uuid: name.lower() for name, uuid in self.names.items()}
        logs = [" ".join([key, *sorted(named[u] for u in self.gateway.locations(self.names[key]))]) for key in keys]
        return {"node": lines, "log": logs}

    def _plain(self, text: str) -> str:
        return re.sub(r"<([A-Z]+)>", lambda match: self.names[match[1]], text)


def make_gateway_template(path: Path) -> FakeGateway:
    """The gateway that every session gets a copy of. Two of its nodes are recorded to be gateways themselves, to what
    they mention; the original believes anybody."""
    gateway = FakeGateway.make(path, HOSTS)
    gateway.set_proxied(node_uuid(1), {EXTRA: "extra"})
    gateway.set_proxied(node_uuid(2), {EXTRA: "extra", OTHER: "other"})
    return gateway
