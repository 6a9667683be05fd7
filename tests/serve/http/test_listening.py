"""Unix sockets: whose file it is, and when it goes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from annexshell.serve.http.listening import SocketFile, listen_unix
from tests.conftest import ROOT
from tests.support.admin import ours
from tests.support.real import Repo

# Starts a program as systemd does, with the socket that it finds as its standard input.
AS_SYSTEMD = """
import os, sys
os.dup2(0, 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def test_the_socket_of_a_server_that_died_is_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    (listener,) = listen_unix(path, 1, 0o660)
    with listener, socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        assert os.stat(path).st_mode & 0o777 == 0o660
        with pytest.raises(OSError, match="somebody listens on that socket"):
            listen_unix(path, 1)


def test_a_file_that_is_no_socket_stays(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("content")
    with pytest.raises(OSError, match="Address already in use"):
        listen_unix(str(path), 1)
    assert path.read_text() == "content"


def test_only_the_own_socket_is_removed(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as ours, socket.socket(socket.AF_UNIX) as theirs:
        ours.bind(path)
        file = SocketFile(path)
        os.rename(path, path + ".old")  # keeps the number of its inode from being used again
        theirs.bind(path)
        file.remove()
        assert os.path.exists(path)
        os.unlink(path)
        file.remove()


def test_the_socket_that_systemd_passes_stays(repo: Repo, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        program = str(ROOT / "bin" / "annexshell")
        server = subprocess.Popen(
            [sys.executable, "-c", AS_SYSTEMD, program, "p2phttp", "--socket", path],
            cwd=repo.path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=listener.fileno(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert server.stdout is not None
        assert server.stdout.readline() == f"listening on {path}\n".encode()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            client.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200")
        server.send_signal(signal.SIGTERM)
        assert server.communicate(timeout=60)[1] == b""
    assert server.returncode == 0
    assert os.path.exists(path)


def test_a_mode_that_is_none(repo: Repo) -> None:
    done = ours(repo.path, "p2phttp", "--wideopen", "--socket=/nowhere/socket", "--socket-mode=rw")
    assert "--socket-mode has to be" in done.err
