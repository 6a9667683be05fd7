"""Scripted nodes of a gateway (tests.support.fakenode), and a gateway in front of them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from fcntl import LOCK_EX, flock
from pathlib import Path

from annexshell.annexlog.lines import PRESENT, PresenceLog
from annexshell.model.key import parse_key
from annexshell.store.layout import Layout
from tests.support.real import run

_PROGRAM = Path(__file__).with_name("fakenode.py")


class FakeNodes:
    """The nodes of one gateway. `directory` goes first on the gateway's PATH: its `ssh` is the nodes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "contents").mkdir(parents=True)
        source = _PROGRAM.read_text().replace('DIRECTORY = ""', f"DIRECTORY = {str(directory)!r}")
        script = directory / "ssh"
        script.write_text(f"#!{sys.executable} -IS\n{source}")
        script.chmod(0o755)

    @property
    def env(self) -> dict[str, str]:
        return {"PATH": f"{self.directory}:{os.environ['PATH']}"}

    def script(self, host: str, **steps: object) -> None:
        """What a node does from the next connection on; see tests.support.fakenode."""
        self.set_script(host, {name: str(value) for name, value in steps.items()})

    def set_script(self, host: str, steps: Mapping[str, str]) -> None:
        (self.directory / f"{host}.script").write_text("".join(f"{name}={text}\n" for name, text in steps.items()))

    def content(self, key: str, data: bytes) -> None:
        """All nodes have it to give."""
        (self.directory / "contents" / key).write_bytes(data)

    def log(self, host: str) -> list[str]:
        """What a node was asked and said, a line for each request. Waits until all its conversations have ended."""
        path = self.directory / f"{host}.log"
        if not path.exists():
            return []
        with path.open() as file:
            flock(file, LOCK_EX)
            return file.read().splitlines()

    def requests(self, host: str, word: str = "") -> list[str]:
        """The lines of the log but for greetings, or those of one kind of request."""
        return [line for line in self.log(host) if not line.startswith("> VERSION") and line.startswith(f"> {word}")]


def node_uuid(number: int) -> str:
    return f"{number:08}-0000-4000-8000-000000000000"


class FakeGateway:
    """A repository that is a gateway to scripted nodes, which have costs in their order, and to a cluster of them."""

    def __init__(self, path: Path, uuid: str, cluster: str) -> None:
        self.path = path
        self.uuid = uuid
        self.cluster = cluster
        self._layout = Layout(os.fsencode(path / ".git/annex"), bare=False)

    @classmethod
    def make(cls, path: Path, hosts: list[str]) -> FakeGateway:
        return cls.in_front_of(path, {host: (f"ssh://{host}/srv", node_uuid(n)) for n, host in enumerate(hosts, 1)})

    @classmethod
    def in_front_of(cls, path: Path, nodes: Mapping[str, tuple[str | Path, str]]) -> FakeGateway:
        """One with these remotes: url and uuid by name."""
        run("git", "init", "-q", path)
        run("git", "annex", "init", "-q", "gateway", cwd=path)
        with (path / ".git/config").open("a") as config:
            for number, (name, (url, uuid)) in enumerate(nodes.items(), 1):
                config.write(
                    f'[remote "{name}"]\n\turl = {url}\n\tannex-uuid = {uuid}\n'
                    f"\tannex-cost = {100 + number}\n\tannex-proxy = true\n\tannex-cluster-node = mycluster\n"
                )
        for command in (["initcluster", "mycluster"], ["updatecluster"], ["updateproxy"]):
            run("git", "annex", *command, cwd=path)
        shutil.rmtree(path / ".git/hooks")
        uuid, cluster = (run("git", "config", name, cwd=path) for name in ("annex.uuid", "annex.cluster.mycluster"))
        return cls(path, uuid.strip(), cluster.strip())

    def copy_to(self, path: Path) -> FakeGateway:
        shutil.copytree(self.path, path, symlinks=True)
        return FakeGateway(path, self.uuid, self.cluster)

    def config(self, name: str, value: str) -> None:
        run("git", "config", name, value, cwd=self.path)

    def set_locations(self, key: str, uuids: list[str]) -> None:
        """Makes the gateway believe that a key is there, and nowhere else."""
        path = self._log_path(key)
        journal = self.path / ".git/annex/journal" / path.replace("_", "__").replace("/", "_")
        journal.parent.mkdir(exist_ok=True)
        journal.write_text("".join(f"1s 1 {uuid}\n" for uuid in uuids))

    def set_proxied(self, gateway: str, names: Mapping[str, str]) -> None:
        """Makes us believe that a node is a gateway to repositories, uuid to name."""
        path = self.path / ".git/annex/journal/proxy.log"
        path.parent.mkdir(exist_ok=True)
        known = (
            path.read_text() if path.exists() else run("git", "cat-file", "blob", "git-annex:proxy.log", cwd=self.path)
        )
        path.write_text(f"{known}1s {gateway} {' '.join(f'{uuid}:{name}' for uuid, name in names.items())}\n")

    def locations(self, key: str) -> set[str]:
        """Where the git-annex branch says that a key is; what is only in the journal does not show."""
        text = run("git", "cat-file", "blob", f"git-annex:{self._log_path(key)}", cwd=self.path, check=False)
        return {uuid.decode() for uuid in PresenceLog(text.encode()).with_status(PRESENT)}

    def _log_path(self, key: str) -> str:
        return self._layout.location_log(parse_key(key.encode())).decode()
