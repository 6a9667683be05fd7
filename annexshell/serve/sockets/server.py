"""The server: listens at the sockets of all addresses, lets clients in, and forks a process for each one's session.

Nothing here waits but `Server.run`, which waits for everything at once.
"""

from __future__ import annotations

import os
import select
import signal
import time

from annexshell.errors import AnnexshellError, PeerError
from annexshell.serve.sockets.entrance import MOST, Stranger

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable

    from annexshell.serve.sockets.networks import NetworkProgram
    from annexshell.serve.sockets.tokens import Grant, TokensAt

    # Serves a client, who says that it is the repository with this uuid, and gives the exit code of the process.
    Serve = Callable[[socket.socket, bytes, Grant], int]

_STOP = (signal.SIGTERM, signal.SIGINT)
_LOOK = 2.0  # seconds between two looks at which addresses there are
_AT_ONCE = 64  # connections that are accepted before others have their turn
_OUT_OF_FILES = 0.1  # seconds to wait when no more connections can be had
_GRACE = 10.0  # seconds in which sessions have to end
_REMINDER = 60.0  # seconds between two words about the same trouble


class Door:
    """A socket that is listened at, for one address. `tokens` let in there, `serve` serves who has one, at most `limit`
    at once; `program` leads to it, if one has to be started for that."""

    def __init__(
        self,
        name: str,
        listener: socket.socket,
        tokens: TokensAt,
        serve: Serve,
        limit: int,
        program: NetworkProgram | None = None,
    ) -> None:
        self.name = name
        self.listener = listener
        self.tokens = tokens
        self.serve = serve
        self.limit = limit
        self.program = program
        self.last_word = -_REMINDER  # monotonic seconds of the last complaint that it is full
        self.seen = tokens.state()

    def close(self) -> None:
        self.listener.close()
        if self.program is not None:
            self.program.stop()


class _Session:
    """A process that serves a client, whose token allows what `grant` says."""

    __slots__ = ("door", "grant", "token")

    def __init__(self, door: Door, token: bytes, grant: Grant) -> None:
        self.door = door
        self.token = token
        self.grant = grant

    def is_allowed(self) -> bool:
        """Whether the token still allows it. Raises OSError."""
        found = self.door.tokens.find(self.token)
        return found is not None and found.allows_as_much_as(self.grant)


