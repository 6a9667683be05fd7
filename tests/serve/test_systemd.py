"""What systemd and we tell each other."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from annexshell.serve.systemd import notifier, passed_sockets, watchdog_seconds
from tests.conftest import ROOT
from tests.support.real import Repo

_START = """
import os, sys
os.environ["LISTEN_PID"] = str(os.getpid())
os.environ["LISTEN_FDS"] = "1"
os.dup2(int(sys.argv[1]), 3)
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


def test_sockets_for_another_process_are_left_alone() -> None:
    assert passed_sockets({}, os.getpid()) == []
    assert passed_sockets({b"LISTEN_PID": b"1", b"LISTEN_FDS": b"1"}, os.getpid()) == []
    for count in (b"x", b"", b"-1", b"9" * 5000):
        assert passed_sockets({b"LISTEN_PID": b"%d" % os.getpid(), b"LISTEN_FDS": count}, os.getpid()) == []


@pytest.mark.parametrize("text", [b"", b"0", b"x", b"-1", b"1.5", b"9" * 5000])
def test_no_watchdog(text: bytes) -> None:
    assert watchdog_seconds({b"WATCHDOG_USEC": text}, os.getpid()) is None


def test_nobody_is_told_where_nobody_listens(tmp_path: Path) -> None:
    notifier({})("READY=1")
    notifier({b"NOTIFY_SOCKET": b"relative"})("READY=1")
    notifier({b"NOTIFY_SOCKET": os.fsencode(tmp_path / "nobody")})("READY=1")


def test_a_server_on_a_socket_of_systemd(repo: Repo, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(tmp_path / "notify"))
        told.settimeout(30)
        command = [str(ROOT / "bin" / "annexshell"), "p2phttp", "--wideopen", "--cpus=2"]
        process = subprocess.Popen(
            [sys.executable, "-c", _START, str(listener.fileno()), *command],
            cwd=repo.path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "NOTIFY_SOCKET": str(tmp_path / "notify")},
            pass_fds=[listener.fileno()],
            stdout=subprocess.PIPE,
        )
        assert told.recv(100) == b"READY=1"
        for _ in range(5):
            with socket.create_connection(listener.getsockname(), timeout=30) as client:
                client.sendall(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")
                assert client.recv(1000).startswith(b"HTTP/1.1 200 OK")
        process.terminate()
        assert told.recv(100) == b"STOPPING=1"
        process.communicate(timeout=30)
        assert process.returncode == 0


def test_the_watchdog_of_another_process_is_left_alone() -> None:
    pid = os.getpid()
    assert watchdog_seconds({}, pid) is None
    assert watchdog_seconds({b"WATCHDOG_USEC": b"1500000"}, pid) == 1.5
    assert watchdog_seconds({b"WATCHDOG_USEC": b"1500000", b"WATCHDOG_PID": b"%d" % pid}, pid) == 1.5
    assert watchdog_seconds({b"WATCHDOG_USEC": b"1500000", b"WATCHDOG_PID": b"1"}, pid) is None
    assert watchdog_seconds({b"WATCHDOG_USEC": b"0"}, pid) is None
    assert watchdog_seconds({b"WATCHDOG_USEC": b"soon"}, pid) is None
