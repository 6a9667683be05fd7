"""What repositories want, and all that expressions of that may be about, read from the git-annex branch for
policy/preferred.

Upstream: Logs/PreferredContent.hs, Logs/Group.hs, Logs/MaxSize.hs, Logs/NumCopies.hs, Logs/Web.hs, Logs/Unused.hs.
"""

from __future__ import annotations

import os

from annexshell.annexlog.facts import Facts
from annexshell.annexlog.lines import PRESENT, PresenceLog, parse_clock, timed_lines
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
    parse_remote_config,
)
from annexshell.annexlog.metadata import parse_metadata
from annexshell.annexlog.reservations import Reservations
from annexshell.annexlog.sizes import RepositorySizes
from annexshell.disk.files import read_file, written
from annexshell.git.attributes import Attributes
from annexshell.model.amounts import leading_integer, parse_number
from annexshell.model.ids import is_cluster_uuid
from annexshell.policy.snapshot import (
    DEAD,
    DEFAULT_THRESHOLD,
    SEMITRUSTED,
    TRUSTED,
    UNTRUSTED,
    Expressions,
    RepositoryLogs,
    Snapshot,
    SnapshotSource,
    Subject,
)
from annexshell.repo.local.contents import work_tree_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from annexshell.model.key import Key
    from annexshell.repo.local.parts import Parts

_LOGS = (GROUPS, TRUST, PREFERRED, REQUIRED, GROUP_WANTED, COPIES, MAXIMA, b"remote.log", b"cluster.log")
_TRUST_LEVELS = {b"": TRUSTED, b"1": TRUSTED, b"0": UNTRUSTED, b"X": DEAD}
_DOWNLOADERS = (b"yt", b"quvi", b"")  # what an url may begin with, to say how it is downloaded


class PreferredContent(SnapshotSource):
    """Reads it. What is read of repositories is kept until the logs change; what is read of keys is not.

    `configured` gives the repositories that are remotes, with the trust levels that the git config sets, which win over
    the log; None where it sets none. Uploads under way are counted as soon as space for them is reserved in
    `reservations`. With `rebalance` they want what git-annex's option of that name means.
    """

    def __init__(
        self,
        parts: Parts,
        configured: Callable[[], Mapping[bytes, int | None]],
        rebalance: bool = False,
    ) -> None:
        self._parts = parts
        self._rebalance = rebalance
        self._facts = Facts(parts.git, parts.journal)
        self._configured = configured
        self._attributes = Attributes(parts.git, work_tree_of(parts.paths, parts.config))
        self._sizes = RepositorySizes(
            parts.git,
            parts.journal,
            self._facts.described,
            parts.annex.locks,
            parts.annex.perms,
            parts.use.tell,
            not parts.use.looks_only,
        )
        self.reservations = Reservations(parts.paths.annex_dir, parts.annex.perms)
        self._state: object = None
        self._read: tuple[list[bytes], Mapping[bytes, int | None], float] | None = None
        self._snapshot = Snapshot(self)

    def subject(self, key: Key, file: bytes, locations: Collection[bytes] | None = None) -> Subject:
        """A key for policy.preferred.wants; `file` is its name in the client's repository, empty if that is not known,
        and `locations` the repositories that have it, if that is known already."""
        return Subject(self.snapshot(), key, os.fsdecode(file), locations)

    def current(self) -> Snapshot | None:
        """The present state of the logs, if nothing has to be read for that."""
        return self._snapshot if self._current_state(self._configured()) == self._state else None

    def snapshot(self) -> Snapshot:
        """The present state of the logs. Reading them takes time in proportion to their length."""
        configured = self._configured()
        state = self._current_state(configured)
        if state != self._state:
            read = [self._facts.read(path) for path in _LOGS], configured, self._threshold()
            if read != self._read:  # most commits are about something else
                self._snapshot = _snapshot(self, *read, self._rebalance)
            self._read, self._state = read, state
        return self._snapshot

    def _threshold(self) -> float:
        number = parse_number(_text(self._parts.git_config.last.get("annex.fullybalancedthreshhold") or b""))
        return DEFAULT_THRESHOLD if number is None else number

    def _current_state(self, configured: Mapping[bytes, int | None]) -> object:
        journaled = [written(path) for log in _LOGS for path in self._parts.journal.paths(log)]
        return (self._parts.journal.branch.tip(), self._facts.refs_state(), journaled, configured, self._threshold())

    def locations(self, key: Key) -> Collection[bytes]:
        return self._facts.locations(self._parts.annex.layout.location_log(key))

    def sizes(self) -> Mapping[bytes, int]:
        sizes = self._sizes.now()
        for uuid, size in self.reservations.sums().items():
            sizes[uuid] = sizes.get(uuid, 0) + size
        return sizes

    def copies_wanted(self, file: str) -> int | None:
        value = self._attributes.get(os.fsencode(file), b"annex.numcopies")
        return None if value is None else _copies(value)

    def metadata(self, key: Key) -> Mapping[str, Collection[str]]:
        return parse_metadata(self._facts.read(self._parts.annex.layout.location_log(key) + b".met"))

    def urls(self, key: Key) -> Collection[str]:
        log = PresenceLog(self._facts.read(self._parts.annex.layout.location_log(key) + b".web") + b"\n")
        return [_plain_url(url) for url in log.with_status(PRESENT)]

    def is_secure(self, key: Key) -> bool:
        from annexshell.model.hashes import is_secure

        return is_secure(key, self._parts.contents.keys.equivalents(key))

    def close(self) -> None:
        """Ends the children that were needed."""
        self._attributes.close()

    def is_unused(self, key: Key) -> bool:
        lines = (read_file(self._parts.paths.annex_dir + b"/unused") or b"").split(b"\n")
        return key.serialized in map(_unused_key, lines)


