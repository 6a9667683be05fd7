"""Setting what repositories want, which groups they are in and how much they may hold, as git-annex's commands wanted,
required, group, ungroup, groupwanted and maxsize do.

Upstream: Command/Wanted.hs, Group.hs, Ungroup.hs, GroupWanted.hs, MaxSize.hs; Remote.hs: nameToUUID.
"""

from __future__ import annotations

import os

from annexshell.annexlog.facts import Facts
from annexshell.annexlog.logs import GROUP_WANTED, GROUPS, MAXIMA, PREFERRED, REQUIRED, MapLog, UuidLog
from annexshell.annexlog.setvalue import note
from annexshell.annexlog.sizes import RepositorySizes
from annexshell.errors import Refused
from annexshell.model.amounts import leading_integer, parse_size
from annexshell.model.ids import is_cluster_uuid
from annexshell.policy.preferred import explain_failure
from annexshell.repo.gateway.surroundings import Surroundings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.repo.local.parts import Parts

    Kind = type[MapLog] | type[UuidLog]

WANTED = PREFERRED
__all__ = ["REQUIRED", "WANTED", "Preferences"]


class Preferences:
    """The settings as one repository knows them. All methods raise Refused for what can't be done, and ChildFailed,
    OSError or DiskError for what failed."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._facts = Facts(parts.git, parts.journal)
        self._here = Surroundings(parts, self._facts)

    def uuid_of(self, name: str) -> bytes:
        """The repository that is meant by the name of a remote, a description, a uuid, `here` or a dot."""
        if name in ("here", "."):
            return self._parts.uuid
        text = os.fsencode(name)
        for remote in [*self._here.remotes, *self._here.behind()]:
            if remote.name == name or (text and remote.uuid == text):
                if not remote.uuid:
                    raise Refused(
                        f"cannot determine uuid for {name} (perhaps you need to run: annexshell updatecluster)"
                    )
                return remote.uuid
        described = [uuid for uuid, description in self._facts.descriptions().items() if description == text]
        if not described and text in self._facts.described():
            return text
        if not described:
            raise Refused(f'there is no available git remote named "{name}"')
        if len(described) > 1:
            raise Refused("found multiple repositories with that description (use the uuid instead to disambiguate)")
        return described[0]

    def expression(self, log: bytes, uuid: bytes) -> str:
        """What a repository wants or requires, empty if it has not said."""
        return self._get(UuidLog, log, uuid)

    def set_expression(self, log: bytes, uuid: bytes, text: str) -> None:
        _check(text)
        self._set(UuidLog, log, uuid, text)

    def group_expression(self, group: str) -> str:
        """What `groupwanted` stands for in a group."""
        return self._get(MapLog, GROUP_WANTED, os.fsencode(group))

    def set_group_expression(self, group: str, text: str) -> None:
        _check(text)
        if not group or any(character.isspace() for character in group):
            raise Refused(f'"{group}" can\'t be the name of a group')
        self._set(MapLog, GROUP_WANTED, os.fsencode(group), text)

    def groups(self, uuid: bytes) -> list[str]:
        """The groups that a repository is in, sorted."""
        return _sorted(self._get(UuidLog, GROUPS, uuid))

    def all_groups(self) -> list[str]:
        """The groups of all repositories that are not dead, sorted."""
        log = UuidLog(self._facts.read(GROUPS))
        alive = set(self._facts.described()) - self._facts.dead()
        return _sorted(" ".join(os.fsdecode(value) for uuid, value in log.items() if uuid in alive))

    def join(self, uuid: bytes, group: str) -> None:
        if not group or "\n" in group:
            raise Refused(f'"{group}" can\'t be the name of a group')
        self._set(UuidLog, GROUPS, uuid, " ".join(_sorted(" ".join([*self.groups(uuid), group]))))

    def leave(self, uuid: bytes, group: str) -> None:
        self._set(UuidLog, GROUPS, uuid, " ".join(known for known in self.groups(uuid) if known != group))

    def maximum(self, uuid: bytes) -> int | None:
        """How many bytes a repository may hold, None without a limit."""
        return leading_integer(self._get(MapLog, MAXIMA, uuid))

    def set_maximum(self, uuid: bytes, text: str) -> None:
        size = parse_size(text)
        if size is None:
            raise Refused("Unable to parse size.")
        self._set(MapLog, MAXIMA, uuid, str(size))

    def overview(self) -> list[tuple[bytes, str, int, int | None]]:
        """(uuid, description, bytes, maximum) of each repository that is neither dead nor a cluster, in the order in
        which upstream shows them."""
        facts, parts = self._facts, self._parts
        sizes = RepositorySizes(
            parts.git,
            parts.journal,
            facts.described,
            parts.annex.locks,
            parts.annex.perms,
            parts.use.tell,
            not parts.use.looks_only,
        ).now()
        maxima = dict.fromkeys((uuid for uuid, _ in MapLog(facts.read(MAXIMA)).items()), 0)
        shown = {uuid for uuid in sizes.keys() | maxima.keys() if not is_cluster_uuid(uuid)} - facts.dead()
        rows = [(uuid, self._described(uuid), sizes.get(uuid, 0), self.maximum(uuid)) for uuid in shown]
        return sorted(rows, key=lambda row: (row[3] is not None, row[3] or 0, row[2], row[0]), reverse=True)

    def _described(self, uuid: bytes) -> str:
        if uuid != self._parts.uuid:
            text = self._here.description(uuid)
            return "" if text == os.fsdecode(uuid) else text
        return " ".join(filter(None, (os.fsdecode(self._facts.descriptions().get(uuid) or b""), "[here]")))

    def _get(self, kind: Kind, path: bytes, field: bytes) -> str:
        return os.fsdecode(kind(self._facts.read(path)).get(field) or b"")

    def _set(self, kind: Kind, path: bytes, field: bytes, value: str) -> None:
        note(self._parts.journal, self._facts, kind, path, field, os.fsencode(value))


def _check(expression: str) -> None:
    """Raises Refused for an expression that nobody would understand."""
    failure = explain_failure(expression)
    if failure is not None:
        raise Refused(f"Parse error: {failure}")
    if "\n" in expression or "\r" in expression:
        raise Refused("An expression has to be on one line.")


def _sorted(groups: str) -> list[str]:
    return sorted({group for group in groups.split(" ") if group}, key=os.fsencode)
