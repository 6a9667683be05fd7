"""The units for systemd: as systemd itself judges them, and with a socket that it passes on."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from shutil import copy, which

import pytest

from annexshell.cli.admin.serving import p2p, p2phttp
from tests.conftest import ROOT
from tests.support.real import Repo

UNITS = sorted((ROOT / "contrib/systemd").rglob("*.service"))
SYSTEM = [path for path in UNITS if path.parent.name == "systemd"]
_MOST_EXPOSED = 2.0  # of 10
_OFFLINE = 250  # the version that can judge a unit that isn't loaded

WITH_SOCKET = [path for path in UNITS if "p2phttp" in path.name]
USAGES = {"p2p": p2p.USAGE, "p2phttp": p2phttp.USAGE}

names = pytest.mark.parametrize("unit", UNITS, ids=lambda path: f"{path.parent.name}/{path.name}")


def systemd_version() -> int:
    program = which("systemd-analyze")
    if program is None:
        return 0
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"systemd (\d+)", done.stdout)
    return int(found[1]) if found else 0


needs_systemd = pytest.mark.skipif(systemd_version() < _OFFLINE, reason="needs systemd-analyze of systemd 250 or newer")


@pytest.mark.parametrize("unit", WITH_SOCKET, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_service_has_its_socket(unit: Path) -> None:
    assert unit.with_suffix(".socket").exists()
    name = unit.with_suffix(".socket").name.replace("@.", "@%i.")
    assert f"Requires={name}\n" in unit.read_text()


@names
def test_options_exist(unit: Path) -> None:
    """Those that the service uses, and those that its comments tell of."""
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", unit.read_text())) - {
        "--user",
        "--now",
        "--path",
        "--help",
        "--bare",
        "--repo",
    }
    verb = unit.stem.removeprefix("annexshell-").rstrip("@")
    if verb == "p2phttp":
        assert {"--directory", "--unauth-readonly"} <= options
    for option in options:
        assert re.search(rf"{option}\b", USAGES[verb]), option


def setting(unit: Path, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.+)$", unit.read_text(), re.MULTILINE)


@names
def test_repositories_may_be_shared(unit: Path) -> None:
    """Whatever core.sharedRepository says: setgid directories can be made, and the group is denied nothing."""
    assert not {"yes", "true", "on", "1"} & {value.lower() for value in setting(unit, "RestrictSUIDSGID")}
    assert all(int(mask, 8) & 0o070 & ~0o020 == 0 for mask in setting(unit, "UMask"))


def test_all_can_listen_at_once() -> None:
    """The ports differ, since an address of this machine is in use as well where all addresses are."""
    ports = [
        value.rpartition(":")[2]
        for unit in WITH_SOCKET
        for value in setting(unit.with_suffix(".socket"), "ListenStream")
    ]
    assert len(set(ports)) == len(ports) == len(WITH_SOCKET)


@needs_systemd
@names
def test_systemd_understands_it(unit: Path, tmp_path: Path) -> None:
    """With a program in place of ours, which need not be installed."""
    for path in unit.parent.glob("annexshell*"):
        text = path.read_text().replace("ExecStart=annexshell", f"ExecStart={sys.executable}")
        (tmp_path / path.name).write_text(re.sub("Documentation=.*\n", "", text))
    copied = tmp_path / unit.name.replace("@.", "@srv.")
    if "@" in unit.name:
        copy(tmp_path / unit.name, copied)
        if unit in WITH_SOCKET:
            copy((tmp_path / unit.name).with_suffix(".socket"), copied.with_suffix(".socket"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", copied], capture_output=True, text=True, check=False
    )
    told = [line for line in done.stderr.splitlines() if "annexshell" in line]
    assert (done.returncode, told) == (0, []), done.stderr


@needs_systemd
@pytest.mark.parametrize("unit", SYSTEM, ids=lambda path: path.name)
def test_it_is_exposed_little(unit: Path) -> None:
    argv: list[str | Path] = ["systemd-analyze", "security", "--offline=true", "--no-pager", unit]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    found = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found is not None, done.stderr
    assert float(found[1]) <= _MOST_EXPOSED


@pytest.mark.skipif(which("systemd-socket-activate") is None, reason="needs systemd-socket-activate")
def test_the_first_connection_starts_it(repo: Repo, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = tmp_path / "notify"
    argv = [
        "systemd-socket-activate",
        "-l",
        f"127.0.0.1:{port}",
        "-E",
        "NOTIFY_SOCKET",
        "-E",
        "PYTHONPATH",
        "-E",
        "PATH",
    ]
    program = [sys.executable, str(ROOT / "bin/annexshell"), "p2phttp", "--unauth-readonly", "--cpus=2"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "NOTIFY_SOCKET": str(place)}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(place))
        notified.settimeout(30)
        with subprocess.Popen([*argv, *program], cwd=repo.path, env=env, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            while "Listening on" not in process.stderr.readline():
                pass
            client = HTTPConnection("127.0.0.1", port, timeout=30)
            client.request("GET", "/healthz")
            answer = client.getresponse()
            assert (answer.status, answer.read()[:2]) == (200, b"ok")
            client.close()
            assert notified.recv(100) == b"READY=1"
            process.terminate()
            assert notified.recv(100) == b"STOPPING=1"
            process.communicate(timeout=30)
            assert process.returncode == 0
