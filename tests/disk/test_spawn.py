"""Children: what they get from us, and what we get from them."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annexshell.disk.spawn import NOWHERE, Piped, output, pipes, run, shell_quoted, spawn, wait
from annexshell.errors import ChildFailed
from tests.support.real import Repo

ENV = {b"PATH": os.fsencode(os.environ["PATH"])}


def sh(script: str, *args: str | bytes) -> list[str | bytes]:
    return ["sh", "-c", script, *args]


def test_output_and_exit_code() -> None:
    assert output(sh("echo out; exit 3"), ENV) == (3, b"out\n")
    assert output(["true"], ENV) == (0, b"")


def test_much_output() -> None:
    assert output(["head", "-c", "1000000", "/dev/zero"], ENV) == (0, bytes(1_000_000))


def test_the_signal_that_ended_it() -> None:
    assert run(sh("kill -9 $$"), ENV) == -9


def test_arguments_are_taken_as_they_are() -> None:
    words = [b"two words", b"$(exit 1)", b"'\"\\", b"\xff\n", b"", b"-n", b"*"]
    assert output(["printf", "%s|", *words], ENV) == (0, b"".join(word + b"|" for word in words))


@settings(max_examples=20)
@given(st.binary().filter(lambda word: b"\0" not in word))
def test_quoting_for_a_shell(word: bytes) -> None:
    assert output(["sh", "-c", b"printf %s " + shell_quoted(word)], ENV) == (0, word)


def test_the_environment_is_the_one_given() -> None:
    code, text = output(["/usr/bin/env"], {b"A": b"\xff", b"B": b""})
    assert (code, sorted(text.splitlines())) == (0, [b"A=\xff", b"B="])


@pytest.mark.parametrize("name", ["no-such-program", "/nowhere/program", b"\xff"])
def test_a_program_that_is_not_there(name: str | bytes) -> None:
    for start in (lambda: output([name], ENV), lambda: run([name], ENV), lambda: Piped([name], ENV)):
        with pytest.raises(ChildFailed, match="could not be started: No such file or directory"):
            start()


def test_a_program_that_may_not_run(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ChildFailed, match="Permission denied"):
        run([os.fsencode(tmp_path / "file")], ENV)


@pytest.mark.parametrize("name", ["plain", "two words", "-option", "$(exit 1)", "new\nline", "\udcff"])
def test_in_a_directory(tmp_path: Path, name: str) -> None:
    directory = os.fsencode(tmp_path / name)
    os.mkdir(directory)
    assert output(["pwd", "-P"], ENV, directory=directory) == (0, os.path.realpath(directory) + b"\n")
    assert run(["mkdir", "--", b"a b"], ENV, directory) == 0
    assert os.listdir(directory) == [b"a b"]


def test_in_a_directory_that_is_gone(tmp_path: Path) -> None:
    assert output(["echo", "here"], ENV, errors=NOWHERE, directory=os.fsencode(tmp_path / "gone")) == (2, b"")


# What a child inherits


@pytest.fixture
def our_errors(tmp_path: Path) -> Path:
    """A file that our standard error goes to for the time of the test."""
    return tmp_path / "errors"


def in_child(code: str, errors: Path) -> bytes:
    """Runs code as a program with pipes as its standard input and output; returns what it writes to its output."""
    program = f"import sys; sys.path[:0] = {sys.path!r}\nfrom annexshell.disk.spawn import *\nENV = {ENV!r}\n{code}"
    with errors.open("wb") as file:
        done = os.pipe()
        with open(done[0], "rb") as pipe:
            pid = spawn([sys.executable, "-c", program], ENV, stdin=0, stdout=done[1], errors=file.fileno())
            os.close(done[1])
            text = pipe.read()
        assert wait(pid) == 0, errors.read_bytes()
    return text


def test_standard_output_belongs_to_the_protocol(our_errors: Path) -> None:
    """What a hook prints is for the user, and must not get into the conversation; nor may it read from it."""
    assert in_child("run(['sh', '-c', 'echo printed; echo complained >&2; cat'], ENV)", our_errors) == b""
    assert our_errors.read_bytes() == b"printed\ncomplained\n"


def test_standard_error_may_go_elsewhere(our_errors: Path, tmp_path: Path) -> None:
    code = f"""
