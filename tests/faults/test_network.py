"""A node at the end of a cable that is cut: a network namespace with a real sshd of its own.

Needs root, `ip` from iproute2 and sshd; without them nothing of this is tested.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import CLIENT_UUID
from tests.support.client import Client, sha256_key
from tests.support.real import Repo, run
from tests.support.sshd import SSHD

_NEAR, _FAR, _PORT = "198.18.77.1", "198.18.77.2", 2222  # addresses that are reserved for tests of networks
_SERVER = """\
ListenAddress {far}
Port {port}
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/key.pub
PidFile none
StrictModes no
UsePAM no
UseDNS no
PermitRootLogin yes
ClientAliveInterval 1
ClientAliveCountMax 2
SetEnv HOME={home}
"""
_OPTIONS = (
    "-o Port={port} -o IdentityFile={directory}/key -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no"
    " -o LogLevel=ERROR -o ServerAliveInterval=1 -o ServerAliveCountMax=2 -o ConnectTimeout=2"
)
SIZE = 24 << 20  # bytes: more than all buffers on the way hold
_PATIENCE = 20.0  # seconds


def _possible() -> bool:
    if os.getuid() != 0 or shutil.which("ip") is None or not SSHD.exists():
        return False
    probe = subprocess.run(["unshare", "-n", "true"], capture_output=True)
    return probe.returncode == 0


pytestmark = pytest.mark.skipif(not _possible(), reason="network namespaces need root, iproute2 and sshd")


class Cable:
    """A network of two: us, and a namespace with an sshd. `cut` and `mend` it."""

    def __init__(self, directory: Path) -> None:
        name = f"axt{os.getpid()}"
        self._namespace, self._near = name, f"{name}n"
        self._ip("netns", "add", name)
        self._ip("link", "add", self._near, "type", "veth", "peer", "name", "far", "netns", name)
        self._ip("addr", "add", f"{_NEAR}/30", "dev", self._near)
        self._ip("-n", name, "addr", "add", f"{_FAR}/30", "dev", "far")
        self._ip("link", "set", self._near, "up")
        self.mend()
        for key in ("host_key", "key"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / key)
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        config = directory / "sshd_config"
        config.write_text(_SERVER.format(far=_FAR, port=_PORT, directory=directory, home=os.environ["HOME"]))
        self.options = _OPTIONS.format(port=_PORT, directory=directory)
        argv = ["ip", "netns", "exec", name, str(SSHD), "-D", "-f", str(config)]
        self._sshd = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _until(self._answers)

    def url(self, path: Path) -> str:
        return f"ssh://{_FAR}{path}"

    def cut(self) -> None:
        # At the other end, so that the way there leads nowhere else from here.
        self._ip("-n", self._namespace, "link", "set", "far", "down")

    def mend(self) -> None:
        self._ip("-n", self._namespace, "link", "set", "far", "up")

    def remove(self) -> None:
        self._sshd.terminate()
        self._sshd.wait()
        self._ip("netns", "del", self._namespace)
        self._ip("link", "del", self._near, check=False)

    def _answers(self) -> bool:
        return subprocess.run(["ssh", *self.options.split(), _FAR, "true"], capture_output=True).returncode == 0

    @staticmethod
    def _ip(*args: str, check: bool = True) -> None:
        run("ip", *args, check=check)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture()
def cable(tmp_path: Path) -> Iterator[Cable]:
    cable = Cable(tmp_path)
    yield cable
    cable.remove()


class Cluster:
    """A gateway with a node on this machine, and one at the end of the cable."""

    def __init__(self, top: Path, cable: Cable, shell: Path) -> None:
        self.gateway = Repo(top / "gateway", bare=True)
        self.near, self.far = Repo(top / "near", bare=True), Repo(top / "far", bare=True)
        for name, node, url in (("near", self.near, str(self.near.path)), ("far", self.far, cable.url(self.far.path))):
            self.gateway.git("remote", "add", name, url)
            for key, value in (
                ("annex-uuid", node.uuid),
                ("annex-cluster-node", "c"),
                ("annex-shell", str(shell)),
                ("annex-ssh-options", cable.options),
                ("annex-stalldetection", "1B/2s"),
                ("annex-cost", "100" if name == "far" else "200"),
            ):
                self.gateway.git("config", f"remote.{name}.{key}", value)
        self.gateway.annex("initcluster", "c")
        self.gateway.annex("updatecluster")
        self.uuid = self.gateway.git("config", "annex.cluster.c").strip()
        self._shell = shell

    def session(self) -> Client:
        client = Client(self._shell, "p2pstdio", self.gateway.path, CLIENT_UUID, "--uuid", self.uuid)
        assert client.ask("VERSION 4") == "VERSION 4"
        return client


@pytest.fixture()
def cluster(tmp_path: Path, cable: Cable, shell: Path) -> Cluster:
    return Cluster(tmp_path, cable, shell)


def test_upload_goes_on_without_the_node_that_is_cut_off(cluster: Cluster, cable: Cable) -> None:
    content = os.urandom(SIZE)
    key = sha256_key(content)
    with cluster.session() as client:
        assert client.ask(f"PUT  {key}") == "PUT-FROM 0"
        client.send(f"DATA {SIZE}")
        client.raw(content[: SIZE // 3])
        cable.cut()
        client.raw(content[SIZE // 3 :])
        assert client.ask("VALID") == f"SUCCESS-PLUS {cluster.near.uuid}"
        assert client.ask(f"CHECKPRESENT {key}") == "SUCCESS"
        cable.mend()
        client.close()
    assert cluster.gateway.location_log(key) == {cluster.near.uuid: "1"}


def test_interrupted_upload_is_completed_once_the_node_is_back(cluster: Cluster, cable: Cable) -> None:
    content = os.urandom(SIZE)
    key = sha256_key(content)
    with cluster.session() as client:
        assert client.ask(f"PUT  {key}") == "PUT-FROM 0"
        client.send(f"DATA {SIZE}")
        client.raw(content[: SIZE // 2])
        cable.cut()
        client.raw(content[SIZE // 2 :])
        assert client.ask("VALID") == f"SUCCESS-PLUS {cluster.near.uuid}"
        cable.mend()
        _until(lambda: _uploaded(client, key, content))
        client.close()
    assert cluster.gateway.location_log(key) == {cluster.near.uuid: "1", cluster.far.uuid: "1"}
    assert not cluster.far.annex("fsck", "--all", "-q", check=False)


def _uploaded(client: Client, key: str, content: bytes) -> bool:
    """Whether an upload works again: the node refuses while it does not know yet that the first one is dead."""
    answer = client.ask(f"PUT  {key}")
    if not answer.startswith("PUT-FROM "):
        return False
    offset = int(answer.split()[1])
    client.send(f"DATA {len(content) - offset}")
    client.raw(content[offset:])
    return client.ask("VALID").startswith("SUCCESS")


def test_download_goes_on_from_the_other_node(cluster: Cluster, cable: Cable) -> None:
    content = os.urandom(SIZE)
    key = sha256_key(content)
    with cluster.session() as client:
        assert client.put(key, content).count(" ") == 2, "both nodes have it"
        client.send(f"GET 0  {key}")
        assert client.line() == f"DATA {SIZE}"
        begin = client.data(1 << 20)
        cable.cut()
        assert begin + client.data(SIZE - len(begin)) == content
        assert client.line() == "VALID"
        client.send("SUCCESS")
        assert client.ask(f"CHECKPRESENT {key}") == "SUCCESS", "the session goes on"
        cable.mend()


def test_node_that_can_not_be_reached_at_all(cluster: Cluster, cable: Cable) -> None:
    cable.cut()
    content = os.urandom(1000)
    key = sha256_key(content)
    with cluster.session() as client:
        assert client.put(key, content) == f"SUCCESS-PLUS {cluster.near.uuid}"
        assert client.ask(f"REMOVE {key}") == f"FAILURE-PLUS {cluster.near.uuid}"
        _, errors = client.close()
    assert "far: " in errors
    cable.mend()
