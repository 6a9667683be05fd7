"""The facts that preferred content expressions look at: repositories and one key, as the logs see them. Pure.

Names of groups, expressions and file names are text as Python's file system encoding gives it (surrogateescape).
"""

from __future__ import annotations

from functools import cached_property
from math import inf

from annexshell.model.ids import is_cluster_uuid
from annexshell.policy.balance import Fullness, secret_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from annexshell.model.key import Key

    Test = Callable[["Subject"], int]  # the bits of the repositories that it holds for; see terms

# Trust levels, from less to more (Types/TrustLevel.hs).
DEAD, UNTRUSTED, SEMITRUSTED, TRUSTED = range(4)
TRUST_LEVELS = {"dead": DEAD, "untrusted": UNTRUSTED, "semitrusted": SEMITRUSTED, "trusted": TRUSTED}
DEFAULT_COPIES = 1
DEFAULT_THRESHOLD = 0.9  # of its maximum: too full (Types/GitConfig.hs: annexFullyBalancedThreshhold)
_DEFAULT_DIRECTORY = "public"


# The steps of work, about a third of a microsecond each, that one expression may take, and all of them together for one
# key. There is a limit because expressions come from logs that others push.
_ONE_EXPRESSION, _ALL_EXPRESSIONS = 200_000, 2_000_000
_LONG = 500_000  # characters of names times characters of expressions: what may take a few milliseconds


class TooMuchWork(Exception):
    """An expression takes too long to evaluate."""


class SnapshotSource:
    """Where facts about single keys come from; each is asked for only when an expression needs it. This one knows
    nothing."""

    def locations(self, _key: Key) -> Collection[bytes]:
        """The repositories that have the content according to the location log, dead ones included."""
        return ()

    def sizes(self) -> Mapping[bytes, int]:
        """How many bytes each repository holds."""
        return {}

    def copies_wanted(self, _file: str) -> int | None:
        """The number of copies that git's attributes ask for, None where they don't say."""
        return None

    def metadata(self, _key: Key) -> Mapping[str, Collection[str]]:
        """The values of each field that has some; names of fields are case-folded."""
        return {}

    def urls(self, _key: Key) -> Collection[str]:
        """The urls that the content can be had from, without the prefix that says how."""
        return ()

    def is_secure(self, _key: Key) -> bool:
        """Whether the key is a cryptographically secure hash of its content."""
        return False

    def is_unused(self, _key: Key) -> bool:
        """Whether `git annex unused` has listed the key last time."""
        return False


class RepositoryLogs:
    """What the logs say of each repository, by its uuid: its `groups`; its `trust` level where that is not the usual
    one; its maximum size in bytes (`maxima`); the directory that is set as preferreddir (`directories`); the `clusters`
    that it is a node of."""

    __slots__ = ("clusters", "directories", "groups", "maxima", "trust")

    def __init__(
        self,
        groups: Mapping[bytes, Collection[str]] | None = None,
        trust: Mapping[bytes, int] | None = None,
        maxima: Mapping[bytes, int] | None = None,
        directories: Mapping[bytes, str] | None = None,
        clusters: Mapping[bytes, Collection[bytes]] | None = None,
    ) -> None:
        self.groups = groups or {}
        self.trust = trust or {}
        self.maxima = maxima or {}
        self.directories = directories or {}
        self.clusters = clusters or {}


class Expressions:
    """The `preferred` and the `required` ones by uuid, and those by group that repositories refer to."""

    __slots__ = ("by_group", "preferred", "required")

    def __init__(
        self,
        preferred: Mapping[bytes, str] | None = None,
        required: Mapping[bytes, str] | None = None,
        by_group: Mapping[str, str] | None = None,
    ) -> None:
        self.preferred = preferred or {}
        self.required = required or {}
        # An expression that was emptied is as good as none.
        self.by_group = {group: text for group, text in (by_group or {}).items() if text}


