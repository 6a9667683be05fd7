"""Nodes as repositories: on this machine, over ssh, HTTP, and P2P networks (upstream: Remote/Git.hs, Remote/P2P.hs)."""

from __future__ import annotations

import os

from annexshell.errors import AnnexshellError, Cause, NodeError, node_error
from annexshell.model.remote import HTTP, LOCAL, P2P, SSH
from annexshell.store.removal import boot_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.model.remote import Remote
    from annexshell.repo.local.parts import Parts
    from annexshell.repo.nodes.dial import Dialer
    from annexshell.repo.port import Repository
    from annexshell.stream.port import Waiting


class Origin:
    """From where nodes are reached: a repository, and how it waits for others."""

    def __init__(self, parts: Parts, waiting: Waiting) -> None:
        self.uuid = parts.uuid
        self.annex_dir = parts.paths.annex_dir
        self.git = parts.git
        self.perms = parts.annex.perms
        self.warn = parts.use.warn
        self.waiting = waiting
        self.follows = parts.git_config.last.flag("http.followredirects", True)  # `initial` is as good as true here
        caching = parts.git_config.last.flag("annex.sshcaching", True)
        self._caching = (
            caching and not parts.config.flag("annex.crippledfilesystem", False) and not parts.use.looks_only
        )

    def dialer(self, more: dict[bytes, bytes] | None = None) -> Dialer:
        """Starts programs that connect to nodes, with more in their environment."""
        from annexshell.repo.nodes.dial import Dialer

        return Dialer(self.annex_dir, {**self.git.env, **(more or {})}, self._caching, self.perms, self.waiting)


def reach(origin: Origin, remote: Remote, bypass: list[bytes]) -> Repository:
    """A remote as a repository. One on another machine is connected to on first use; it must not have the gateways of
    `bypass` do anything. Raises NodeError."""
    opener = _OPENERS.get(remote.kind)
    if opener is not None:
        return opener(origin, remote, bypass)
    raise NodeError(remote.name, "it is not a remote that can be proxied to", cause=Cause.NO_PROXYING)


def _local(origin: Origin, remote: Remote, _bypass: list[bytes]) -> Repository:
    from annexshell.repo.local.opening import open_local

    try:
        repository = open_local(remote.location, origin.git.env, origin.uuid, origin.warn)
    except (AnnexshellError, OSError) as error:
        raise node_error(remote.name, error) from None
    if repository.uuid != remote.uuid:
        repository.close()
        reason = f"it is another repository, {os.fsdecode(repository.uuid)}"
        raise NodeError(remote.name, reason, cause=Cause.OTHER_REPOSITORY)
    return repository


def _ssh(origin: Origin, remote: Remote, bypass: list[bytes]) -> Repository:
    from annexshell.repo.nodes.peer import PeerRepository

    dialer = origin.dialer()
    return PeerRepository(
        remote.uuid,
        remote.name,
        lambda: dialer.ssh(remote, origin.uuid, remote.uuid),
        boot_time,
        bypass=bypass,
        hops=remote.hops,
    )


def _p2p(origin: Origin, remote: Remote, bypass: list[bytes]) -> Repository:
    from annexshell.repo.nodes.p2p import address_of, auth_token, dial
    from annexshell.repo.nodes.peer import PeerRepository

    address = address_of(remote)
    token = auth_token(origin.annex_dir, origin.git.env, address)
    dialer = origin.dialer()
    return PeerRepository(
        remote.uuid,
        remote.name,
        lambda: dial(dialer, remote.name, address),
        boot_time,
        (origin.uuid, token),
        bypass,
    )


def _http(origin: Origin, remote: Remote, bypass: list[bytes]) -> Repository:
    from annexshell.repo.nodes.httpauth import NO_PROMPT
    from annexshell.repo.nodes.httppeer import HttpRepository
    from annexshell.repo.nodes.httprequests import HttpRequests
    from annexshell.repo.nodes.httpway import HttpWay
    from annexshell.wire.httpapi import parse_url

    try:
        url = parse_url(remote.location, remote.uuid)
    except ValueError as error:
        raise NodeError(remote.name, f"its annexUrl can't be used ({error})", "its annexUrl can't be used") from None
    dialer = origin.dialer(NO_PROMPT)
    git = origin.git
    way = HttpWay(
        url,
        _credential_url(remote),
        lambda word: dialer.start(git.argv("credential", word), remote.name),
        origin.waiting,
        remote.hops,
        origin.follows,
    )
    requests = HttpRequests(remote.uuid, remote.name, way, origin.uuid, bypass)
    return HttpRepository(requests, boot_time)


def _credential_url(remote: Remote) -> bytes:
    """The url whose credentials are used: that of git if it is on the same host, so that both share them."""
    from urllib.parse import urlsplit

    git_url = remote.setting("url")
    try:
        one, other = urlsplit(git_url), urlsplit(remote.location)
        shared = one.scheme in (b"http", b"https") and one.hostname == other.hostname
    except ValueError:
        shared = False
    return (git_url if shared else b"annex+" + remote.location).replace(b"\n", b"")


_OPENERS: dict[str, Callable[[Origin, Remote, list[bytes]], Repository]] = {
    LOCAL: _local,
    SSH: _ssh,
    P2P: _p2p,
    HTTP: _http,
}
