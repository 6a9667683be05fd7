"""What simulations take from a real repository: its clusters, what is configured about repositories, and its files."""

from __future__ import annotations

from annexshell.admin.preferences import Preferences
from annexshell.errors import BadKey, Refused
from annexshell.model.key import key_from_file_name
from annexshell.policy.proxying import cluster_members
from annexshell.policy.simulation.network import World
from annexshell.policy.simulation.setting import BadScript, Setting
from annexshell.repo.gateway.gateway import Gateway
from annexshell.repo.gateway.preferredcontent import PreferredContent
from annexshell.store.worktree.files import parse_pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from annexshell.model.key import Key
    from annexshell.policy.snapshot import Snapshot
    from annexshell.repo.local.parts import Parts

_LINK = b"120000"
_OBJECTS = b"annex/objects/"


class RealWorld(World):
    """One repository, of which nothing is changed."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._gateway = Gateway(parts)
        self._preferred = PreferredContent(parts, self._gateway.configuration.trust_levels)

    def use(self, setting: Setting, name: str, what: str) -> None:
        try:
            uuid = Preferences(self._parts).uuid_of(what)
        except Refused as error:
            raise BadScript(f'Unable to use a repository "{name}" in the simulation because {error}') from None
        real = self._preferred.snapshot()
        groups = set(real.repositories.groups.get(uuid, ()))
        setting.add(name, uuid, uuid in self._gateway.facts.special_remotes())
        setting.groups[uuid] = groups
        setting.group_wanted |= {group: text for group, text in real.expressions.by_group.items() if group in groups}
        for values, others in _settings(setting, real):
            if uuid in others:
                values[uuid] = others[uuid]
        setting.directories.pop(uuid, None)  # as in the original

    def tree(self) -> Iterator[tuple[str, Key]]:
        git = self._parts.git
        lines = git.output("ls-files", "--stage", "-z", "--full-name").split(b"\0")
        entries = [line.partition(b"\t") for line in lines if line]
        texts = git.contents([header.split(b" ")[1] for header, _, _ in entries])
        for text, (header, _, path) in zip(texts, entries):
            key = _linked(text) if header.startswith(_LINK) else parse_pointer(text)
            if key is not None:
                yield path.decode("utf-8", "surrogateescape"), key

    def cluster(self, name: str | None) -> tuple[Setting, list[bytes]]:
        """Everything that is known of repositories here, and the nodes of a cluster, best first; without a name there
        has to be only one. Raises BadScript."""
        configuration = self._gateway.configuration.now()
        if name is None and len(configuration.named) == 1:
            name = next(iter(configuration.named))
        if name is None or name not in configuration.named:
            if not configuration.named:
                raise BadScript("this repository has no cluster; use annexshell initcluster, or name a sim file")
            known = ", ".join(sorted(configuration.named))
            asked = "say which cluster is meant" if name is None else f"there is no cluster {name} here"
            raise BadScript(f"{asked}; the clusters of this gateway are: {known}")
        remotes, _ = cluster_members(configuration, configuration.named[name], [])
        if not remotes:
            raise BadScript(f"the cluster {name} has no nodes that can be used here")
        real = self._preferred.snapshot()
        setting = Setting()
        for remote in remotes:
            setting.add(remote.name, remote.uuid)
        setting.groups = {uuid: set(groups) for uuid, groups in real.repositories.groups.items()}
        setting.group_wanted = dict(real.expressions.by_group)
        setting.copies = real.copies
        setting.threshold = real.threshold
        for values, others in _settings(setting, real):
            values.update(others)
        return setting, [remote.uuid for remote in remotes]

    def sizes(self) -> Mapping[bytes, int]:
        """What the repositories hold, in bytes. Takes a while the first time."""
        return self._preferred.sizes()

    def close(self) -> None:
        self._preferred.close()


def _settings(setting: Setting, real: Snapshot) -> tuple[tuple[dict[bytes, Any], Mapping[bytes, Any]], ...]:
    """What there is for each repository, to be copied from one to the other."""
    return (
        (setting.trust, real.repositories.trust),
        (setting.wanted, real.expressions.preferred),
        (setting.required, real.expressions.required),
        (setting.maxima, real.repositories.maxima),
        (setting.directories, real.repositories.directories),
    )


def _linked(target: bytes) -> Key | None:
    """The key that a symbolic link points to."""
    if _OBJECTS not in target:
        return None
    try:
        return key_from_file_name(target.rpartition(b"/")[2])
    except BadKey:
        return None
