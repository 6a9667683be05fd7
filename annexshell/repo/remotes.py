"""The remotes of a repository: those in its git config, and those that they are gateways to (Remote/Git.hs)."""

from __future__ import annotations

import os

from annexshell.annexlog.logs import parse_proxied
from annexshell.model.remote import HTTP, INHERITED, LOCAL, SSH, Remote, classify

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.annexlog.gitconfig import Config
    from annexshell.annexlog.logs import MapLog


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
            found.append(Remote(full_name, uuid, gateway.kind, gateway.location, settings, gateway.uuid))
    return found
