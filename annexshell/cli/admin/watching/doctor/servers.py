"""Servers that run, as far as this account sees them: whom they let in. The checks are pure."""

from __future__ import annotations

from ipaddress import ip_address

from annexshell.cli.admin.watching.doctor.finding import WARNING, Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_OPEN = "--wideopen"


class Listening:
    """Facts: a server's process id, the words of its command line, and the IP addresses that it listens on."""

    __slots__ = ("addresses", "pid", "words")

    def __init__(self, pid: int, words: list[str], addresses: list[str]) -> None:
        self.pid = pid
        self.words = words
        self.addresses = addresses


def look() -> list[Listening]:
    """Those of other accounts are seen by root only."""
    import psutil

    from annexshell.cli.admin.watching import processes

    found = []
    for running in processes.look():
        if running.what == processes.SERVER:
            try:
                found.append(Listening(running.pid, running.words, processes.addresses(running.pid)))
            except psutil.Error:
                continue
    return found


def check_open(servers: list[Listening]) -> Iterator[Finding]:
    """Whether one lets anybody at all do everything, from other machines too."""
    for server in servers:
        is_open = any(len(word) > len("--w") and _OPEN.startswith(word) for word in server.words)
        exposed = [address for address in server.addresses if not ip_address(address.partition("%")[0]).is_loopback]
        if is_open and exposed:
            text = f"p2phttp, process {server.pid}, lets all who reach it at {exposed[0]} store and remove"
            yield Finding("servers", WARNING, f"{text}; start it with --bind=127.0.0.1, or with logins")
