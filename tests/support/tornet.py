"""A tor network on loopback that needs nobody: four authorities and relays, and a client with SOCKS at port 9050.

It has to run in namespaces of its own, in which loopback and tor's configuration belong to the test: `python -m
tests.support.tornet DIRECTORY COMMAND...` makes these as root and runs the command in them once the network works.
tor(1) explains TestingTorNetwork.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

_AUTHORITIES = 4
_PATIENCE = 120.0  # seconds

_COMMON = """\
TestingTorNetwork 1
DataDirectory {directory}
Log notice file {directory}/log
ShutdownWaitLength 0
PathsNeededToBuildCircuits 0.67
TestingV3AuthInitialVotingInterval 20
TestingV3AuthInitialVoteDelay 4
TestingV3AuthInitialDistDelay 4
V3AuthVotingInterval 20
V3AuthVoteDelay 4
V3AuthDistDelay 4
"""
_AUTHORITY = """\
Nickname auth{number}
Address 127.0.0.1
SocksPort 0
ORPort {orport}
DirPort {dirport}
AuthoritativeDirectory 1
V3AuthoritativeDirectory 1
ContactInfo nobody@example.org
AssumeReachable 1
AuthDirMaxServersPerAddr 0
TestingDirAuthVoteExit *
TestingDirAuthVoteHSDir *
TestingDirAuthVoteGuard *
TestingMinExitFlagThreshold 0
ExitRelay 1
V3AuthNIntervalsValid 2
"""
_RELOAD = """\
#!/bin/sh
kill -HUP "$(cat {directory}/pid)"
"""


class Authority:
    """One of them, below a directory of the network."""

    def __init__(self, top: Path, number: int) -> None:
        self.number = number
        self.directory = top / f"auth{number}"
        self.orport, self.dirport = 7100 + number, 7200 + number
        (self.directory / "keys").mkdir(parents=True, mode=0o700)
        self.directory.chmod(0o700)
        subprocess.run(
            ["tor-gencert", "--create-identity-key", "--passphrase-fd", "0", "-m", "12", "-a",
             f"127.0.0.1:{self.dirport}"],
            cwd=self.directory / "keys", input=b"secret\n", check=True, capture_output=True,
        )  # fmt: skip
        self._torrc("DirAuthority x orport=1 no-v2 v3ident=" + "0" * 40 + " 127.0.0.1:1 " + "0" * 40)
        told = subprocess.run(
            ["tor", "-f", self.torrc, "--list-fingerprint"], check=True, capture_output=True, text=True
        ).stdout
        self._fingerprint = told.split(maxsplit=1)[1].replace(" ", "").strip()[-40:]

    @property
    def torrc(self) -> Path:
        return self.directory / "torrc"

    @property
    def line(self) -> str:
        certificate = (self.directory / "keys/authority_certificate").read_text().split()
        identity = certificate[certificate.index("fingerprint") + 1]
        return (
            f"DirAuthority auth{self.number} orport={self.orport} no-v2 v3ident={identity}"
            f" 127.0.0.1:{self.dirport} {self._fingerprint}"
        )

    def _torrc(self, authorities: str) -> None:
        text = _COMMON.format(directory=self.directory) + _AUTHORITY.format(
            number=self.number, orport=self.orport, dirport=self.dirport
        )
        self.torrc.write_text(f"{text}{authorities}\n")

    def start(self, authorities: str) -> subprocess.Popen[bytes]:
        self._torrc(authorities)
        return _tor(self.torrc)


def _tor(torrc: Path | str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["tor", "-f", torrc, "--quiet"], stdin=subprocess.DEVNULL)


def run(top: Path, command: list[str]) -> int:
    """Inside the namespaces: the exit code of the command."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for directory in ("/etc", "/var/lib"):
        upper, work = top / f"upper{directory}", top / f"work{directory}"
        upper.mkdir(parents=True)
        work.mkdir(parents=True)
        options = f"lowerdir={directory},upperdir={upper},workdir={work}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, directory], check=True)
    authorities = [Authority(top, number) for number in range(_AUTHORITIES)]
    lines = "\n".join(each.line for each in authorities)
    running = [each.start(lines) for each in authorities]
    client = top / "client"
    client.mkdir(mode=0o700)
    os.makedirs("/var/lib/tor", mode=0o700, exist_ok=True)
    os.chown("/var/lib/tor", 0, 0)
    Path("/etc/tor").mkdir(exist_ok=True)
    text = _COMMON.format(directory=client) + f"PidFile {client}/pid\nSocksPort 9050\n{lines}\n"
    Path("/etc/tor/torrc").write_text(text)
    (top / "bin").mkdir()
    (top / "bin/systemctl").write_text(_RELOAD.format(directory=client))
    (top / "bin/systemctl").chmod(0o755)
    running.append(_tor("/etc/tor/torrc"))
    try:
        _wait_for(client / "log")
        return subprocess.run(command, env={**os.environ, "PATH": f"{top}/bin:{os.environ['PATH']}"}).returncode
    finally:
        for process in running:
            process.kill()
            process.wait()


def _wait_for(log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not log.exists() or "Bootstrapped 100%" not in log.read_text():
        if time.monotonic() > deadline:
            raise SystemExit(f"the network does not work: {log.read_text() if log.exists() else 'tor did not start'}")
        time.sleep(0.2)


def main() -> None:
    place, *command = sys.argv[1:]
    if place == "--inside":
        raise SystemExit(run(Path(command[0]), command[1:]))
    argv = ["unshare", "-m", "-n", "--propagation", "private", sys.executable, "-m", "tests.support.tornet", "--inside"]
    raise SystemExit(subprocess.run([*argv, place, *command]).returncode)


if __name__ == "__main__":
    main()
