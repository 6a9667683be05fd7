"""A P2P network of unix sockets, and a real git annex remotedaemon that serves a repository in it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.support.real import Repo, run

NETWORK = "testing"
ADDRESS = "the address: 1"
URL = f"p2p-annex::{NETWORK}:{ADDRESS}"

_PATIENCE = 20.0  # seconds until the daemon has to listen

# As doc/design/generic_p2p_transport wants it. An address is the name of a socket in the network's directory.
_PROGRAM = """\
#!{python} -IS
import os
import socket
import sys
import threading

if sys.argv[1] == "address":
    print({address!r})
elif len(sys.argv) > 2:
    os.symlink(os.path.realpath(sys.argv[2]), os.path.join({directory!r}, sys.argv[1]))
else:
    peer = socket.socket(socket.AF_UNIX)
    try:
        peer.connect(os.path.join({directory!r}, sys.argv[1]))
    except OSError as error:
        sys.exit("nobody is at that address")

    def send():
        while data := os.read(0, 65536):
            peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)

    threading.Thread(target=send, daemon=True).start()
    while data := peer.recv(65536):
        os.write(1, data)
"""


class Network:
    """The network. `programs` is a directory for PATH."""

    def __init__(self, directory: Path) -> None:
        self.programs = directory / "programs"
        self.sockets = directory / "sockets"
        for each in (self.programs, self.sockets):
            each.mkdir()
        program = self.programs / f"git-annex-p2p-{NETWORK}"
        program.write_text(_PROGRAM.format(python=sys.executable, address=ADDRESS, directory=str(self.sockets)))
        program.chmod(0o755)
        self.env = {**os.environ, "PATH": f"{self.programs}:{os.environ['PATH']}"}

    @property
    def socket(self) -> Path:
        """Where the one who is served listens."""
        return self.sockets / ADDRESS

    def join(self, repo: Repo) -> str:
        """Lets a repository be served at ADDRESS; the token that opens it."""
        run("git", "annex", "p2p", "--enable", NETWORK, cwd=repo.path, env=self.env)
        address = run("git", "annex", "p2p", "--gen-addresses", cwd=repo.path, env=self.env).strip()
        assert address.startswith(f"{URL}:"), address
        return address.removeprefix(f"{URL}:")

    def serve(self, repo: Repo) -> Daemon:
        """Serves a repository that has joined, in place of any before."""
        self.socket.unlink(missing_ok=True)
        return Daemon(self, repo)


class Daemon:
    """Serves a repository. To be stopped."""

    def __init__(self, network: Network, repo: Repo) -> None:
        self._process = subprocess.Popen(
            ["git-annex", "remotedaemon", "--foreground"],
            cwd=repo.path,
            env=network.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _PATIENCE
        while not network.socket.exists():
            assert self._process.poll() is None
            assert time.monotonic() < deadline, "git annex remotedaemon does not listen"
            time.sleep(0.005)

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()