def _snapshot(
    source: SnapshotSource,
    texts: list[bytes],
    configured: Mapping[bytes, int | None],
    threshold: float,
    rebalance: bool,
) -> Snapshot:
    text = dict(zip(_LOGS, texts))
    remotes = {uuid: parse_remote_config(value) for uuid, value in UuidLog(text[b"remote.log"]).items()}
    trust = _trust(UuidLog(text[TRUST]), remotes, configured)
    maxima = ((uuid, leading_integer(_text(value))) for uuid, value in MapLog(text[MAXIMA]).items())
    copies = [(clock, n) for clock, value in timed_lines(text[COPIES]) if (n := _copies(value)) is not None]
    clusters: dict[bytes, list[bytes]] = {}
    for cluster, nodes in MapLog(text[b"cluster.log"]).items():
        for node in nodes.split():
            if is_cluster_uuid(cluster) and trust.get(node) != DEAD:
                clusters.setdefault(node, []).append(cluster)
    repositories = RepositoryLogs(
        {uuid: frozenset(_text(value).split(" ")) - {""} for uuid, value in UuidLog(text[GROUPS]).items()},
        trust,
        {uuid: maximum for uuid, maximum in maxima if maximum is not None},
        {uuid: _text(config[b"preferreddir"]) for uuid, config in remotes.items() if b"preferreddir" in config},
        clusters,
    )
    expressions = Expressions(
        _texts(UuidLog(text[PREFERRED])),
        _texts(UuidLog(text[REQUIRED])),
        {_text(group): _text(value) for group, value in MapLog(text[GROUP_WANTED]).items()},
    )
    return Snapshot(source, repositories, expressions, max(copies)[1] if copies else None, rebalance, threshold)


def _trust(
    log: UuidLog, remotes: Mapping[bytes, Mapping[bytes, bytes]], configured: Mapping[bytes, int | None]
) -> dict[bytes, int]:
    """The trust levels that are not the usual one (Logs/Trust/Basic.hs: trustMapLoad'). Trees that anybody may change
    are not trusted, as far as git-annex knows them for such: where they are remotes."""
    trust = {uuid: _TRUST_LEVELS.get(value, SEMITRUSTED) for uuid, value in log.items() if len(value) < 2}
    for uuid, level in configured.items():
        if level is not None:
            trust[uuid] = level
        config = remotes.get(uuid, {})
        if b"yes" in (config.get(b"exporttree"), config.get(b"importtree")) and config.get(b"versioning") != b"yes":
            trust[uuid] = min(trust.get(uuid, SEMITRUSTED), UNTRUSTED)
    return trust


def _texts(log: UuidLog) -> dict[bytes, str]:
    return {uuid: _text(value) for uuid, value in log.items()}


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _copies(value: bytes) -> int | None:
    """A number of copies; it can't be less than one."""
    number = leading_integer(_text(value))
    return None if number is None else max(number, 1)


def _plain_url(url: bytes) -> str:
    downloader, colon, rest = url.partition(b":")
    return _text(rest if colon and downloader in _DOWNLOADERS else url)


def _unused_key(line: bytes) -> bytes:
    """The key in a line of AD/unused, `NUMBER KEY TIME`."""
    rest = line.partition(b" ")[2]
    key, _, stamp = rest.rpartition(b" ")
    return key if key and parse_clock(stamp) is not None else rest
