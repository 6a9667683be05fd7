"""Processes of annexshell and git-annex, and the locks that they hold. Only root sees all about the processes of other
accounts."""

from __future__ import annotations

import os
import shlex

import psutil

from annexshell.cli.admin.access.sshkeys import parse_public_key
from annexshell.cli.admin.serving.p2p import SETTING_UP
from annexshell.disk.files import read_file
from annexshell.errors import BadUsage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_PROGRAMS = ("git-annex-shell", "git-annex", "annexshell")
_AHEAD = 4  # arguments to look for a program's name in: an interpreter and its options may come first
SESSION, SERVER, COMMAND = "session", "server", "command"


class HeldLock:
    """A lock on a file. An `exclusive` one keeps out everybody else."""

    __slots__ = ("exclusive", "path", "pid")

    def __init__(self, pid: int, path: bytes, exclusive: bool) -> None:
        self.pid = pid
        self.path = path
        self.exclusive = exclusive


class RunningProcess:
    """A process, or a server with its `workers`. `words` follow the program's name in its command line; `directory` is
    its current one. What we may not see is empty, and `locks` are None then."""

    def __init__(self, process: psutil.Process, program: str, words: list[str]) -> None:
        self.pid = process.pid
        self.program = program
        self.words = words
        self.what = SESSION if program == "git-annex-shell" else SERVER if _is_server(words) else COMMAND
        self.account = process.username()
        self.since = process.create_time()
        times = process.cpu_times()
        self.cpu = times.user + times.system
        self.memory = process.memory_info().rss
        self.workers: list[int] = []  # pids
        self.connections = 0
        self.address = ""
        self.fingerprint = ""
        self.directory = b""
        self.locks: list[HeldLock] | None = None
        try:
            self.directory = os.fsencode(process.cwd())
            if self.what == SESSION:
                variables = process.environ()
                self.address = variables.get("SSH_CONNECTION", "").partition(" ")[0]
                self.fingerprint = _fingerprint(variables.get("SSH_USER_AUTH", ""))
            self.connections = _connections(process) if self.what == SERVER else 0
            self.locks = _locks(process.pid)
        except (psutil.Error, OSError):
            pass

    @property
    def client(self) -> str:
        """The uuid by which a session's client has introduced itself."""
        return self.words[2] if self.what == SESSION and self.words[:1] == ["p2pstdio"] and len(self.words) > 2 else ""

    def add_worker(self, worker: RunningProcess) -> None:
        self.workers.append(worker.pid)
        self.cpu += worker.cpu
        self.memory += worker.memory
        self.connections += worker.connections
        if self.locks is not None and worker.locks is not None:
            self.locks += worker.locks


def _is_server(words: list[str]) -> bool:
    """Whether a verb serves until it is told to stop: p2p also sets up what it serves."""
    return words[:1] == ["p2phttp"] or (
        words[:1] == ["p2p"] and not any(word.startswith(tuple(SETTING_UP)) for word in words)
    )


def look() -> list[RunningProcess]:
    """All such processes but our own, the oldest first."""
    found: dict[int, RunningProcess] = {}
    parents: dict[int, int] = {}
    for process in psutil.process_iter():
        try:
            named = _named(process.cmdline())
            if named is not None and process.pid != os.getpid():
                parents[process.pid] = process.ppid()
                found[process.pid] = RunningProcess(process, *named)
        except psutil.Error:
            continue
    for pid, running in list(found.items()):
        server = found.get(parents[pid])
        if server is not None and server.words == running.words and running.what == SERVER:
            server.add_worker(found.pop(pid))
    return sorted(found.values(), key=lambda running: running.since)


def _named(command: list[str]) -> tuple[str, list[str]] | None:
    """The program in a command line and the words that follow it; None for a program that does not concern us."""
    for number, argument in enumerate(command[:_AHEAD]):
        name = os.path.basename(argument).removeprefix("-")  # login shells get a dash before their name
        if name in _PROGRAMS:
            return name, _words(name, command[number + 1 :])
    return None


def _words(program: str, arguments: list[str]) -> list[str]:
    """Takes apart what sshd passes: one argument, which begins with a program's name."""
    if program == "git-annex-shell" and arguments[:1] == ["-c"] and len(arguments) > 1:
        try:
            arguments = shlex.split(arguments[1])[1:]
        except ValueError:
            return []
    return [word for word in arguments if program == "annexshell" or not word.startswith("-")]


def _fingerprint(path: str) -> str:
    """The fingerprint of the key that the client logged in with, if sshd tells (ExposeAuthInfo yes); else empty."""
    method, _, key = os.fsdecode((read_file(os.fsencode(path)) if path else None) or b"").partition(" ")
    try:
        return parse_public_key(key).fingerprint if method == "publickey" else ""
    except BadUsage:
        return ""


def _connections(process: psutil.Process) -> int:
    return sum(connection.status == psutil.CONN_ESTABLISHED for connection in _sockets(process))


def addresses(pid: int) -> list[str]:
    """The IP addresses that a process listens on. Raises psutil.Error."""
    listening = [each for each in _sockets(psutil.Process(pid)) if each.status == psutil.CONN_LISTEN]
    return list(dict.fromkeys(str(each.laddr.ip) for each in listening))


def _sockets(process: psutil.Process) -> list[Any]:
    listed = getattr(process, "net_connections", None) or process.connections  # its name before psutil 6
    return list(listed("inet"))


def _locks(pid: int) -> list[HeldLock]:
    """The locks of a process. Raises OSError if we may not see them."""
    found = []
    directory = f"/proc/{pid}/fdinfo"
    for name in os.listdir(directory):
        try:
            with open(f"{directory}/{name}", "rb") as file:
                lines = [line.split() for line in file if line.startswith(b"lock:")]
            for words in lines:
                if words[2] in (b"OFDLCK", b"POSIX"):
                    path = os.readlink(os.fsencode(f"/proc/{pid}/fd/{name}"))
                    found.append(HeldLock(pid, path.removesuffix(b" (deleted)"), words[4] == b"WRITE"))
                    break
        except FileNotFoundError:
            continue  # it was closed meanwhile
    return found


def all_locks(processes: Iterable[RunningProcess]) -> list[HeldLock]:
    return [lock for running in processes for lock in running.locks or ()]
