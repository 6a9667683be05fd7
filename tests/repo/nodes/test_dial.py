"""Programs that connect us to nodes."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from annexshell.disk.perms import Perms
from annexshell.repo.nodes.dial import _SAID, Dialer, Line
from annexshell.stream.polling import PollWaiter
from annexshell.stream.port import Waiting


@pytest.fixture
def dialer() -> Dialer:
    waiter = PollWaiter(60)
    return Dialer(b"/nonexistent", dict(os.environb), False, Perms(None, False, False), Waiting(waiter, waiter))


@pytest.fixture
def talker(dialer: Dialer) -> Iterator[Line]:
    """A program that says at each line that it reads how many it has read, after much else, and echoes it."""
    script = """n=0
        while read line; do
            n=$((n+1)); head -c 40000 /dev/zero >&2; echo >&2; echo "line $n" >&2; echo "$line"
        done"""
    line = dialer.start(["sh", "-c", script], "talker")
    yield line
    line.close()


def test_of_what_a_program_says_the_last_is_told(talker: Line) -> None:
    """However much it is: it is kept in memory that does not grow, and nobody waits for it to be read."""
    for number in range(1, 50):
        talker.hurry()
        talker.stream.write(b"go\n")
        assert talker.stream.read_line() == b"go"
        assert talker.reason() == f"line {number}"


def test_a_program_that_says_more_than_can_be_kept(dialer: Dialer) -> None:
    script = f"head -c {4 * _SAID} /dev/zero >&2; echo done; read line"
    line = dialer.start(["sh", "-c", script], "talker")
    assert line.stream.read_line() == b"done"
    line.close()
