"""The repositories of a simulation, and what is configured about them."""

from __future__ import annotations

from random import Random

from annexshell.model.amounts import parse_size
from annexshell.policy.preferred import explain_failure
from annexshell.policy.snapshot import DEFAULT_THRESHOLD, Expressions, RepositoryLogs, Snapshot, SnapshotSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from annexshell.model.key import Key


class BadScript(ValueError):
    """A simulation whose description does not make sense."""


class Setting(SnapshotSource):
    """What the logs would hold, by uuid as in snapshot.Snapshot. It may be changed, and then gives a new snapshot."""

    def __init__(self) -> None:
        self.names: dict[str, bytes] = {}  # of repositories
        self.nodes: dict[str, bytes] = {}  # further names, for repositories that are nodes of clusters
        self.special: set[bytes] = set()  # special remotes
        self.groups: dict[bytes, set[str]] = {}
        self.trust: dict[bytes, int] = {}
        self.wanted: dict[bytes, str] = {}
        self.required: dict[bytes, str] = {}
        self.group_wanted: dict[str, str] = {}
        self.maxima: dict[bytes, int] = {}
        self.directories: dict[bytes, str] = {}
        self.copies = self.least_copies = 1
        self.rebalance = False
        self.threshold = DEFAULT_THRESHOLD
        self.fields: dict[Key, dict[str, set[str]]] = {}  # metadata
        self._snapshot: Snapshot | None = None

    def metadata(self, key: Key) -> Mapping[str, Collection[str]]:
        return self.fields.get(key, {})

    def is_secure(self, key: Key) -> bool:
        return key.variety.startswith((b"SHA2", b"SHA3", b"SHA5", b"BLAKE", b"SKEIN"))

    def add(self, name: str, uuid: bytes, special: bool = False) -> None:
        """Adds a repository. Raises BadScript."""
        self.check_new(name)
        self.names[name] = uuid
        if special:
            self.special.add(uuid)
        self.changed()

    def check_new(self, name: str) -> None:
        """Raises BadScript for a name that is in use."""
        if name in self.nodes:
            raise BadScript(f'There is already a cluster node in the simulation named "{name}".')
        if name in self.names:
            raise BadScript(f'There is already a repository in the simulation named "{name}".')

    def uuid(self, name: str) -> bytes:
        """The uuid of the repository with a name. Raises BadScript."""
        found = self.names.get(name) or self.nodes.get(name)
        if found is None:
            known = " ".join(sorted(self.names))
            raise BadScript(f'No repository in the simulation is named "{name}". Choose from: {known}')
        return found

    def name(self, uuid: bytes) -> str:
        """The name of a repository."""
        return next((name for name, known in self.names.items() if known == uuid), uuid.decode("utf-8", "replace"))

    def changed(self) -> None:
        """Takes notice of a change that a snapshot would show: the next one is made anew."""
        self._snapshot = None

    def snapshot(self) -> Snapshot:
        if self._snapshot is None:
            self._snapshot = Snapshot(
                self,
                RepositoryLogs(
                    {uuid: frozenset(groups) for uuid, groups in self.groups.items()},
                    dict(self.trust),
                    dict(self.maxima),
                    dict(self.directories),
                ),
                Expressions(dict(self.wanted), dict(self.required), dict(self.group_wanted)),
                self.copies,
                self.rebalance,
                self.threshold,
            )
        return self._snapshot

    def without(self, uuid: bytes) -> Setting:
        """A copy without a repository."""
        other = self._copy()
        for name in [name for name, known in self.names.items() if known == uuid]:
            del other.names[name]
        for name in [name for name, known in self.nodes.items() if known == uuid]:
            del other.nodes[name]
        for values in (other.groups, *other._settings()):
            values.pop(uuid, None)
        return other

    def with_another(self, name: str, like: bytes, uuid: bytes) -> Setting:
        """A copy with one more repository, which is set up like another one. Raises BadScript."""
        other = self._copy()
        other.add(name, uuid, like in self.special)
        if like in self.nodes.values():
            other.nodes[f"node {name}"] = uuid
        if like in self.groups:
            other.groups[uuid] = set(self.groups[like])
        for values in other._settings():
            if like in values:
                values[uuid] = values[like]
        return other

    def _settings(self) -> list[dict[bytes, Any]]:
        return [self.trust, self.wanted, self.required, self.maxima, self.directories]

    def _copy(self) -> Setting:
        other = Setting()
        for name, value in vars(self).items():
            setattr(other, name, value.copy() if isinstance(value, (dict, set)) else value)
        other.groups = {uuid: set(groups) for uuid, groups in self.groups.items()}
        other.changed()
        return other


_LARGEST = 1 << 200  # bytes; shares of more could not be computed with floats


def check_expression(text: str) -> str:
    """Returns the expression. Raises BadScript if it can't be understood."""
    failure = explain_failure(text)
    if failure is not None:
        raise BadScript(f'Failed parsing "{text}": {failure}')
    return text


def size_of(text: str, what: str = "file size") -> int:
    """Reads a size in bytes. Raises BadScript."""
    size = parse_size(text)
    if size is None:
        raise BadScript(f'Unable to parse {what} "{text}"')
    return max(-_LARGEST, min(size, _LARGEST))


def drawn_uuid(dice: Random) -> bytes:
    """A random uuid."""
    digits = b"%032x" % dice.getrandbits(128)
    return b"-".join((digits[:8], digits[8:12], b"4" + digits[13:16], b"a" + digits[17:20], digits[20:]))
