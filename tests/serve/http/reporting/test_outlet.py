"""Lines go where they can without anybody having to wait, and others keep what they have."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from annexshell.serve.http.reporting.outlet import ATOMIC, Outlet


def filled(outlet: Outlet) -> int:
    """How many lines went, before there was no room."""
    for count in range(10_000):
        if not outlet.write(b"x" * (ATOMIC - 1) + b"\n"):
            return count
    raise AssertionError("it takes all")


@pytest.mark.parametrize("shared", [True, False])
def test_a_pipe_that_nobody_reads(shared: bool) -> None:
    read, write = os.pipe()
    outlet = Outlet(write, shared)
    count = filled(outlet)
    assert count > 0
    assert os.get_blocking(write) is shared  # others write to it in their own way
    assert os.read(read, ATOMIC) == b"x" * (ATOMIC - 1) + b"\n"
    assert outlet.write(b"again\n")
    os.close(read)
    assert not outlet.write(b"x\n")
    outlet.close()
    if shared:
        os.close(write)


def test_a_pipe_that_can_not_be_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> int:
        raise PermissionError

    read, write = os.pipe()
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", denied)
        outlet = Outlet(write)
    assert filled(outlet) > 0
    os.close(read)
    os.close(write)


def test_a_socket() -> None:
    near, far = socket.socketpair()
    outlet = Outlet(near.fileno())
    assert filled(outlet) > 0
    assert near.gettimeout() is None
    far.close()
    assert not outlet.write(b"x\n")
    outlet.close()
    near.close()


def test_a_line_without_its_end_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with open(tmp_path / "log", "wb") as file:
        outlet = Outlet(file.fileno())
        really_write = os.write
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", lambda fd, data: really_write(fd, data[:3]))
            assert not outlet.write(b"one line\n")
        assert outlet.write(b"another\n")
        assert outlet.write(b"third\n")
    assert (tmp_path / "log").read_bytes() == b"one\nanother\nthird\n"
