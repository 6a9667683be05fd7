"""What systemd and we tell each other: sockets that it listens at for us, and how we are (sd_listen_fds(3),
sd_notify(3))."""

from __future__ import annotations

import os
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_FIRST = 3  # file descriptor of the first socket
_MOST_DIGITS = 18  # of any number that systemd passes


def passed_sockets(environment: Mapping[bytes, bytes], pid: int) -> list[socket.socket]:
    """The sockets that were passed to this process, none if these variables are meant for another."""
    if environment.get(b"LISTEN_PID") != b"%d" % pid:
        return []
    count = environment.get(b"LISTEN_FDS", b"0")
    if not count.isdigit() or len(count) > _MOST_DIGITS:
        return []
    found = []
    for fd in range(_FIRST, _FIRST + int(count)):
        os.set_inheritable(fd, False)
        found.append(socket.socket(fileno=fd))
    return found


def watchdog_seconds(environment: Mapping[bytes, bytes], pid: int) -> float | None:
    """After how many seconds without a sign of life this process is restarted; None for never
    (sd_watchdog_enabled(3))."""
    microseconds = environment.get(b"WATCHDOG_USEC", b"")
    if not microseconds.isdigit() or len(microseconds) > _MOST_DIGITS or int(microseconds) == 0:
        return None
    if environment.get(b"WATCHDOG_PID", b"%d" % pid) != b"%d" % pid:
        return None
    return int(microseconds) / 1e6


def notifier(environment: Mapping[bytes, bytes]) -> Callable[[str], None]:
    """Tells systemd a state, or nobody if nobody wants to know."""
    path = environment.get(b"NOTIFY_SOCKET", b"")
    if path[:1] not in (b"/", b"@"):
        return lambda _state: None
    address = b"\0" + path[1:] if path.startswith(b"@") else path

    def tell(state: str) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            try:
                sender.sendto(state.encode(), address)
            except OSError:
                pass  # it is for systemd to miss us

    return tell
