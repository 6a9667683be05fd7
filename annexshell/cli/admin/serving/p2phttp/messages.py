"""Messages of the server, and its workers, on standard error."""

from __future__ import annotations

import os
from functools import lru_cache

from annexshell.model.show import visible
from annexshell.serve.http.reporting.outlet import Outlet

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable


def warn(text: str) -> None:
    """Prints a warning on standard error. If nobody reads that any more, requests go on all the same."""
    line = f"annexshell p2phttp: {visible(text)}\n".encode(errors="backslashreplace")
    try:
        errors().write(line)
    except OSError:
        pass


@lru_cache(maxsize=1)
def errors() -> Outlet:
    """Where warnings go. A worker opens it when it starts, since later it may have no file descriptor left."""
    return Outlet(2)


def warn_of_wideopen(listeners: Iterable[socket.socket]) -> None:
    """Warns if others than this machine can reach a server that lets everybody do everything."""
    import socket
    from ipaddress import ip_address

    for listener in listeners:
        if listener.family in (socket.AF_INET, socket.AF_INET6):
            address = listener.getsockname()[0]
            if not ip_address(address.partition("%")[0]).is_loopback:
                warn("--wideopen lets all who reach this port store and remove: give --bind 127.0.0.1, or logins")
                return


def warn_of_root(directories: list[bytes]) -> None:
    """Warns if root serves a repository of another account, which could not use the files that root stores there."""
    from annexshell.cli.admin.owner import name_of, owner_of
    from annexshell.errors import NotARepository
    from annexshell.git.paths import locate, repositories_below

    if os.geteuid() != 0:
        return
    for path in (
        [os.getcwdb()] if not directories else [path for top in directories for path in repositories_below(top)]
    ):
        try:
            owner = owner_of(locate(path))
        except (NotARepository, OSError):
            continue
        if owner != 0:
            text = f"{os.fsdecode(path)} belongs to {name_of(owner)}, and what root stores there will be root's; use:"
            warn(f"{text} su {name_of(owner)} -s /bin/sh, and serve it as that account")
            return
