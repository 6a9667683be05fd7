"""A repository's remotes and clusters, by its git config and the git-annex branch, as of one moment."""

from __future__ import annotations

import os

from annexshell.annexlog.logs import parse_proxied
from annexshell.repo.gateway.remotes import all_remotes, named_clusters, proxied_remotes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.annexlog.facts import Facts
    from annexshell.model.remote import Remote
    from annexshell.policy.recording import Pair
    from annexshell.repo.local.parts import Parts


def _as_it_is(remote: Remote) -> Remote:
    return remote


class Surroundings:
    """`remotes` are those of the git config, also those that git-annex ignores and special ones; `named` the clusters
    of the git config; `clusters` what cluster.log says, dead nodes included."""

    def __init__(self, parts: Parts, facts: Facts, identified: Callable[[Remote], Remote] = _as_it_is) -> None:
        """`identified` may find out the uuid of a remote, and note it in the git config."""
        self.uuid = parts.uuid
        self.config = parts.git_config.now()
        self.special = facts.special_remotes()
        self.remotes = [identified(remote) for remote in all_remotes(self.config, parts.paths.top, self.special)]
        self.named = named_clusters(self.config)
        self.proxies = facts.proxies()
        self.clusters = facts.clusters()
        self.dead = facts.dead()
        self._descriptions = facts.descriptions()
        self._journal = parts.journal

    def behind(self) -> list[Remote]:
        """What is reached through the remotes that are gateways."""
        return proxied_remotes(self.remotes, self.proxies, self.config)

    def alive(self, cluster: bytes) -> set[bytes]:
        """The nodes of a cluster that are not dead."""
        return set(self.clusters.get(cluster, ())) - self.dead

    def is_private(self, uuid: bytes) -> bool:
        """Whether nobody may be told of a repository; also of one whose uuid has only just been found out."""
        flagged = any(remote.uuid == uuid and remote.flag("annex-private") for remote in self.remotes)
        return flagged or self._journal.is_private(uuid)

    def recorded_pairs(self) -> set[Pair]:
        """What clients have been told that we proxy for."""
        pairs = parse_proxied(self.proxies.get(self.uuid) or b"")
        return {(uuid, os.fsdecode(name)) for uuid, name in pairs}

    def remote(self, name: str) -> Remote | None:
        """The remote with a name, configured or behind a gateway."""
        return next((remote for remote in [*self.remotes, *self.behind()] if remote.name == name), None)

    def description(self, uuid: bytes) -> str:
        """What a repository is called for people: its description, and in brackets the name of its remote."""
        described = self._descriptions.get(uuid)
        names = [remote.name for remote in [*self.behind(), *self.remotes] if remote.uuid == uuid]
        if described is None:
            return names[-1] if names else os.fsdecode(uuid)
        text = os.fsdecode(described)
        if not names:
            return text
        return f"[{names[-1]}]" if text in ("", names[-1]) else f"{text} [{names[-1]}]"
