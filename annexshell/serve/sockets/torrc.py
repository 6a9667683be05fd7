"""Hidden services of tor for repositories, as git-annex sets them up in tor's configuration.

Upstream: Utility/Tor.hs.
"""

from __future__ import annotations

import os
import secrets
import time

from annexshell.disk.files import read_file
from annexshell.disk.spawn import NOWHERE, output
from annexshell.errors import ChildFailed, Refused
from annexshell.model.p2p import TOR, P2PAddress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from annexshell.disk.spawn import Environment

_FILES = (b"/etc/tor/torrc", b"/etc/torrc", b"/usr/local/etc/tor/torrc")
_SERVICES, _SOCKETS = b"/var/lib/tor", b"/var/lib/tor-annex"  # directories
_LOWEST, _HIGHEST = 1025, 65534  # ports
_PATIENCE = 120.0  # seconds for tor to make up an address
_PAUSE = 0.25  # seconds between two looks whether it has


class HiddenService:
    """One: the directory where tor keeps it, the port, and the socket that it leads to."""

    __slots__ = ("directory", "port", "socket")

    def __init__(self, directory: bytes, port: int, socket: bytes) -> None:
        self.directory = directory
        self.port = port
        self.socket = socket

    def lines(self) -> bytes:
        return b"\nHiddenServiceDir %b\nHiddenServicePort %d unix:%b\n" % (self.directory, self.port, self.socket)


def parse_torrc(text: bytes) -> list[HiddenService]:
    """Those that lead to a unix socket."""
    found = []
    directory = b""
    for words in map(bytes.split, text.splitlines()):
        if len(words) == 2 and words[0] == b"HiddenServiceDir":
            directory = words[1]
        elif words[:1] == [b"HiddenServicePort"] and len(words) == 3 and words[2].startswith(b"unix:"):
            port = words[1]
            if directory and port.isdigit() and len(port) < 6:
                found.append(HiddenService(directory, int(port), words[2].removeprefix(b"unix:").strip(b'"')))
            directory = b""
        elif words:
            directory = b""
    return found


def torrc() -> bytes:
    """The path of tor's configuration."""
    return next((path for path in _FILES if os.path.exists(path)), _FILES[0])


def find_service(services: Iterable[HiddenService], uid: int, uuid: bytes) -> HiddenService | None:
    """That of a repository: one of the account with this uid, or else of another one."""
    mine = [each for each in services if _is_of(each, uuid)]
    own = [each for each in mine if _is_of(each, b"%d_%b" % (uid, uuid))]
    return next(iter([*own, *mine]), None)


def _is_of(service: HiddenService, name: bytes) -> bool:
    last = os.path.basename(service.directory.rstrip(b"/"))
    return last == name or last.endswith(b"_" + name)


def add_service(uid: int, uuid: bytes, env: Environment) -> P2PAddress:
    """Has tor make a hidden service for a repository of an account; root alone can do that. The address of the one that
    is there if there is one. Raises OSError, ChildFailed, Refused."""
    path = torrc()
    services = parse_torrc(read_file(path) or b"")
    name = b"%d_%b" % (uid, uuid)
    service = next((each for each in services if _is_of(each, name)), None)
    if service is None:
        socket = b"%b/%b/s" % (_SOCKETS, name)
        service = HiddenService(b"%b/tor-annex_%b" % (_SERVICES, name), _free_port(services), socket)
        _make_directory(os.path.dirname(socket), uid)
        with open(path, "ab") as file:
            file.write(service.lines())
        _reload(env)
    else:
        _make_directory(os.path.dirname(service.socket), uid)
    return _address(service)


def _free_port(services: list[HiddenService]) -> int:
    taken = {each.port for each in services}
    return secrets.choice([port for port in range(_LOWEST, _HIGHEST + 1) if port not in taken])


def _make_directory(directory: bytes, uid: int) -> None:
    """Tor runs as another account, and has to reach the socket."""
    os.makedirs(directory, mode=0o755, exist_ok=True)
    os.chown(directory, uid, -1)


def _reload(env: Environment) -> None:
    for command in (["systemctl", "reload", "tor"], ["service", "tor", "reload"]):
        try:
            if output(command, env, NOWHERE)[0] == 0:
                return
        except ChildFailed:
            continue
    raise ChildFailed("tor could not be told to read its configuration again; is it running?")


def _address(service: HiddenService) -> P2PAddress:
    end = time.monotonic() + _PATIENCE
    while True:
        name = (read_file(service.directory + b"/hostname") or b"").strip()
        if name.endswith(b".onion"):
            return P2PAddress(TOR, b"%b:%d" % (name, service.port))
        if time.monotonic() >= end:
            raise Refused("tor has not made the hidden service; its log may say why")
        time.sleep(_PAUSE)
