"""A P2P network of unix sockets, and what serves a repository in it: a real git annex remotedaemon, or ours."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.real import Repo, real_binary, run

NETWORK = "testing"
ADDRESS = "the address: 1"
URL = f"p2p-annex::{NETWORK}:{ADDRESS}"

OURS = [sys.executable, "-m", "annexshell"]
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

    def __init__(self, directory: Path, address: str = ADDRESS) -> None:
        self.address = address
        self.url = f"p2p-annex::{NETWORK}:{address}"
        self.programs = directory / "programs"
        self.sockets = directory / "sockets"
        for each in (self.programs, self.sockets):
            each.mkdir()
        program = self.programs / f"git-annex-p2p-{NETWORK}"
        program.write_text(_PROGRAM.format(python=sys.executable, address=address, directory=str(self.sockets)))
        program.chmod(0o755)
        # As which git-annex helps git, and which the package from PyPI lacks.
        (self.programs / "git-remote-p2p-annex").symlink_to(real_binary())
        self.env = {**os.environ, "PATH": f"{self.programs}:{os.environ['PATH']}"}

    @property
    def socket(self) -> Path:
        """Where the one who is served listens."""
        return self.sockets / self.address

    def join(self, repo: Repo) -> str:
        """Lets a repository be served at the address; the token that opens it."""
        run("git", "annex", "p2p", "--enable", NETWORK, cwd=repo.path, env=self.env)
        address = run("git", "annex", "p2p", "--gen-addresses", cwd=repo.path, env=self.env).strip()
        assert address.startswith(f"{self.url}:"), address
        return address.removeprefix(f"{self.url}:")

    def serve(self, repo: Repo) -> Daemon:
        """Serves a repository that has joined, in place of any before."""
        self.socket.unlink(missing_ok=True)
        return Daemon(self, repo, ["git-annex", "remotedaemon", "--foreground"])

    def serve_by_us(self, repo: Repo, *options: str, **env: str) -> Daemon:
        """The same by our server."""
        self.socket.unlink(missing_ok=True)
        return Daemon(self, repo, [*OURS, "p2p", *options], env)


class Daemon:
    """Serves a repository. To be stopped. `said` is what it says for people."""

    def __init__(self, network: Network, repo: Repo, command: list[str], env: dict[str, str] | None = None) -> None:
        self._file = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            command,
            cwd=repo.path,
            env=network.env | (env or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._file,
        )
        self.wait_until(network.socket.exists)

    def wait_until(self, happens: Callable[[], bool]) -> None:
        """Waits until something is so, which the daemon has to bring about."""
        deadline = time.monotonic() + _PATIENCE
        while not happens():
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.005)

    @property
    def said(self) -> str:
        self._file.seek(0)
        return self._file.read()

    def stop(self) -> None:
        """At once."""
        self.process.kill()
        self.process.communicate()
        self._file.close()

    def end(self) -> int:
        """As systemd does; the exit code."""
        self.process.terminate()
        return self.process.wait(_PATIENCE)
