"""Everything that `annexshell vicfg` shows and sets: what the git-annex branch holds about repositories, and the
clusters of this gateway.

Upstream: Command/Vicfg.hs; descriptions and clusters are additions, scheduled activities are left out.
"""

from __future__ import annotations

import os

from annexshell.admin.setup import Clusters
from annexshell.annexlog.facts import Facts
from annexshell.annexlog.lines import next_clock, timed_lines
from annexshell.annexlog.logs import (
    COPIES,
    GROUP_WANTED,
    GROUPS,
    MAXIMA,
    PREFERRED,
    REQUIRED,
    TRUST,
    MapLog,
    UuidLog,
    is_legal_remote_name,
)
from annexshell.annexlog.setvalue import note
from annexshell.model.amounts import leading_integer, parse_size, shown_size
from annexshell.model.ids import is_cluster_uuid
from annexshell.policy.configtext import Entry, Mistake, can_be_shown, changes, parse, text_of, values_of
from annexshell.policy.groups import STANDARD
from annexshell.policy.preferred import explain_failure
from annexshell.policy.recording import can_be_kept, kept_name, obstacle
from annexshell.policy.snapshot import TRUST_LEVELS
from annexshell.repo.gateway.surroundings import Surroundings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from annexshell.policy.configtext import Check, Values
    from annexshell.repo.local.parts import Parts

    Kind = type[MapLog] | type[UuidLog]

_CONFIG = b"config.log"
_LEAST_COPIES = b"mincopies.log"
_DESCRIPTIONS = b"uuid.log"
_TRUST_CODES = {"trusted": b"1", "untrusted": b"0", "semitrusted": b"?", "dead": b"X"}
_LEVELS = {b"": "trusted"} | {code: level for level, code in _TRUST_CODES.items()}

_INTRO = """git-annex configuration

Changes saved to this file will be recorded in the git-annex branch,
and those of clusters in the git config of this repository, too.

Lines in this file have the format:
  setting field = value"""
_LOGS: dict[str, tuple[bytes, Kind]] = {
    "description": (_DESCRIPTIONS, UuidLog),
    "trust": (TRUST, UuidLog),
    "group": (GROUPS, UuidLog),
    "wanted": (PREFERRED, UuidLog),
    "groupwanted": (GROUP_WANTED, MapLog),
    "required": (REQUIRED, UuidLog),
    "maxsize": (MAXIMA, MapLog),
    "config": (_CONFIG, MapLog),
}
_NUMBERS = {"numcopies": COPIES, "mincopies": _LEAST_COPIES}
# What a deleted line means; the others stay as they are.
_DEFAULTS = {"trust": "semitrusted", "group": "", "wanted": "", "groupwanted": "", "required": "", "config": ""}


