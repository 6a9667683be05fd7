"""Opening connections to nodes that speak the P2P protocol: over ssh, or through a program for a P2P network.

Upstream: Annex/Ssh.hs, Remote/Helper/Ssh.hs, P2P/Generic.hs. What the program says on its standard error is kept, to be
told as the reason when a connection fails.
"""

from __future__ import annotations

import os
import time
from _signal import SIGKILL, SIGTERM  # type: ignore[import-not-found]  # see disk.spawn
from fcntl import F_ADD_SEALS, F_SEAL_GROW, fcntl

from annexshell.disk.filelock import FileLocks
from annexshell.disk.perms import Perms, make_directories
from annexshell.disk.spawn import shell_quoted, spawn
from annexshell.errors import AnnexshellError, LineTooLong, NodeError, PeerGone, Stalled, node_error
from annexshell.model.remote import unescape
from annexshell.net.patience import SLOWEST
from annexshell.repo.nodes.remedies import cause_said
from annexshell.stream.blocking import FdStream
from annexshell.stream.pace import PacedWaiter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from annexshell.disk.filelock import Lock
    from annexshell.disk.spawn import Environment
    from annexshell.model.remote import Remote
    from annexshell.stream.port import Waiting

_CONNECT_TIMEOUT = 10  # seconds
_PERSIST = 60  # seconds that a shared ssh connection outlives its last use
_LONGEST_SOCKET = 100 - 17  # bytes (Annex/Ssh.hs): ssh appends something while it sets the socket up
_SAID = 256 * 1024  # bytes kept of what a program says, of which
_TOLD = 10_000  # bytes are looked at for the reason why it failed
_GRACE = 2.0  # seconds for a program to end by itself


class Line:
    """An open connection: a stream, and what has to be ended with it. Whoever is there has to greet us soon; after
    `greeted`, `waiter` waits for it, with more patience. `host` is what clients are not told."""

    def __init__(self, stream: FdStream, waiting: Waiting, host: str = "") -> None:
        self.stream = stream
        self.host = host
        self._waiter = waiting.answer
        self.soon = waiting.connect.limit  # seconds

    def hurry(self, more: float = 0.0) -> None:
        """What comes now has to come within the limit for connections, and `more` seconds for work that takes long."""
        self.stream.use(self._waiter.within(self.soon + more))

    def relax(self) -> None:
        """From now on only who stands still is too slow."""
        self.stream.use(self._waiter)

    def receives(self) -> Callable[[int], None]:
        """The same for what it sends now, which it may not do too slowly either: returns what is to be told how many
        bytes have come of it."""
        paced = PacedWaiter(self._waiter, SLOWEST)
        self.stream.use(paced)
        return paced.reached

    def reason(self) -> str:
        """Why the connection failed, as far as whatever made it can tell; empty if it can't."""
        return ""

    def close(self) -> None:
        """Closes the stream, and ends what belongs to it."""
        self.stream.close()


