"""Programs of P2P networks: started, watched, and started again."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from annexshell.model.p2p import P2PAddress
from annexshell.serve.sockets import networks
from annexshell.serve.sockets.networks import NetworkProgram

_PATIENCE = 20.0  # seconds


class Program:
    """git-annex-p2p-net, which is a shell script here; it runs in the directory `home`."""

    def __init__(self, tmp_path: Path, script: str) -> None:
        self.home = tmp_path / "home of it"
        self.home.mkdir()
        path = tmp_path / "git-annex-p2p-net"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        self.told: list[str] = []
        env = {b"PATH": os.fsencode(f"{tmp_path}:/usr/bin:/bin")}
        address = P2PAddress(b"net", b"$(a) 'b'")
        self.running = NetworkProgram(address, b"s", os.fsencode(self.home), env, self.told.append)

    def end(self) -> None:
        """Waits for the process, as the server does."""
        pid = self.running.pid
        assert pid > 0
        self.running.ended(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def test_how_it_is_called(tmp_path: Path) -> None:
    """Nothing of an address is for a shell."""
    program = Program(tmp_path, 'pwd > called; printf "%s|" "$@" >> called')
    program.running.start_if_due()
    program.end()
    assert (program.home / "called").read_text() == f"{program.home}\n$(a) 'b'|s|"


def test_one_that_has_done_its_work(tmp_path: Path) -> None:
    program = Program(tmp_path, "exit 0")
    program.running.start_if_due()
    program.end()
    program.running.start_if_due()
    assert (program.running.pid, program.told) == (0, [])


def test_one_that_fails_is_started_again_and_later_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    program = Program(tmp_path, "exit 3")
    pauses = []
    for _ in range(12):
        program.running.start_if_due()
        program.end()
        assert program.running.due is not None
        pauses.append(program.running.due - now[0])
        program.running.start_if_due()
        assert program.running.pid == 0
        now[0] = program.running.due
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    assert program.told[0] == "git-annex-p2p-net has ended with exit code 3, and is started again in 1 seconds"


def test_one_that_has_worked_for_long_is_started_again_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    program = Program(tmp_path, "kill -9 $$")
    for _ in range(3):
        program.running.start_if_due()
        now[0] += 3600
        program.end()
        assert program.running.due == now[0] + 1
        now[0] += 1
    assert "has ended by signal 9" in program.told[0]


def test_one_that_is_not_there(tmp_path: Path) -> None:
    program = Program(tmp_path, "")
    (tmp_path / "git-annex-p2p-net").unlink()
    program.running.start_if_due()
    assert program.told == ["git-annex-p2p-net is not installed, and is started again in 1 seconds"]
    assert program.running.due is not None


@pytest.mark.parametrize("trap", ["", "trap '' TERM"])
def test_it_ends_with_us_and_so_does_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trap: str
) -> None:
    monkeypatch.setattr(networks, "_GRACE", 0.3)
    program = Program(tmp_path, f"{trap}\nsleep 100 & echo $! > child; mv child pid; wait")
    program.running.start_if_due()
    pid = program.running.pid
    end = time.monotonic() + _PATIENCE
    while not (program.home / "pid").exists():
        assert time.monotonic() < end
        time.sleep(0.005)
    program.running.stop()
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, 0)
    child = int((program.home / "pid").read_text())
    while _runs(child):
        assert time.monotonic() < end
        time.sleep(0.005)
    assert program.running.due is None


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
