"""The remotes of a repository: those in its git config, and those that they are gateways to (Remote/Git.hs)."""

from __future__ import annotations

import os

from annexshell.annexlog.logs import is_legal_remote_name, parse_proxied
from annexshell.model.amounts import parse_duration, parse_size
from annexshell.model.ids import is_cluster_uuid
from annexshell.model.remote import HTTP, INHERITED, LOCAL, SPECIAL, SSH, Remote, classify
from annexshell.relay.fanout import PATIENCE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from annexshell.annexlog.logs import MapLog
    from annexshell.git.config import Config

_MOST_HOPS = 10  # more are not worth counting, and the log may say anything
CLUSTER = "annex.cluster."  # and the name of a cluster make a git config that holds its uuid


def configured_remotes(config: Config, top: bytes) -> list[Remote]:
    """The git remotes in a git config that git-annex would use; relative paths are relative to `top`."""
    return [remote for remote in all_remotes(config, top, {}) if not remote.flag("annex-ignore")]


def all_remotes(config: Config, top: bytes, special: Mapping[bytes, Mapping[bytes, bytes]]) -> list[Remote]:
    """Every remote in a git config, also those to be ignored, and those of the `special` remotes in remote.log that
    are enabled here. Git remotes come first, otherwise they are in the order of git-annex."""
    settings: dict[str, dict[str, bytes]] = {}
    for name in config.names("remote."):
        remote, _, field = name[len("remote.") :].rpartition(".")
        if remote:
            settings.setdefault(remote, {})[field.lower()] = config.get(name) or b""
    rewritten = Rewriting(config)
    for fields in settings.values():
        _rewrite(fields, rewritten)
    names = sorted(settings, key=lambda name: name + ".url")
    made = (_remote(name, settings[name], top, special) for name in names)
    return sorted((remote for remote in made if remote is not None), key=lambda remote: remote.kind == SPECIAL)


class Rewriting:
    """What the git config has in place of the beginnings of urls (git-config(1): url.BASE.insteadOf)."""

    def __init__(self, config: Config) -> None:
        self._bases: dict[str, list[tuple[bytes, bytes]]] = {}
        for name, value in config.all_of("url."):
            base, _, kind = name[len("url.") :].rpartition(".")
            self._bases.setdefault(kind, []).append((value, os.fsencode(base)))

    def apply(self, url: bytes, kind: str = "insteadof") -> bytes:
        """The url after the longest beginning that has something in its place; empty if none has."""
        fitting = [(value, base) for value, base in self._bases.get(kind, []) if url.startswith(value)]
        if not fitting:
            return b""
        value, base = max(fitting, key=lambda pair: len(pair[0]))
        return base + url[len(value) :]


def _rewrite(fields: dict[str, bytes], rewriting: Rewriting) -> None:
    """Gives a remote the urls that git, and for content git-annex, use for it (Remote/Git.hs: getAnnexUrl)."""
    url = fields.get("url", b"")
    if url:
        fields["url"] = rewriting.apply(url) or url
        annex_url = fields.get("annexurl") or rewriting.apply(fields["url"], "annexinsteadof")
        if annex_url:
            fields["annexurl"] = annex_url


def _remote(
    name: str, fields: dict[str, bytes], top: bytes, special: Mapping[bytes, Mapping[bytes, bytes]]
) -> Remote | None:
    url, uuid = fields.get("url", b""), fields.get("annex-uuid", b"")
    if not url or url.startswith(b"annex::"):
        shared = special.get(fields.get("annex-config-uuid", uuid))
        return None if shared is None else Remote(name, uuid, SPECIAL, shared.get(b"type", b""), fields)
    kind, location = classify(url, fields.get("annexurl", b""))
    if kind == LOCAL:
        location = os.path.join(top, location)
    return Remote(name, uuid, kind, location, fields)


def proxied_remotes(remotes: list[Remote], proxies: MapLog, config: Config) -> list[Remote]:
    """What is reached through the remotes that are gateways, by their own lines in proxy.log.

    A remote `R-NAME` exists in memory only, and not if anybody has configured anything under its name.
    """
    found = []
    for gateway in remotes:
        if not gateway.uuid or gateway.kind not in (SSH, HTTP):
            continue
        for uuid, name in parse_proxied(proxies.get(gateway.uuid) or b""):
            full_name = f"{gateway.name}-{os.fsdecode(name)}"
            if any(True for _ in config.names(f"remote.{full_name}.")):
                continue
            settings = {field: value for field, value in gateway.settings.items() if field in INHERITED}
            hops = _hops(proxies, gateway.uuid, uuid, name)
            found.append(Remote(full_name, uuid, gateway.kind, gateway.location, settings, gateway.uuid, hops))
    return found


def _hops(proxies: MapLog, gateway: bytes, uuid: bytes, name: bytes, most: int = _MOST_HOPS) -> int:
    """How many gateways lie on the way to what a gateway lists under a name. If that is another gateway's name for the
    same repository, with something in front of it, then the way leads through that one too."""
    if most == 1:
        return 1
    for other, value in proxies.items():
        for listed, its_name in parse_proxied(value):
            if other != gateway and listed == uuid and name.endswith(b"-" + its_name):
                return 1 + _hops(proxies, other, uuid, its_name, most - 1)
    return 1


def parse_pace(text: str) -> tuple[int, float]:
    """annex.stalldetection (Types/StallDetection.hs): at least so many bytes have to move in so many seconds.

    `1MB/1m` says so; for everything else, `true` and nothing included, it is one byte a minute. `false`, with which
    upstream waits for ever, can't be had where others wait too.
    """
    size, _, duration = text.partition("/")
    count, seconds = parse_size(size), parse_duration(duration.strip())
    return (count, seconds) if count and seconds else PATIENCE


def named_clusters(config: Config) -> dict[str, bytes]:
    """The clusters of the git config: annex.cluster.NAME = uuid."""
    found = {name[len(CLUSTER) :]: config.get(name) or b"" for name in config.names(CLUSTER)}
    return {
        name: uuid for name, uuid in found.items() if is_legal_remote_name(os.fsencode(name)) and is_cluster_uuid(uuid)
    }
