"""Facts about repositories and clusters in the git-annex branch, and in refs that were pushed but not merged yet.

The original merges such refs into its branch before it reads (Annex/Branch.hs: update); we read them all and merge
only in memory, which gives the same answers since all logs are made to be merged line by line. Refs that the original
would not merge as they are, because history was forgotten or the repositories are tuned differently, are left out.
"""

from __future__ import annotations

import os

from annexshell.annexlog.branch import BRANCH
from annexshell.annexlog.lines import PRESENT, PresenceLog
from annexshell.annexlog.logs import MapLog, UuidLog, parse_proxied, parse_remote_config
from annexshell.disk.files import read_file
from annexshell.git.refs import state
from annexshell.model.ids import is_cluster_uuid, is_word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.annexlog.journal import Journal
    from annexshell.git.program import Git

_TRUST_DEAD = b"X"


class Facts:
    """Reads the logs of one repository. The refs that are not merged are looked up once for each state of the
    branch."""

    def __init__(self, git: Git, journal: Journal) -> None:
        self._git = git
        self._journal = journal
        self._common_dir = os.path.dirname(journal.annex_dir)
        self._unmerged: tuple[object, list[bytes]] = (None, [])

    def read(self, path: bytes) -> bytes:
        """All lines of a log: those of the journal or the branch, and then those that were pushed."""
        return b"\n".join([self._journal.read(path), *self.pushed(path)])

    def pushed(self, path: bytes) -> list[bytes]:
        """The versions of a log that were pushed or fetched, and not merged yet."""
        return [self._journal.branch.read(path, commit) for commit in self._pushed()]

    def refs_state(self) -> object:
        """A value that changes when somebody pushes a git-annex branch under the name that git-annex uses for that, or
        when refs are packed."""
        return state(self._common_dir, b"refs/heads/synced/git-annex")

    def _pushed(self) -> list[bytes]:
        """The pushed commits that have to be merged in memory."""
        tip = self._journal.branch.tip()
        seen = (tip, self.refs_state())
        if self._unmerged[0] != seen:
            self._unmerged = (seen, self._find_pushed(tip))
        return self._unmerged[1]

    def _find_pushed(self, tip: bytes | None) -> list[bytes]:
        options = [b"--no-merged=" + BRANCH] if tip is not None else []
        lines = self._git.output("for-each-ref", "--format=%(objectname)", *options, "refs/**/git-annex").split()
        ignored = (read_file(self._journal.annex_dir + b"/ignoredrefs") or b"").split()
        branch = self._journal.branch
        ours = None if tip is None else [branch.read(path, tip) for path in (b"transitions.log", b"difference.log")]
        pushed = []
        for commit in dict.fromkeys(lines):
            theirs = [branch.read(path, commit) for path in (b"transitions.log", b"difference.log")]
            if commit not in ignored and (ours is None or _sets(theirs) == _sets(ours)):
                pushed.append(commit)
        return pushed

    def proxies(self) -> MapLog:
        return MapLog(self.read(b"proxy.log"))

    def listed_by(self, uuid: bytes) -> dict[bytes, list[str]] | None:
        """The repositories that a gateway proxies for: their uuids with its names for them. None if it is no
        gateway."""
        value = self.proxies().get(uuid)
        if value is None:
            return None
        listed: dict[bytes, list[str]] = {}
        for proxied, name in parse_proxied(value):
            listed.setdefault(proxied, []).append(name.decode("utf-8", "surrogateescape"))
        return listed

    def clusters(self) -> dict[bytes, list[bytes]]:
        """The nodes of each cluster, dead ones included."""
        log = MapLog(self.read(b"cluster.log"))
        return {
            cluster: list(filter(is_word, value.split())) for cluster, value in log.items() if is_cluster_uuid(cluster)
        }

    def dead(self) -> set[bytes]:
        """The repositories that are gone for good."""
        return {uuid for uuid, value in UuidLog(self.read(b"trust.log")).items() if value[:1] == _TRUST_DEAD}

    def described(self) -> list[bytes]:
        """The repositories that are known at all."""
        return [uuid for uuid, _ in self.descriptions().items()]

    def descriptions(self) -> UuidLog:
        return UuidLog(self.read(b"uuid.log"))

    def special_remotes(self) -> dict[bytes, dict[bytes, bytes]]:
        """The shared configuration of special remotes, by uuid."""
        log = UuidLog(self.read(b"remote.log"))
        return {uuid: parse_remote_config(value) for uuid, value in log.items()}

    def locations(self, log_path: bytes) -> set[bytes]:
        """The repositories that have the key whose location log this is, as far as is known here."""
        return parse_locations(self.read(log_path))


def parse_locations(log: bytes) -> set[bytes]:
    """The repositories that have the key of a location log."""
    return set(PresenceLog(log).with_status(PRESENT))


def _sets(texts: list[bytes]) -> list[set[bytes]]:
    """The lines of logs as sets, without the uuids and times that differ even between repositories that agree."""
    transitions, differences = texts
    return [
        {line for line in transitions.splitlines() if line},
        {line.partition(b"fromList")[2].partition(b" timestamp=")[0] for line in differences.splitlines()},
    ]
