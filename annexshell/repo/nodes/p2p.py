"""Nodes behind a P2P network: their addresses, the tokens that let us in, and how to get there.

Upstream: P2P/Address.hs, P2P/Auth.hs, P2P/Generic.hs, doc/design/generic_p2p_transport.
"""

from __future__ import annotations

import os

from annexshell.errors import NodeError, PeerGone
from annexshell.repo.nodes.dial import Line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.disk.spawn import Environment
    from annexshell.model.remote import Remote
    from annexshell.repo.nodes.dial import Dialer

_SCHEME = b"p2p-annex::"
_UNIX = b"unix"  # the network whose addresses are paths of unix sockets: it needs no program


def parse_p2p_url(remote: Remote) -> tuple[bytes, bytes]:
    """(name of the network, address in it). Raises NodeError."""
    network, _, address = remote.location[len(_SCHEME) :].partition(b":")
    if not network or b"/" in network or not address or address.startswith(b"-"):
        raise NodeError(remote.name, "its url is not of the form p2p-annex::NETWORK:ADDRESS")
    return network, address


def auth_token(annex_dir: bytes, env: Environment, network: bytes, address: bytes) -> bytes:
    """The token with which a peer lets us in; empty if we have none, which some are content with."""
    token = env.get(b"GIT_ANNEX_P2P_AUTHTOKEN")
    if token is None:
        try:
            with open(b"%b/creds/%b" % (annex_dir, _file_name(network + b":" + address)), "rb") as file:
                token = file.readline()
        except OSError:
            return b""
    token = token.partition(b"\n")[0].lower()
    return token if token.isalnum() else b""


def _file_name(text: bytes) -> bytes:
    """An address as a file name: all but letters and digits is escaped."""
    pieces = (c if c.isalnum() else "".join(f"%{byte:02X}" for byte in os.fsencode(c)) for c in os.fsdecode(text))
    return os.fsencode("".join(pieces))


def dial(dialer: Dialer, name: str, network: bytes, address: bytes) -> Line:
    """A connection to an address, by way of the program of its network. Raises NodeError."""
    if network != _UNIX:
        return dialer.start([b"git-annex-p2p-" + network, address], name)
    from annexshell.net.connect import open_unix

    try:
        connect = dialer.waiting.connect
        return Line(open_unix(address, connect.within(connect.limit)), dialer.waiting)
    except PeerGone as error:
        raise NodeError(name, f"its socket {os.fsdecode(address)} can't be used: {error}") from None