class SocketServer:
    """`doors` gives the doors that there should be, by their names, given those that there are; it is asked again and
    again. `tell` is for a person, `notify` for systemd, which hears from us every few seconds."""

    def __init__(
        self,
        doors: Callable[[dict[str, Door]], dict[str, Door]],
        tell: Callable[[str], None],
        notify: Callable[[str], None],
    ) -> None:
        self._wanted = doors
        self._tell = tell
        self._notify = notify
        self._doors: dict[str, Door] = {}
        self._strangers: dict[int, tuple[Stranger, Door]] = {}  # by file descriptor, the oldest first
        self._sessions: dict[int, _Session] = {}  # by process id
        self._poll = select.epoll()
        self._wake, self._woken = os.pipe()
        self._next_look = 0.0
        self._stopping = False

    def run(self) -> int:
        """Serves until a signal says to stop."""
        os.set_blocking(self._wake, False)
        os.set_blocking(self._woken, False)
        for number in (*_STOP, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, self._on_signal)
        before = signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        self._poll.register(self._wake, select.EPOLLIN)
        try:
            self._look()
            self._notify("READY=1")
            while not self._stopping:
                self._step()
        finally:
            self._notify("STOPPING=1")
            signal.set_wakeup_fd(before)
            self._stop()
        return 0

    def _on_signal(self, number: int, _frame: object) -> None:
        if number in _STOP:
            self._stopping = True
        elif number == signal.SIGHUP:
            self._next_look = 0.0

    def _step(self) -> None:
        ready = self._poll.poll(self._patience())
        self._reap()  # first: who comes now may have a place that has become free
        for fd, _ in ready:
            if fd == self._wake:
                _drain(fd)
            elif fd in self._strangers:
                self._hear(fd)
            else:
                self._accept(fd)
        now = time.monotonic()
        for fd in [fd for fd, (stranger, _) in self._strangers.items() if stranger.deadline <= now]:
            self._dismiss(fd)
        if now >= self._next_look:
            self._look()
        for door in self._doors.values():
            if door.program is not None:
                door.program.start_if_due()

    def _patience(self) -> float:
        now = time.monotonic()
        ends = [self._next_look, *(stranger.deadline for stranger, _ in self._strangers.values())]
        programs = [door.program for door in self._doors.values() if door.program is not None]
        ends += [program.due for program in programs if program.due is not None]
        return max(0.0, min(ends) - now)

    # Doors

    def _look(self) -> None:
        """Opens the doors of new addresses, and closes those of addresses that are gone."""
        self._next_look = time.monotonic() + _LOOK
        self._notify("WATCHDOG=1")
        wanted = self._wanted(self._doors)
        for name in [name for name in self._doors if name not in wanted]:
            door = self._doors.pop(name)
            self._poll.unregister(door.listener)
            door.close()
            self._tell(f"{name} is no longer served")
        for name, door in wanted.items():
            if name not in self._doors:
                self._doors[name] = door
                self._poll.register(door.listener, select.EPOLLIN)
                if door.program is not None:
                    door.program.start_if_due()
        # A session outlives the address by which its client came, and its token can still be revoked.
        for door in {*self._doors.values(), *(session.door for session in self._sessions.values())}:
            state = door.tokens.state()
            if state != door.seen:
                door.seen = state
                self._turn_out(door)

    def _turn_out(self, door: Door) -> None:
        """Ends the sessions of those whose token was revoked."""
        for pid, session in self._sessions.items():
            try:
                if session.door is door and not session.is_allowed():
                    os.kill(pid, signal.SIGTERM)
            except OSError as error:
                self._complain(door, f"its tokens can't be read: {error.strerror}")

    def _accept(self, fd: int) -> None:
        door = next((door for door in self._doors.values() if door.listener.fileno() == fd), None)
        if door is None:
            return
        try:
            for _ in range(_AT_ONCE):
                self._take_in(door.listener.accept()[0], door)
        except BlockingIOError:
            return
        except OSError:  # there is no file descriptor left for it
            time.sleep(_OUT_OF_FILES)

    def _take_in(self, connection: socket.socket, door: Door) -> None:
        if len(self._strangers) >= MOST:
            self._dismiss(next(iter(self._strangers)))
        connection.setblocking(False)
        self._strangers[connection.fileno()] = (Stranger(connection, door.tokens.find), door)
        self._poll.register(connection, select.EPOLLIN)

    # Strangers

    def _hear(self, fd: int) -> None:
        stranger, door = self._strangers[fd]
        try:
            grant = stranger.hear()
        except (PeerError, OSError):
            self._dismiss(fd)
            return
        except AnnexshellError as error:
            self._tell(f"{door.name}: {error}")
            self._dismiss(fd)
            return
        if grant is not None:
            self._welcome(fd, stranger, door, grant)

    def _dismiss(self, fd: int) -> None:
        stranger, _ = self._strangers.pop(fd)
        self._poll.unregister(fd)
        stranger.connection.close()

    def _welcome(self, fd: int, stranger: Stranger, door: Door, grant: Grant) -> None:
        if sum(each.door is door for each in self._sessions.values()) >= door.limit:
            self._complain(door, f"there are {door.limit} clients already, and one more was turned away")
            self._dismiss(fd)
            return
        try:
            pid = os.fork()
        except OSError as error:
            self._complain(door, f"no session can be started: {error.strerror}")
            self._dismiss(fd)
            return
        if pid == 0:
            self._become_session(stranger, door, grant)
        self._sessions[pid] = _Session(door, stranger.token, grant)
        self._dismiss(fd)

    def _complain(self, door: Door, words: str) -> None:
        now = time.monotonic()
        if now - door.last_word >= _REMINDER:
            door.last_word = now
            self._tell(f"{door.name}: {words}")

    # Sessions

    def _become_session(self, stranger: Stranger, door: Door, grant: Grant) -> None:
        """In the process that is to serve one client; never returns."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._poll.close()
            for fd in (self._wake, self._woken):
                os.close(fd)
            for other in self._doors.values():
                other.listener.close()
            for other_stranger, _ in self._strangers.values():
                if other_stranger is not stranger:
                    other_stranger.connection.close()
            code = door.serve(stranger.connection, stranger.client, grant)
        except BaseException as error:
            self._tell(f"{door.name}: a session failed: {type(error).__name__}: {error}")
        finally:
            os._exit(code)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._sessions.pop(pid, None)
            for door in self._doors.values():
                if door.program is not None and door.program.pid == pid:
                    door.program.ended(os.waitstatus_to_exitcode(status))

    def _stop(self) -> None:
        for fd in list(self._strangers):
            self._dismiss(fd)
        for door in self._doors.values():
            door.close()
        _end(self._sessions)


def _end(sessions: Iterable[int]) -> None:
    """Has processes end, by force if they take their time."""
    left = set(sessions)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in left:
            os.kill(pid, number)
        deadline = time.monotonic() + _GRACE
        while left and time.monotonic() < deadline:
            left -= {pid for pid in left if os.waitpid(pid, os.WNOHANG)[0]}
            time.sleep(0.01)


def _drain(fd: int) -> None:
    try:
        while os.read(fd, 4096):
            pass
    except BlockingIOError:
        pass