import os
fd = os.open({str(tmp_path / "log")!r}, os.O_WRONLY | os.O_CREAT)
output(['sh', '-c', 'echo file >&2'], ENV, errors=fd)
output(['sh', '-c', 'echo nowhere >&2'], ENV, errors=NOWHERE)
output(['sh', '-c', 'echo ours >&2'], ENV)
"""
    assert in_child(code, our_errors) == b""
    assert (tmp_path / "log").read_bytes() == b"file\n"
    assert our_errors.read_bytes() == b"ours\n"


def test_no_other_file_descriptors(tmp_path: Path) -> None:
    """Locks among them, which would outlive us in a child."""
    inherited = {int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")}
    expected = {0, 1, 2} | {fd for fd in inherited if os.get_inheritable(fd)}  # what whoever started us left open
    with (tmp_path / "lock").open("wb"):
        child = Piped(["ls", "/proc/self/fd"], ENV)
        for listed in (output(["ls", "/proc/self/fd"], ENV)[1], child.stdout.read()):
            assert len({int(fd) for fd in listed.split()} - expected) == 1  # the directory that ls reads
        assert child.close() == 0


def test_signals_that_we_ignore_are_not_ignored_by_children() -> None:
    """The interpreter ignores SIGPIPE; a child that wrote on for ever would never end."""
    assert signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN
    code, text = output(["grep", "SigIgn", "/proc/self/status"], ENV)
    assert code == 0
    ignored = int(text.split()[1], 16)
    assert not ignored & (1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1))


class TestPiped:
    """A child that answers on a pair of pipes."""

    def test_questions_and_answers(self) -> None:
        child = Piped(["cat"], ENV)
        for line in (b"one\n", b"two\n"):
            child.send(line)
            assert child.stdout.readline() == line
        child.send(b"rest")
        assert child.close() == 0

    def test_much_at_once(self) -> None:
        child = Piped(sh("wc -c"), ENV)
        child.send(bytes(1_000_000))
        child.send(b"")
        assert child.close() == 0

    def test_a_child_that_is_gone_shows_when_its_answer_is_read(self) -> None:
        child = Piped(sh("exit 5"), ENV)
        assert child.stdout.readline() == b""
        child.send(bytes(1_000_000))
        assert child.close() == 5

    def test_output_that_nobody_reads_does_not_keep_it(self) -> None:
        child = Piped(["head", "-c", "1000000", "/dev/zero"], ENV)
        assert child.close() == 0

    def test_one_that_is_killed(self) -> None:
        child = Piped(["cat"], ENV)
        os.kill(child.pid, signal.SIGKILL)
        assert child.close() == -9


def test_a_current_directory_that_somebody_deleted(tmp_path: Path, shell: Path, repo: Repo) -> None:
    """git does nothing in one."""
    gone = tmp_path / "gone"
    gone.mkdir()
    session: list[str | Path] = ["sh", "-c", 'cd "$0" && rmdir "$0" && exec "$@"', gone, shell]
    command: list[str | Path] = [
        *session,
        "p2pstdio",
        repo.path,
        "11111111-1111-4111-8111-111111111111",
        f"--uuid={repo.uuid}",
    ]
    done = subprocess.run(command, input=b"VERSION 4\nCHECKPRESENT WORM--x\n", capture_output=True, timeout=60)
    assert done.stdout.splitlines()[1:] == [b"VERSION 4", b"FAILURE"]
    assert (done.returncode, done.stderr) == (0, b"")


def test_pipes_are_all_there_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    real, made = os.pipe, 0

    def pipe() -> tuple[int, int]:
        nonlocal made
        made += 1
        if made == 3:
            raise OSError(errno.EMFILE, "Too many open files")
        return real()

    before = os.listdir("/proc/self/fd")
    monkeypatch.setattr(os, "pipe", pipe)
    with pytest.raises(OSError, match="Too many open files"):
        pipes(3)
    assert os.listdir("/proc/self/fd") == before
