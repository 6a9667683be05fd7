"""annexshell top on a terminal: it is refreshed, fits into the window, and is left as it was found."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator

import pytest

from tests.support.admin import ours, succeed
from tests.support.real import Repo
from tests.support.terminal import Terminal

BEGIN, END = b"\x1b[?1049h", b"\x1b[?1049l"


@pytest.fixture
def terminal(repo: Repo) -> Iterator[Terminal]:
    repo.annex("describe", "here", "a description that is wider than a narrow window is: " + "x" * 100)
    terminal = Terminal(repo.path, "top", "--interval=0.3", "--offline")
    yield terminal
    terminal.close()


def frames(written: bytes) -> list[list[str]]:
    """The screens that were written, in lines."""
    found = []
    for frame in written.split(b"\x1b[H")[1:]:
        text = frame.partition(b"\x1b[J")[0].decode()
        found.append([re.sub(r"\x1b\[\??[0-9;]*[a-zA-Z]", "", line) for line in text.split("\r\n")])
    return found


def test_it_is_refreshed_and_fits(terminal: Terminal) -> None:
    terminal.see(lambda seen: seen.count(b"annexshell top") >= 3)
    assert terminal.written.startswith(BEGIN)
    assert any("processes: none" in line for line in frames(terminal.written)[0])
    terminal.see(lambda seen: b"a description" in seen)
    assert all(len(line) <= 60 for frame in frames(terminal.written) for line in frame)
    assert "narrow window" in "".join(frames(terminal.written)[-1])
    terminal.resize(3, 25)
    terminal.see(lambda seen: b"more lines" in seen and seen.endswith(b"\x1b[J"))
    last = frames(terminal.written)[-1]
    assert len(last) == 3
    assert all(len(line) <= 25 for line in last)
    terminal.press(b"x")
    terminal.press(b"q")
    assert ended(terminal) == 0


def ended(terminal: Terminal) -> int:
    """Its exit code, when it has given the screen back."""
    code = terminal.end()
    assert terminal.written.rstrip().endswith(END)
    return code


@pytest.mark.parametrize("how", ["^C", "SIGTERM"])
def test_it_ends_well(terminal: Terminal, how: str) -> None:
    terminal.see(lambda seen: b"annexshell top" in seen)
    if how == "^C":
        terminal.press(b"\x03")
    else:
        terminal.process.send_signal(signal.SIGTERM)
    assert ended(terminal) == (0 if how == "^C" else 128 + signal.SIGTERM)


def test_where_there_is_no_terminal(repo: Repo) -> None:
    options = ["--count=2", "--interval=0.1", "--offline"]
    text = succeed(ours(repo.path, "top", *options))
    assert text.count("transfers: none\n") == 2
    assert "\x1b" not in text
    first, second = map(json.loads, succeed(ours(repo.path, "top", "--json", *options)).splitlines())
    assert first["time"] < second["time"]


@pytest.mark.parametrize("option", ["--interval=0", "--interval=soon", "--count=-1"])
def test_numbers_that_make_no_sense(repo: Repo, option: str) -> None:
    done = ours(repo.path, "top", option)
    assert done.code == 1
    assert "has to be a number" in done.err
