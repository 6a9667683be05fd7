"""Nodes that are not on this machine: over ssh, HTTP, and P2P networks (upstream: Remote/Git.hs, Remote/P2P.hs)."""

from __future__ import annotations

from annexshell.errors import NodeError
from annexshell.model.remote import HTTP, P2P, SSH
from annexshell.repo.nodes.peer import PeerRepository
from annexshell.store.removal import boot_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.model.remote import Remote
    from annexshell.repo.gateway.gateway import Gateway
    from annexshell.repo.port import Repository


def reach(gateway: Gateway, remote: Remote, bypass: list[bytes]) -> Repository:
    """A remote as a repository, which is connected to on first use. Raises NodeError."""
    if remote.kind == SSH:
        return _ssh(gateway, remote, bypass)
    if remote.kind == P2P:
        return _p2p(gateway, remote, bypass)
    if remote.kind == HTTP:
        return _http(gateway, remote, bypass)
    if remote.location.startswith(b"tor-annex::"):
        raise NodeError(remote.name, "nodes can't be reached over tor from here: give it an ssh or annex+http url")
    raise NodeError(remote.name, "it is not a remote that can be proxied to")


def _ssh(gateway: Gateway, remote: Remote, bypass: list[bytes]) -> Repository:
    dialer = gateway.dialer()
    return PeerRepository(
        remote.uuid,
        remote.name,
        lambda: dialer.ssh(remote, gateway.uuid, remote.uuid),
        boot_time,
        bypass=bypass,
        hops=remote.hops,
    )


def _p2p(gateway: Gateway, remote: Remote, bypass: list[bytes]) -> Repository:
    from annexshell.repo.nodes.p2p import auth_token, dial, parse_p2p_url

    network, address = parse_p2p_url(remote)
    token = auth_token(gateway.parts.paths.annex_dir, gateway.parts.git.env, network, address)
    dialer = gateway.dialer()
    return PeerRepository(
        remote.uuid,
        remote.name,
        lambda: dial(dialer, remote.name, network, address),
        boot_time,
        (gateway.uuid, token),
        bypass,
    )


def _http(gateway: Gateway, remote: Remote, bypass: list[bytes]) -> Repository:
    from annexshell.net.httpclient import HttpClient
    from annexshell.repo.nodes.httpauth import NO_PROMPT, Credentials
    from annexshell.repo.nodes.httppeer import HttpRepository
    from annexshell.repo.nodes.httprequests import HttpRequests
    from annexshell.wire.httpapi import parse_url

    try:
        url = parse_url(remote.location, remote.uuid)
    except ValueError as error:
        raise NodeError(remote.name, f"its annexUrl can't be used ({error})", "its annexUrl can't be used") from None
    dialer = gateway.dialer(NO_PROMPT)
    git = gateway.parts.git
    credentials = Credentials(
        url, _credential_url(remote), lambda word: dialer.start(git.argv("credential", word), remote.name)
    )
    client = HttpClient(url, gateway.waiting, remote.hops)
    requests = HttpRequests(remote.uuid, remote.name, client, url.prefix, credentials, gateway.uuid, bypass)
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
