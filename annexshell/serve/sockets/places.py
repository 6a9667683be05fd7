"""Where a repository is served: its addresses in P2P networks, and the socket of each.

Upstream: P2P/Address.hs, RemoteDaemon/Transport/P2PGeneric.hs, RemoteDaemon/Transport/Tor.hs.
"""

from __future__ import annotations

import os
import socket
from errno import EADDRINUSE, EAGAIN
from hashlib import md5

from annexshell.disk.perms import make_directories
from annexshell.errors import disk_error
from annexshell.model.p2p import parse_p2p_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from annexshell.disk.perms import Perms
    from annexshell.model.p2p import P2PAddress
    from annexshell.serve.sockets.credentials import Credentials

_FILE = b"p2paddrs"
_BACKLOG = 4096  # connections that wait to be accepted; tor does not try twice


def own_addresses(credentials: Credentials) -> list[P2PAddress]:
    """Those of a repository, the newest first. Raises OSError."""
    found = map(parse_p2p_url, credentials.read(_FILE).splitlines())
    return list(dict.fromkeys(address for address in found if address is not None))


def add_addresses(credentials: Credentials, addresses: Iterable[P2PAddress]) -> None:
    """Raises OSError, LockTimeout."""
    with credentials.lock():
        known = own_addresses(credentials)
        new = [address for address in addresses if address not in known]
        if new:
            credentials.write(_FILE, b"".join(address.url + b"\n" for address in [*reversed(new), *known]))


def socket_path(annex_dir: bytes, address: P2PAddress) -> bytes:
    """Where programs of networks find the socket of an address, which is not one of tor."""
    text = address.network + b":" + address.place
    return b"%b/p2p/%b" % (annex_dir, md5(text, usedforsecurity=False).hexdigest().encode())


def make_socket_directory(annex_dir: bytes, perms: Perms) -> None:
    """Raises OSError."""
    make_directories(annex_dir + b"/p2p", os.path.dirname(annex_dir), perms)


def listen_at(path: bytes) -> socket.socket:
    """A socket at which everybody on this machine may knock, as with git-annex: a network's program may run as anybody,
    and nobody gets in without a token. Takes the place of what is there, unless somebody listens at it. Raises
    DiskError."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    directory = -1
    try:
        directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        name = b"/proc/self/fd/%d/%b" % (directory, os.path.basename(path))  # paths of sockets may not be long
        if _is_in_use(name):
            raise OSError(EADDRINUSE, "another server listens there, such as git annex remotedaemon")
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        listener.bind(name)
        os.chmod(path, 0o777)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise disk_error(error, f"making the socket {os.fsdecode(path)}") from None
    finally:
        if directory >= 0:
            os.close(directory)
    return listener


def _is_in_use(name: bytes) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        return probe.connect_ex(name) in (0, EAGAIN)


def as_seen_from(directory: bytes, path: bytes) -> bytes:
    """A path as a program in a directory is best given it: paths of sockets may not be long."""
    return min(os.path.relpath(path, directory), path, key=len)