class Said:
    """What a program says on its standard error, of which the end is kept: in memory that can't grow. The program
    never has to wait for us to read it; what it says beyond all measure at once, it can't write."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("said", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, _SAID)
        fcntl(self.fd, F_ADD_SEALS, F_SEAL_GROW)

    def _end(self) -> int:
        """How far the program has written: its descriptor and ours share their place in the file."""
        return os.lseek(self.fd, 0, os.SEEK_CUR)

    def make_room(self) -> None:
        """Call this now and then: a talkative program goes on from the beginning."""
        if self._end() > _SAID // 2:
            os.lseek(self.fd, 0, os.SEEK_SET)

    def last_line(self) -> str:
        end = self._end()
        start = max(0, end - _TOLD)
        text = os.pread(self.fd, end - start, start).decode("utf-8", "replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else ""

    def close(self) -> None:
        os.close(self.fd)


class ProgramLine(Line):
    """The standard input and output of a program, which says on its standard error what is wrong."""

    def __init__(self, stream: FdStream, waiting: Waiting, pid: int, said: Said, lock: Lock | None, host: str) -> None:
        super().__init__(stream, waiting, host)
        self._pid = pid
        self._said = said
        self._lock = lock

    def hurry(self, more: float = 0.0) -> None:
        self._said.make_room()
        super().hurry(more)

    def reason(self) -> str:
        """What the program said last, in one line."""
        return self._said.last_line()

    def close(self) -> None:
        self.stream.close()
        _end(self._pid, self._waiter.pause)
        self._said.close()
        if self._lock is not None:
            self._lock.release()


def _end(pid: int, wait: Callable[[float], None]) -> None:
    """Waits for a child that should end by itself, and ends it if it does not."""
    for signal in (0, SIGTERM, SIGKILL):
        if signal:
            os.kill(pid, signal)
        deadline = time.monotonic() + _GRACE
        pause = 0.0005
        while time.monotonic() < deadline:
            if os.waitpid(pid, os.WNOHANG)[0]:
                return
            wait(pause)
            pause = min(2 * pause, 0.05)
    os.waitpid(pid, 0)


class Dialer:
    """Opens connections for one gateway. Until they are greeted they are being connected."""

    def __init__(self, annex_dir: bytes, env: Environment, caching: bool, perms: Perms, waiting: Waiting) -> None:
        self._annex_dir = annex_dir
        self._env = env
        self._caching = caching
        self._perms = perms
        self.waiting = waiting

    def start(self, argv: Sequence[bytes | str], name: str, lock: Lock | None = None, host: str = "") -> Line:
        """A connection over the standard input and output of a program, which connects to a host. Raises NodeError,
        having released `lock`."""
        ends: list[int] = []
        try:
            ends += os.pipe()
            ends += os.pipe()
            child_in, to_child, from_child, child_out = ends
            said = Said()
            ends.append(said.fd)
            pid = spawn(argv, self._env, stdin=child_in, stdout=child_out, errors=said.fd)
        except (AnnexshellError, OSError) as error:
            for fd in ends:
                os.close(fd)
            if lock is not None:
                lock.release()
            raise node_error(name, error) from None
        os.close(child_in)
        os.close(child_out)
        for fd in (to_child, from_child):
            os.set_blocking(fd, False)
        stream = FdStream(from_child, to_child, self.waiting.connect.within(self.waiting.connect.limit))
        return ProgramLine(stream, self.waiting, pid, said, lock, host)

    def ssh(self, remote: Remote, client: bytes, uuid: bytes) -> Line:
        """git-annex-shell p2pstdio on another host. Raises NodeError."""
        host = os.fsdecode(parse_ssh_url(remote.location)[0].rpartition(b"@")[2])
        return self.start(*self._ssh_command(remote, b"p2pstdio", client, b"--uuid", uuid), host)

    def ask(self, remote: Remote, command: bytes) -> dict[bytes, bytes]:
        """The settings that a command of git-annex-shell on another host prints. Raises NodeError if it prints none,
        whatever else the login there says."""
        line = self.start(*self._ssh_command(remote, command))
        try:
            said = dict(text.split(b"=", 1) for text in iter(line.stream.read_line, None) if b"=" in text)
            if not said:
                reason = line.reason() or f"{os.fsdecode(remote.location)} does not answer"
                raise NodeError(remote.name, reason, "it does not answer", cause_said(line.reason()))
            return said
        except (PeerGone, Stalled, LineTooLong) as error:
            raise node_error(remote.name, error) from None
        finally:
            line.close()

    def _ssh_command(self, remote: Remote, command: bytes, *params: bytes) -> tuple[list[bytes], str, Lock | None]:
        """What `start` needs for a command of git-annex-shell on another host."""
        user_host, port, path = parse_ssh_url(remote.location)
        options, lock = self._shared_connection(user_host, port)
        shell = remote.setting("annex-shell") or b"git-annex-shell"
        words = b" ".join((shell, *map(shell_quoted, (command, path, *params))))
        argv = [
            *self._ssh_program(),
            *remote.setting("annex-ssh-options").split(),
            *options,
            # Nobody can answer a question here, and nobody would notice a host that is gone.
            b"-o", b"BatchMode=yes", b"-o", b"ConnectTimeout=%d" % _CONNECT_TIMEOUT, b"-o", b"ServerAliveInterval=15",
            *([b"-p", port] if port else []),
            b"-T", user_host, words,
        ]  # fmt: skip
        return argv, remote.name, lock

    def _ssh_program(self) -> list[bytes]:
        """ssh, or what is set for git, which the user has to allow because it may want exactly git's parameters."""
        env = self._env
        if env.get(b"GIT_ANNEX_USE_GIT_SSH") == b"1":
            if env.get(b"GIT_SSH_COMMAND"):
                return [b"sh", b"-c", env[b"GIT_SSH_COMMAND"] + b' "$@"', b"ssh"]
            if env.get(b"GIT_SSH"):
                return [env[b"GIT_SSH"]]
        return [b"ssh"]

    def _shared_connection(self, user_host: bytes, port: bytes) -> tuple[list[bytes], Lock | None]:
        """Options that let sessions share one connection to a host, under the names that git-annex uses too, and the
        lock that keeps git-annex from ending it meanwhile."""
        if not self._caching:
            return [], None
        directory = self._annex_dir + b"/ssh"
        socket = b"%b/%b" % (directory, _socket_name(user_host, port))
        if len(socket) >= _LONGEST_SOCKET:
            return [], None
        try:
            make_directories(directory, self._annex_dir, self._perms)
            lock = FileLocks(self._perms.new_file).try_shared(socket + b".lock")
        except OSError:
            return [], None
        persist = b"ControlPersist=%d" % _PERSIST
        return [b"-S", socket, b"-o", b"ControlMaster=auto", b"-o", persist], lock


def _socket_name(user_host: bytes, port: bytes) -> bytes:
    name = (user_host + b"!" + port if port else user_host).replace(b"%", b"")
    if len(name) <= 32 and b"/" not in name:
        return name
    from hashlib import md5

    return md5(name).hexdigest().encode()


def parse_ssh_url(url: bytes) -> tuple[bytes, bytes, bytes]:
    """(user@host, port or nothing, path) of an ssh url. Raises NodeError for one that ssh would take for an option."""
    host, slash, path = url.partition(b"://")[2].partition(b"/")
    user, at, rest = host.rpartition(b"@")
    port = b""
    if rest.startswith(b"["):
        address, _, behind = rest[1:].partition(b"]")
        rest, port = address, behind.lstrip(b":")
    elif b":" in rest:
        rest, _, port = rest.partition(b":")
    user, rest, path = unescape(user), unescape(rest), unescape(slash + path)
    is_option = rest.startswith(b"-") or user.startswith(b"-")
    if not rest or is_option or (port and not port.isdigit()) or b"\0" in user + rest + path:
        raise NodeError(os.fsdecode(host), "its url is not an ssh url")
    return user + at + rest, port, path