class ConfigurationText:
    """The settings as of one moment. `tell` and `warn` are given lines for a person when clusters change."""

    def __init__(self, parts: Parts, tell: Callable[[str], None], warn: Callable[[str], None]) -> None:
        self._parts = parts
        self._facts = Facts(parts.git, parts.journal)
        self._here = Surroundings(parts, self._facts)
        self._clusters = Clusters(parts, tell, warn)
        self._descriptions = {_text(uuid): _text(text) for uuid, text in self._facts.descriptions().items()}
        self._uuids = [uuid for uuid in self._descriptions if can_be_shown(uuid)]
        self._named = {_text(uuid): name for name, uuid in self._here.named.items()}
        self._nodes = {
            uuid: " ".join(r.name for r in self._here.remotes if name in r.cluster_names)
            for uuid, name in self._named.items()
        }
        self._known = {*self._descriptions, *(field for setting in _LOGS for field in self._log(setting))}
        self.text = text_of(self._sections())
        self._before = values_of(self.text)

    def changes(self, text: str) -> Values:
        """What a text changes. Raises Mistakes."""
        return changes(self._before, parse(text, self._checks(), self._before), _DEFAULTS)

    def record(self, changed: Values) -> None:
        """Sets what has been changed. Raises Refused, ChildFailed, OSError, DiskError."""
        for (setting, field), value in changed.items():
            if setting in _LOGS:
                path, kind = _LOGS[setting]
                data = _TRUST_CODES[value] if setting == "trust" else os.fsencode(value)
                note(self._parts.journal, self._facts, kind, path, os.fsencode(field), data)
            elif setting in _NUMBERS:
                self._set_number(_NUMBERS[setting], os.fsencode(value))
        names = {uuid: changed.get(("cluster", uuid), name) for uuid, name in self._named.items()}
        for uuid, name in names.items():
            self._clusters.rename(self._named[uuid], name)
        for uuid, name in names.items():
            if ("nodes", uuid) in changed:
                self._set_nodes(name, self._nodes[uuid].split(), changed["nodes", uuid].split())
        if any(setting in ("cluster", "nodes") for setting, _ in changed):
            self._clusters.update()

    def _set_nodes(self, cluster: str, before: Collection[str], after: Collection[str]) -> None:
        for node in after:
            if node not in before:
                self._clusters.add_node(cluster, node)
        for node in before:
            if node not in after:
                self._clusters.remove_node(cluster, node)

    def _set_number(self, path: bytes, value: bytes) -> None:
        def replaced(text: bytes) -> bytes:
            stamps = [clock for part in (text, *self._facts.pushed(path)) for clock, _ in timed_lines(part)]
            return b"%b %b\n" % (next_clock(self._parts.journal.now(), stamps), value)

        self._parts.journal.change(path, b"", replaced)

    # The text

    def _sections(self) -> list[tuple[Iterable[str], Iterable[Entry]]]:
        standard = [f"standard {group} = {text}" for group, text in STANDARD.items()]
        groups = {*STANDARD, *(group for value in self._log("group").values() for group in value.split())}
        sections: list[tuple[Iterable[str], Iterable[Entry]]] = [
            (_INTRO.split("\n"), []),
            (["Repository descriptions"], self._about_repositories("description")),
            (
                ["Repository trust configuration", f"(Valid trust levels: {' '.join(reversed(TRUST_LEVELS))})"],
                self._about_repositories("trust", "semitrusted"),
            ),
            (
                [
                    "Repository groups",
                    f"(Standard groups: {' '.join(STANDARD)})",
                    "(Separate group names with spaces)",
                ],
                self._about_repositories("group"),
            ),
            (
                [
                    "Repository preferred contents",
                    "(Set to \"standard\" to use a repository's group's preferred contents)",
                ],
                self._about_repositories("wanted"),
            ),
            (
                ["Group preferred contents", '(Used by repositories with "groupwanted" in their preferred contents)'],
                self._entries("groupwanted", filter(can_be_shown, groups)),
            ),
            (
                [
                    "Standard preferred contents",
                    '(Used by wanted or groupwanted expressions containing "standard")',
                    "(For reference only; built-in and cannot be changed!)",
                    *standard,
                ],
                [],
            ),
            (["Repository required contents"], self._about_repositories("required")),
            (["Maximum repository sizes"], self._about_repositories("maxsize")),
            (["Numcopies configuration"], [self._number(setting) for setting in _NUMBERS]),
            (["Other global configuration"], self._entries("config", [])),
        ]
        return sections + self._cluster_sections()

    def _cluster_sections(self) -> list[tuple[Iterable[str], Iterable[Entry]]]:
        if not self._named:
            return []
        names = [
            Entry("cluster", uuid, name, "", self._descriptions.get(uuid, "")) for uuid, name in self._named.items()
        ]
        nodes = [Entry("nodes", uuid, self._nodes[uuid], "", f"cluster {name}") for uuid, name in self._named.items()]
        known = " ".join(remote.name for remote in self._here.remotes if self._node_failure(remote.name) is None)
        return [
            (["Names of the clusters of this gateway", "(Deleting a line changes nothing)"], names),
            (
                ["Their nodes here, as names of remotes", f"(Remotes that can be nodes: {known})"],
                nodes,
            ),
        ]

    def _about_repositories(self, setting: str, default: str = "") -> list[Entry]:
        return self._entries(setting, (u for u in self._uuids if not is_cluster_uuid(os.fsencode(u))), default)

    def _entries(self, setting: str, fields: Iterable[str], default: str = "") -> list[Entry]:
        """An entry for each field that is set, and commented ones for the others."""
        values = self._log(setting)
        return [
            Entry(setting, field, values.get(field), default, self._descriptions.get(field, ""))
            for field in {**dict.fromkeys(fields), **dict.fromkeys(filter(can_be_shown, values))}
        ]

    def _log(self, setting: str) -> dict[str, str]:
        """What is set, as the text shows it."""
        path, kind = _LOGS[setting]
        values = {_text(field): _text(value) for field, value in kind(self._facts.read(path)).items()}
        if setting == "trust":
            return {uuid: _LEVELS.get(os.fsencode(code), "semitrusted") for uuid, code in values.items()}
        if setting == "maxsize":
            sizes = {uuid: leading_integer(value) for uuid, value in values.items()}
            return {uuid: shown_size(size) for uuid, size in sizes.items() if size is not None}
        # What is empty was emptied once, and is as good as not set.
        return {
            field: " ".join(sorted(value.split())) if setting == "group" else value
            for field, value in values.items()
            if value
        }

    def _number(self, setting: str) -> Entry:
        numbers = timed_lines(self._facts.read(_NUMBERS[setting]))
        return Entry(setting, "default", _text(max(numbers)[1]) if numbers else None)

    # What may be set

    def _checks(self) -> dict[str, Check]:
        expression: Check = lambda field, value: self._of_known(field, _expression(value))  # noqa: E731
        return {
            "description": self._of_known,
            "trust": lambda field, value: self._of_known(field, _trust(value)),
            "group": lambda field, value: self._of_known(field, " ".join(sorted(set(value.split())))),
            "wanted": expression,
            "required": expression,
            "groupwanted": lambda field, value: _word(field, _expression(value)),
            "maxsize": lambda field, value: self._of_known(field, _size(value)),
            "numcopies": _copies,
            "mincopies": _copies,
            "config": _word,
            "cluster": self._name,
            "nodes": self._node_names,
        }

    def _of_known(self, uuid: str, value: str) -> str:
        if uuid not in self._known:
            raise Mistake(f'unknown repository "{uuid}"')
        return value

    def _name(self, uuid: str, value: str) -> str:
        if uuid not in self._named:
            raise Mistake(f'unknown cluster "{uuid}"')
        if value == self._named[uuid]:
            return value
        if not is_legal_remote_name(os.fsencode(value)) or not can_be_kept(value) or kept_name(value) != value:
            raise Mistake("a cluster name has to be letters, digits and -, and the part behind the last dot lower case")
        if value in self._here.named:
            raise Mistake(f"there is a cluster {value} already")
        return value

    def _node_names(self, uuid: str, value: str) -> str:
        if uuid not in self._named:
            raise Mistake(f'unknown cluster "{uuid}"')
        names = list(dict.fromkeys(value.split()))
        for name in names:
            failure = None if name in self._nodes[uuid].split() else self._node_failure(name)
            if failure is not None:
                raise Mistake(failure)
        return " ".join(sorted(names))

    def _node_failure(self, name: str) -> str | None:
        """Why a remote can't be a node; None if it can."""
        remote = next((remote for remote in self._here.remotes if remote.name == name), None)
        if remote is None:
            return f'there is no available git remote named "{name}"'
        if not is_legal_remote_name(os.fsencode(name)) or self._here.is_private(remote.uuid):
            return f"{name} can't be a node"
        reasons = obstacle(remote, self._here.uuid, self._here.special)
        return reasons[0] if reasons else None


def _expression(text: str) -> str:
    failure = explain_failure(text)
    if failure is not None:
        raise Mistake(failure)
    return text


def _trust(text: str) -> str:
    if text not in TRUST_LEVELS:
        raise Mistake(f'unknown trust value "{text}"')
    return text


def _size(text: str) -> str:
    size = parse_size(text)
    if size is None:
        raise Mistake('parse error (expected a size such as "100 gb")')
    return str(size)


def _copies(_field: str, text: str) -> str:
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise Mistake("parse error (expected an integer)")
    return str(max(1, int(text)))


def _word(field: str, value: str) -> str:
    if len(field.split()) != 1:
        raise Mistake(f'"{field}" is more than one word')
    return value


def _text(value: bytes) -> str:
    return os.fsdecode(value)
