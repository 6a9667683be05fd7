"""Our server as a hidden service, and the real git-annex as its client, in a tor network on loopback. It takes a minute
or two: TOR=1 runs it, as root."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from shutil import which

import pytest

from annexshell.disk.perms import Perms
from annexshell.model.remote import Remote, classify
from annexshell.repo.nodes.dial import Dialer
from annexshell.repo.nodes.p2p import address_of, auth_token, dial
from annexshell.repo.nodes.peer import PeerRepository
from annexshell.store.removal import boot_time
from annexshell.stream.polling import PollWaiter
from annexshell.stream.port import Waiting
from tests.conftest import ROOT
from tests.oracle.clients import Clone
from tests.repo.conformance import key_of
from tests.repo.places import make_repo
from tests.support.p2pnet import OURS
from tests.support.real import real_binary, run

_INSIDE = os.environ.get("TOR") == "inside"
_PATIENCE = 120.0  # seconds for a hidden service to be found


@pytest.mark.skipif(_INSIDE or not os.environ.get("TOR"), reason="takes a minute or two: TOR=1 runs it")
@pytest.mark.timeout(600)
def test_over_tor(tmp_path: Path) -> None:
    if os.geteuid() != 0 or not all(map(which, ("tor", "tor-gencert", "unshare", "ip"))):
        pytest.skip("needs root, and tor")
    network = tmp_path / "network"
    network.mkdir(mode=0o700)
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'inside'}"]
    argv = [sys.executable, "-m", "tests.support.tornet", str(network), *tests, str(Path(__file__))]
    done = subprocess.run(argv, cwd=ROOT, env={**os.environ, "TOR": "inside"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("s."), done.stdout


@pytest.mark.skipif(not _INSIDE, reason="runs in a tor network of its own")
@pytest.mark.timeout(500)
def test_a_day_with_a_hidden_service(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "served")
    key = repo.add("theirs", b"hello\n")
    (tmp_path / "programs").mkdir()
    for name in ("git-annex", "git-annex-shell", "git-remote-tor-annex"):
        (tmp_path / "programs" / name).symlink_to(real_binary())
    programs = tmp_path / "programs"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{programs}:{os.environ['PATH']}"}
    run(*OURS, "p2p", "--enable=tor", "-q", cwd=repo.path, env=env)
    run(*OURS, "p2p", "--enable=tor", "-q", cwd=repo.path, env=env)  # does nothing more
    assert Path("/etc/tor/torrc").read_text().count("HiddenServiceDir") == 1
    address = run(*OURS, "p2p", "--gen-addresses", "-q", cwd=repo.path, env=env).strip()
    assert address.startswith("tor-annex::")
    server = subprocess.Popen([*OURS, "p2p"], cwd=repo.path, env=env)
    try:
        client = _linked(tmp_path / "client", programs, address)
        client.annex("pull", "-q")
        client.annex("get", "-q", "theirs")
        assert (client.path / "theirs").read_text() == "hello\n"
        client.add(["ours"])
        client.annex("copy", "-q", "--to=peer", "ours")
        client.annex("push", "-q")
        for number in range(4):
            run("git", "clone", "-q", address.rpartition(":")[0], tmp_path / f"clone{number}", timeout=60,
                env=client.env | {"GIT_ANNEX_P2P_AUTHTOKEN": address.rpartition(":")[2]})  # fmt: skip
        _as_a_node(client, repo.uuid, key)
    finally:
        server.terminate()
        assert server.wait(30) == 0


def _linked(path: Path, programs: Path, address: str) -> Clone:
    run("git", "init", "-q", path)
    client = Clone(path, programs)
    client.annex("init", "-q", "client")
    end = time.monotonic() + _PATIENCE
    while True:  # until the network knows of the service
        argv = ["git", "annex", "p2p", "--link", "--name=peer"]
        done = subprocess.run(argv, cwd=path, env=client.env, input=address.encode(), capture_output=True)
        if done.returncode == 0:
            return client
        assert time.monotonic() < end, done.stderr
        time.sleep(1)


def _as_a_node(client: Clone, uuid: str, key: str) -> None:
    """As our gateways reach it."""
    remote = Remote("node", uuid.encode(), *classify(client.git("config", "remote.peer.url").strip().encode()), {})
    waiting = Waiting(PollWaiter(60), PollWaiter(60))
    annex_dir = os.fsencode(client.path / ".git/annex")
    dialer = Dialer(annex_dir, os.environb, False, Perms(None, False, False), waiting)
    place = address_of(remote)
    token = auth_token(annex_dir, {}, place)
    node = PeerRepository(remote.uuid, "node", lambda: dial(dialer, "node", place), boot_time, (b"me", token))
    assert not node.present(key_of(b"never stored"))
    node.close()
    assert key
