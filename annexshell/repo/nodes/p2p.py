"""Nodes behind a P2P network: the tokens that let us in, and how to get there.

Upstream: P2P/Auth.hs, P2P/Generic.hs, P2P/IO.hs, doc/design/generic_p2p_transport.
"""

from __future__ import annotations

import os

from annexshell.errors import AnnexshellError, NodeError, PeerGone
from annexshell.model.ids import is_recordable
from annexshell.model.p2p import TOR, parse_p2p_url, parse_token
from annexshell.repo.nodes.dial import Line
from annexshell.wire.codec import encode, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.disk.spawn import Environment
    from annexshell.model.p2p import P2PAddress
    from annexshell.model.remote import Remote
    from annexshell.repo.nodes.dial import Dialer

_UNIX = b"unix"  # the network whose addresses are paths of unix sockets: it needs no program
TOR_PROXY = ("127.0.0.1", 9050)  # as in Utility/Tor.hs


def address_of(remote: Remote) -> P2PAddress:
    """Raises NodeError."""
    address = parse_p2p_url(remote.location)
    if address is None:
        raise NodeError(
            remote.name, "its url is not of the form p2p-annex::NETWORK:ADDRESS or tor-annex::ADDRESS.onion:PORT"
        )
    return address


def auth_token(annex_dir: bytes, env: Environment, address: P2PAddress) -> bytes:
    """The token with which a peer lets us in; empty if we have none, which some are content with."""
    token = env.get(b"GIT_ANNEX_P2P_AUTHTOKEN")
    if token is None:
        try:
            with open(b"%b/creds/%b" % (annex_dir, address.file_name), "rb") as file:
                token = file.readline()
        except OSError:
            return b""
    return parse_token(token.partition(b"\n")[0])


def dial(dialer: Dialer, name: str, address: P2PAddress) -> Line:
    """A connection to an address, by way of the program of its network, or of tor's proxy. Raises NodeError."""
    if address.network not in (_UNIX, TOR):
        return dialer.start([b"git-annex-p2p-" + address.network, address.place], name)
    try:
        if address.network == TOR:
            from annexshell.net.socks import open_by_proxy

            return Line(open_by_proxy(TOR_PROXY, *address.onion, dialer.waiting), dialer.waiting)
        from annexshell.net.connect import open_unix

        connect = dialer.waiting.connect
        return Line(open_unix(address.place, connect.within(connect.limit)), dialer.waiting)
    except PeerGone as error:
        if address.network == TOR:
            raise NodeError(name, f"tor does not lead to it: {error}") from None
        raise NodeError(name, f"its socket {os.fsdecode(address.place)} can't be used: {error}") from None


def ask_who(dialer: Dialer, name: str, address: P2PAddress, client: bytes, token: bytes) -> bytes:
    """The uuid of the repository that a token leads to. Raises NodeError."""
    line = dial(dialer, name, address)
    try:
        line.stream.write(encode(b"AUTH", client, token))
        said = line.stream.read_line()
        if said is None:
            raise PeerGone("it closed the connection")
        answer = parse(said)
    except (AnnexshellError, OSError) as error:
        raise NodeError(name, f"{error}{_because(line)}") from None
    finally:
        line.close()
    if answer.word != b"AUTH-SUCCESS" or not is_recordable(answer.args[0]):
        raise NodeError(name, "it does not let us in; check the address and the token behind it")
    uuid: bytes = answer.args[0]
    return uuid


def _because(line: Line) -> str:
    reason = line.reason()
    return f": {reason}" if reason else ""
