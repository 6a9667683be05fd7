"""The remotes of a repository: those in its git config, and those that they are gateways to (Remote/Git.hs)."""

from __future__ import annotations

import os

from annexshell.annexlog.gitconfig import parse_size
from annexshell.annexlog.logs import parse_proxied
from annexshell.model.remote import HTTP, INHERITED, LOCAL, SSH, Remote, classify
from annexshell.relay.fanout import PATIENCE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.annexlog.gitconfig import Config
    from annexshell.annexlog.logs import MapLog

_DURATIONS = {"s": 1, "m": 60, "h": 3600, "d": 86400}  # seconds


def configured_remotes(config: Config, top: bytes) -> list[Remote]:
    """The remotes in a git config that git-annex would use; relative paths are relative to `top`."""
    settings: dict[str, dict[str, bytes]] = {}
    for name in config.names("remote."):
        remote, _, field = name[len("remote.") :].rpartition(".")
        if remote:
            settings.setdefault(remote, {})[field.lower()] = config.get(name) or b""
    found = (_remote(name, fields, top) for name, fields in settings.items())
    return [remote for remote in found if remote is not None]


def _remote(name: str, fields: dict[str, bytes], top: bytes) -> Remote | None:
    url = fields.get("url", b"")
    if not url:
        return None
    kind, location = classify(url, fields.get("annexurl", b""))
    if kind == LOCAL:
        location = os.path.join(top, location)
    remote = Remote(name, fields.get("annex-uuid", b""), kind, location, fields)
    return None if remote.flag("annex-ignore") else remote


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


def _hops(proxies: MapLog, gateway: bytes, uuid: bytes, name: bytes) -> int:
    """How many gateways lie on the way to what a gateway lists under a name. If that is another gateway's name for the
    same repository, with something in front of it, then the way leads through that one too."""
    for other, value in proxies.items():
        for listed, its_name in parse_proxied(value):
            if other != gateway and listed == uuid and name.endswith(b"-" + its_name):
                return 1 + _hops(proxies, other, uuid, its_name)
    return 1


def parse_pace(text: str) -> tuple[int, float]:
    """annex.stalldetection (Types/StallDetection.hs): at least so many bytes have to move in so many seconds.

    `1MB/1m` says so; for everything else, `true` and nothing included, it is one byte a minute. `false`, with which
    upstream waits for ever, can't be had where others wait too.
    """
    size, _, duration = text.partition("/")
    count, seconds = parse_size(size), _parse_duration(duration.strip())
    return (count, seconds) if count and seconds else PATIENCE


def _parse_duration(text: str) -> float:
    """Seconds, 0 for a text that is no duration."""
    factor = _DURATIONS.get(text[-1:].lower(), 0)
    try:
        return float(text[:-1]) * factor
    except ValueError:
        return 0.0
