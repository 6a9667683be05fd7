"""The gateway: a repository that leads to others, and what sessions and requests to them share."""

from __future__ import annotations

from annexshell.annexlog.facts import Facts, parse_locations
from annexshell.errors import AnnexshellError, NodeError, doing
from annexshell.repo.gateway.configuration import LiveConfiguration
from annexshell.repo.gateway.loads import Loads
from annexshell.repo.gateway.silence import Silence
from annexshell.repo.gateway.tracked import LocationTracker
from annexshell.repo.local.closing import close
from annexshell.store.removal import boot_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.model.key import Key
    from annexshell.model.remote import Remote
    from annexshell.repo.gateway.evaluation import Wishes
    from annexshell.repo.gateway.placing import Placing
    from annexshell.repo.local.parts import Parts
    from annexshell.repo.port import Repository
    from annexshell.stream.port import Waiting

# Seconds that a node may keep silent while it is expected to answer: hashing a large upload takes a while.
NODE_LIMIT = 300.0
_LONG_LOG = 1 << 15  # bytes; somebody may have pushed one with millions of lines, each of which takes some microseconds
# Seconds that a host may take to accept a connection, to greet us on it, and to answer what needs no long work.
CONNECT_LIMIT = 30.0


class Gateway:
    """One repository as a gateway. opening.py makes what clients of it use."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.uuid = parts.uuid
        self.facts = Facts(parts.git, parts.journal)
        self.configuration = LiveConfiguration(parts, self.facts)
        self.tracker = LocationTracker(parts.journal, parts.annex.layout)
        self.silence = Silence(parts.paths.annex_dir, parts.annex.perms)
        self.loads = Loads(parts.paths.annex_dir, parts.annex.perms)
        self.clock: Callable[[], int] = boot_time
        self._wishes: Wishes | None = None
        self._placing: Placing | None = None

    def connect(self, remote: Remote, waiting: Waiting, bypass: list[bytes]) -> Repository:
        """A remote as a repository, reached by what kind of remote it is. Raises NodeError."""
        from annexshell.repo.nodes.reach import Origin, reach

        return reach(Origin(self.parts, waiting), remote, bypass)

    def locations(self, key: Key, offload: Callable[[Callable[[], set[bytes]]], set[bytes]]) -> set[bytes]:
        """The repositories that have the content, as far as is known here. `offload` is given what takes long."""
        log = self.facts.read(self.parts.annex.layout.location_log(key))
        return parse_locations(log) if len(log) < _LONG_LOG else offload(lambda: parse_locations(log))

    def wishes(self) -> Wishes:
        """The preferred content of the repositories that uploads may go to."""
        if self._wishes is None:
            from annexshell.repo.gateway.evaluation import Wishes

            self._wishes = Wishes(self.parts, self.configuration.trust_levels)
        return self._wishes

    def placing(self, offload: Callable[[Callable[[], None]], None]) -> Placing:
        """The choice of nodes for uploads; `offload` calls functions that may have to wait."""
        if self._placing is None:
            from annexshell.repo.gateway.placing import Placing

            self._placing = Placing(self.parts, self.wishes(), offload)
        return self._placing

    def warn(self, failure: AnnexshellError, name: str = "") -> None:
        """Tells the operator of what a node did wrong; `name` is that of the node where the failure does not say it."""
        text = failure.public
        self.parts.use.warn(f"{name}: {text}" if name and not isinstance(failure, NodeError) else text)

    def close(self) -> None:
        """Commits what was recorded. Raises ChildFailed, DiskError."""
        if self._wishes is not None:
            self._wishes.close()
        with doing("committing the location log"):
            close(self.parts, changed=False)
