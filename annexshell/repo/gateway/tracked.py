"""Records what a node has in the gateway's own location log (Annex/Proxy.hs: mkProxyMethods; P2P/Proxy.hs)."""

from __future__ import annotations

from annexshell.annexlog.facts import parse_locations
from annexshell.annexlog.lines import MISSING, PRESENT
from annexshell.errors import NodeFailed, doing
from annexshell.repo.forward import ForwardingRepository
from annexshell.repo.port import AlreadyHave, Writing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.annexlog.facts import Facts
    from annexshell.annexlog.journal import Journal
    from annexshell.model.key import Key
    from annexshell.repo.port import Repository
    from annexshell.store.layout import Layout
    from annexshell.stream.port import Sink

    Vouched = Callable[[list[bytes]], list[bytes]]

_LONG = 1 << 15  # bytes; somebody may have pushed a log of millions of lines, each of which takes some microseconds


class LocationTracker:
    """The gateway's location log."""

    def __init__(self, facts: Facts, journal: Journal, layout: Layout) -> None:
        self._facts = facts
        self._journal = journal
        self._layout = layout

    def locations(self, key: Key, offload: Callable[[Callable[[], set[bytes]]], set[bytes]]) -> set[bytes]:
        """The repositories that have the content, as far as is known here. `offload` is given what takes long."""
        log = self._facts.read(self._layout.location_log(key))
        return parse_locations(log) if len(log) < _LONG else offload(lambda: parse_locations(log))

    def stored(self, key: Key, uuids: list[bytes]) -> None:
        """Records that repositories have the key now."""
        self._record(key, uuids, PRESENT)

    def removed(self, key: Key, uuids: list[bytes]) -> None:
        """Records that repositories no longer have the key."""
        self._record(key, uuids, MISSING)

    def _record(self, key: Key, uuids: list[bytes], status: bytes) -> None:
        if uuids:
            with doing("recording where the content is"):
                self._journal.set_locations(self._layout.location_log(key), uuids, status)


class TrackedRepository(ForwardingRepository):
    """A node whose changes are recorded. A key that it has already is not news, and is not recorded. `vouched` returns
    those of the other repositories that it names which it can speak for; the rest go no further."""

    def __init__(self, inner: Repository, tracker: LocationTracker, vouched: Vouched) -> None:
        self.uuid = inner.uuid
        self._inner = inner
        self._tracker = tracker
        self._vouched = vouched

    def inner(self) -> Repository:
        return self._inner

    def remove(self, key: Key, before: int | None = None) -> list[bytes]:
        try:
            others = self._vouched(self._inner.remove(key, before))
        except NodeFailed as error:
            gone = self._vouched(error.uuids)
            self._tracker.removed(key, gone)
            raise NodeFailed(str(error), gone) from None
        self._tracker.removed(key, [self.uuid, *others])
        return others

    def put(self, key: Key, file: bytes) -> AlreadyHave | Writing:
        result = self._inner.put(key, file)
        if isinstance(result, Writing):
            return TrackedWriting(result, key, self.uuid, self._tracker, self._vouched)
        return AlreadyHave(self._vouched(result.uuids))


class TrackedWriting(Writing):
    """An upload to a tracked node."""

    def __init__(self, inner: Writing, key: Key, uuid: bytes, tracker: LocationTracker, vouched: Vouched) -> None:
        self.offset = inner.offset
        self._inner = inner
        self._key = key
        self._uuid = uuid
        self._tracker = tracker
        self._vouched = vouched

    def begin(self, length: int) -> Sink:
        return self._inner.begin(length)

    def finish(self, valid: bool | None, verified: bool | None = None) -> list[bytes]:
        return self._stored(self._inner.finish(valid, verified))

    def finish_present(self) -> list[bytes]:
        return self._stored(self._inner.finish_present())

    def _stored(self, named: list[bytes]) -> list[bytes]:
        others = self._vouched(named)
        self._tracker.stored(self._key, [self._uuid, *others])
        return others

    def abandon(self) -> None:
        self._inner.abandon()