class Snapshot:
    """The logs about repositories as of one moment; never changed, since what is made of them is remembered.

    `copies` is the number of copies wanted, None where the log doesn't say. With `rebalance` what is stored may move to
    where balance wants it (git-annex's option of that name), and repositories that are full to `threshold` are kept
    from getting more where there is a choice.

    Tests answer for many repositories at once, with an integer: each has a bit of its own, and -1 is all of them.
    """

    def __init__(
        self,
        source: SnapshotSource,
        repositories: RepositoryLogs | None = None,
        expressions: Expressions | None = None,
        copies: int | None = None,
        rebalance: bool = False,
        threshold: float = DEFAULT_THRESHOLD,
    ) -> None:
        self.source = source
        self.repositories = repositories or RepositoryLogs()
        self.expressions = expressions or Expressions()
        self.copies = copies or DEFAULT_COPIES
        self.rebalance = rebalance
        self.threshold = threshold
        self.wanted: dict[bytes, Test | None] = {}  # what each repository wants; for preferred.py
        self.compiled: dict[object, Test | None] = {}  # the same by what they say; for preferred.py
        self._member_sets: dict[str, frozenset[bytes]] = {}
        self._secrets: dict[str, bytes] = {}
        self._bits: dict[bytes, int] = {}

    @cached_property
    def weighs_sizes(self) -> bool:
        """Whether what anybody wants depends on how full repositories are."""
        return any("balanced=" in text for text in self._texts)

    def trust_of(self, uuid: bytes) -> int:
        return self.repositories.trust.get(uuid, SEMITRUSTED)

    def members(self, group: str) -> list[bytes]:
        """The repositories in a group, sorted."""
        return self._members.get(group, [])

    @cached_property
    def _members(self) -> dict[str, list[bytes]]:
        found: dict[str, list[bytes]] = {}
        groups = self.repositories.groups
        for uuid in sorted(groups):
            for group in groups[uuid]:
                found.setdefault(group, []).append(uuid)
        return found

    def member_set(self, group: str) -> frozenset[bytes]:
        """The members of a group as a set."""
        found = self._member_sets.get(group)
        if found is None:
            found = self._member_sets[group] = frozenset(self.members(group))
        return found

    def secret(self, group: str) -> bytes:
        """The secret of a group, as balance.secret_of makes it; made once."""
        found = self._secrets.get(group)
        if found is None:
            found = self._secrets[group] = secret_of(self.members(group))
        return found

    def takes_long(self, file: str | None) -> bool:
        """Whether finding out who wants a file may take more than a few milliseconds, so that a thread should do it."""
        return self._length * max(len(file or ""), 5) > _LONG or self._asks_git

    @cached_property
    def _texts(self) -> set[str]:
        said = self.expressions
        expressions = (said.preferred, said.required, said.by_group)
        return {text for texts in expressions for text in texts.values()}

    @cached_property
    def _length(self) -> int:
        return sum(map(len, self._texts))

    @cached_property
    def _asks_git(self) -> bool:
        """Whether any expression needs git's attributes of files."""
        return any("lackingcopies" in text.replace("approxlackingcopies", "") for text in self._texts)

    def bit(self, uuid: bytes) -> int:
        """The bit that stands for a repository."""
        try:
            return self._bits[uuid]
        except KeyError:
            bit = self._bits[uuid] = 1 << len(self._bits)
            return bit

    def mask(self, uuids: Iterable[bytes]) -> int:
        """The bits of several repositories."""
        mask = 0
        for uuid in uuids:
            mask |= self.bit(uuid)
        return mask

    def with_directory(self, names: Collection[str]) -> int:
        """The repositories whose preferred directory has one of these names."""
        directories = self.repositories.directories
        named = self.mask(uuid for uuid, directory in directories.items() if directory in names)
        return named | ~self.mask(directories) if _DEFAULT_DIRECTORY in names else named


class Subject:
    """A key, and the file that it is known by now, if any. What is found out about the key is remembered, so that many
    repositories can be asked about it, but only for a moment. The copy of the repository `leaving` does not count:
    that is how to ask whether it wants the content that it is about to drop."""

    def __init__(
        self,
        snapshot: Snapshot,
        key: Key,
        file: str | None = None,
        locations: Collection[bytes] | None = None,
        fullness: Fullness | None = None,
        leaving: bytes = b"",
    ) -> None:
        self.snapshot = snapshot
        self.key = key
        self.file = file or None
        self._known_locations = locations
        self._leaving = leaving
        self.answers: dict[object, int] = {}  # by test, so that each runs once; for terms.py and preferred.py
        self.too_much: set[bytes] = set()  # the repositories whose expression took too long
        self._left: float = inf  # steps for the present expression, and
        self._left_for_all = _ALL_EXPRESSIONS
        if fullness is not None:
            self.fullness = fullness

    def start(self) -> None:
        """Begins with an expression: its work is counted from now on."""
        self._left = min(_ONE_EXPRESSION, self._left_for_all)

    def spend(self, steps: int) -> None:
        """Counts steps of work. Raises TooMuchWork if the expression, or all of them together, have taken too many."""
        self._left -= steps
        self._left_for_all -= steps
        if self._left < 0:
            raise TooMuchWork

    def also_at(self, uuid: bytes) -> Subject:
        """The same subject, as if one more repository had the content."""
        places = {*self.locations, uuid}
        other = Subject(self.snapshot, self.key, self.file, places, self.fullness)
        other.too_much, other._left_for_all = self.too_much, self._left_for_all
        return other

    @cached_property
    def locations(self) -> set[bytes]:
        """The repositories that have the key; a cluster has it if one of its nodes has."""
        known = self._known_locations
        found = set(self.snapshot.source.locations(self.key) if known is None else known)
        for uuid in list(found):
            found.update(self.snapshot.repositories.clusters.get(uuid, ()))
        return found

    @cached_property
    def present(self) -> set[bytes]:
        """The locations that are not dead."""
        return {uuid for uuid in self.locations if self.snapshot.trust_of(uuid) != DEAD}

    @cached_property
    def present_mask(self) -> int:
        return self.snapshot.mask(self.present)

    @cached_property
    def staying(self) -> set[bytes]:
        """The present locations without the one that is leaving."""
        return self.present - {self._leaving} if self._leaving else self.present

    @cached_property
    def copies(self) -> list[bytes]:
        """The locations that count as copies: clusters don't."""
        return [uuid for uuid in self.staying if not is_cluster_uuid(uuid)]

    @cached_property
    def reliable_copies(self) -> list[bytes]:
        """The copies that are not untrusted."""
        return [uuid for uuid in self.copies if self.snapshot.trust_of(uuid) != UNTRUSTED]

    @cached_property
    def copies_wanted(self) -> int:
        """The number of copies that there should be. Git's attributes count only if the file is known."""
        attribute = None if self.file is None else self.snapshot.source.copies_wanted(self.file)
        return attribute or self.snapshot.copies

    @cached_property
    def fullness(self) -> Fullness:
        return Fullness(self.snapshot.source.sizes(), self.snapshot.repositories.maxima)

    @cached_property
    def metadata(self) -> Mapping[str, Collection[str]]:
        return self.snapshot.source.metadata(self.key)

    @cached_property
    def urls(self) -> Collection[str]:
        return self.snapshot.source.urls(self.key)

    @cached_property
    def is_secure(self) -> bool:
        return self.snapshot.source.is_secure(self.key)

    @cached_property
    def is_unused(self) -> bool:
        """Whether the key is listed as unused. If its file is known, it is in use."""
        return self.file is None and self.snapshot.source.is_unused(self.key)
