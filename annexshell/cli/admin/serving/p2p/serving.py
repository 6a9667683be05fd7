"""Serving a repository at its addresses."""

from __future__ import annotations

import os
import sys
from functools import partial

from annexshell.cli.admin.serving.p2p.repository import P2pHome
from annexshell.cli.p2psession import serve as serve_session
from annexshell.disk.files import read_file
from annexshell.errors import AnnexshellError, BadUsage, Refused
from annexshell.model.p2p import TOR
from annexshell.model.show import visible
from annexshell.serve.sockets.networks import NetworkProgram
from annexshell.serve.sockets.places import as_seen_from, listen_at, make_socket_directory, own_addresses, socket_path
from annexshell.serve.sockets.server import Door, SocketServer
from annexshell.serve.sockets.torrc import find_service, parse_torrc, torrc
from annexshell.serve.systemd import notifier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.options import Options
    from annexshell.model.p2p import P2PAddress

_MOST = 10000  # clients at once


def serve(options: Options) -> int:
    """Serves until a signal says to stop."""
    home = P2pHome(options)
    doors = _Doors(home, _limit(options.text("--connections")))
    return SocketServer(doors.wanted, warn, notifier(os.environb)).run()


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:9]) <= _MOST:
        raise BadUsage(f"--connections has to be a number up to {_MOST}, not {text!r}")
    return int(text)


def warn(text: str) -> None:
    """Says it on standard error, whoever reads that."""
    try:
        sys.stderr.write(f"annexshell p2p: {visible(text)}\n")
        sys.stderr.flush()
    except OSError:
        pass


class _Doors:
    """One for each address of a repository."""

    def __init__(self, home: P2pHome, limit: int) -> None:
        self._home = home
        self._limit = limit
        self._trouble = ""

    def wanted(self, present: dict[str, Door]) -> dict[str, Door]:
        """Those that there should be, of which some are present."""
        try:
            addresses = own_addresses(self._home.credentials)
        except OSError as error:
            self._tell_once(f"the addresses can't be read: {error.strerror}")
            return present
        if not addresses:
            self._tell_once("this repository has no addresses yet; annexshell p2p --enable=NETWORK finds them out")
        found = {}
        for address in addresses:
            name = os.fsdecode(address.url)
            try:
                found[name] = present.get(name) or self._open(name, address)
            except (AnnexshellError, OSError) as error:
                self._tell_once(f"{name} can't be served: {error}")
        return found

    def _tor_socket(self) -> bytes:
        service = find_service(parse_torrc(read_file(torrc()) or b""), os.getuid(), self._home.uuid)
        if service is None:
            raise Refused(
                "tor's configuration has no hidden service for it; annexshell p2p --enable=tor, as root, makes one"
            )
        return service.socket

    def _tell_once(self, text: str) -> None:
        if text != self._trouble:
            self._trouble = text
            warn(text)

    def _open(self, name: str, address: P2PAddress) -> Door:
        home = self._home
        tokens = home.tokens.at(address)
        session = partial(serve_session, home.directory)
        program = None
        if address.network == TOR:
            path = self._tor_socket()
        else:
            path = socket_path(home.paths.annex_dir, address)
            make_socket_directory(home.paths.annex_dir, home.perms)
            program = NetworkProgram(address, as_seen_from(home.directory, path), home.directory, os.environb, warn)
        door = Door(name, listen_at(path), tokens, session, self._limit, program)
        warn(f"serving {name}")
        return door
