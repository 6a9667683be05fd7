"""Where an upload to a cluster goes: to the nodes that want it, as the operator of the gateway would have it."""

from __future__ import annotations

import os

from annexshell.annexlog.reservations import Reservation
from annexshell.disk.files import read_file, replace_file
from annexshell.disk.perms import make_directories
from annexshell.model.ownfiles import OwnFiles
from annexshell.policy.placement import PlacementRules, wanting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import TypeVar

    from annexshell.git.config import Config
    from annexshell.model.key import Key
    from annexshell.policy.snapshot import Subject
    from annexshell.repo.gateway.preferredcontent import PreferredContent
    from annexshell.repo.local.parts import Parts

    Target = TypeVar("Target")
    Placed = tuple[list[Target], Reservation]
    Wanting = Callable[[list[Target]], list[Target]]


class Placing:
    """Decides for one upload at a time. `offload` calls a function that may wait, for a lock or for a minute."""

    def __init__(
        self, parts: Parts, preferred: PreferredContent, offload: Callable[[Callable[[], None]], None]
    ) -> None:
        self._preferred = preferred
        self._offload = offload
        self._warn = parts.use.warn
        self._perms = parts.annex.perms
        self._annex_dir = parts.paths.annex_dir
        self._path = OwnFiles(self._annex_dir).filling
        self._config = parts.git_config

    @property
    def _rules(self) -> PlacementRules:
        """The operator's rules, which may change while we run."""
        return rules(self._config.last)

    @property
    def fills_in_turn(self) -> bool:
        """Whether only one of several nodes gets an upload, until it is full."""
        return bool(self._rules.in_turn)

    def choose(
        self,
        key: Key,
        file: bytes,
        locations: Collection[bytes],
        choose: Callable[[Wanting[Target]], list[Target]],
        uuid: Callable[[Target], bytes],
    ) -> Placed[Target]:
        """The nodes that an upload goes to: those that `choose` returns, given a function that picks the candidates
        that want the key. If sizes matter, space is reserved there until the upload has ended. Raises LockTimeout,
        ChildFailed, OSError."""

        def decide() -> list[Target]:
            subject = self._preferred.subject(key, file, locations)
            chosen = choose(lambda candidates: self._wanting(subject, candidates, uuid))
            for node in sorted(subject.too_much):
                self._warn(f"what {os.fsdecode(node)} wants takes too long to evaluate; it gets nothing")
            return chosen

        def reserve() -> Placed[Target]:
            self._preferred.sizes()  # what takes long the first time is done before others have to wait for us
            return self._preferred.reservations.reserve(key.size or 0, decide, lambda chosen: [uuid(t) for t in chosen])

        def begin() -> Placed[Target]:
            if self.fills_in_turn or self._preferred.snapshot().weighs_sizes:
                return reserve()
            return decide(), Reservation(None)

        snapshot = self._preferred.current()
        if self.fills_in_turn or snapshot is None or snapshot.weighs_sizes or snapshot.takes_long(os.fsdecode(file)):
            return self._elsewhere(begin)
        return begin()

    def _elsewhere(self, reserve: Callable[[], Placed[Target]]) -> Placed[Target]:
        """Does in a thread what others would have to wait for. If the wait is broken off, nothing stays reserved."""
        done: list[Placed[Target]] = []
        given_up = False

        def work() -> None:
            done.append(reserve())
            if given_up:
                _release(done)

        try:
            self._offload(work)
        except BaseException:
            given_up = True
            _release(done)
            raise
        return done[0]

    def _wanting(self, subject: Subject, candidates: list[Target], uuid: Callable[[Target], bytes]) -> list[Target]:
        now = self._rules
        before = self._last() if now.in_turn else {}
        last = before.copy()
        chosen = wanting(subject, [uuid(candidate) for candidate in candidates], now, last)
        if last != before:
            self._note(last)
        return [candidate for candidate in candidates if uuid(candidate) in chosen]

    def _last(self) -> dict[str, bytes]:
        """The node of each group that was filled last."""
        try:
            lines = (read_file(self._path) or b"").split(b"\n")
        except OSError:  # as where it can't be written
            return {}
        return {os.fsdecode(group): uuid for uuid, blank, group in (line.partition(b" ") for line in lines) if blank}

    def _note(self, last: dict[str, bytes]) -> None:
        lines = (b"%b %b\n" % (uuid, os.fsencode(group)) for group, uuid in last.items())
        try:
            make_directories(os.path.dirname(self._path), self._annex_dir, self._perms)
            replace_file(self._path, lines, self._perms.new_file)
        except OSError:  # then the first one with space has its turn each time
            pass

    def close(self) -> None:
        """Ends the children that were needed."""
        self._preferred.close()


def rules(config: Config) -> PlacementRules:
    """The operator's rules, as the git config has them."""
    in_turn = os.fsdecode(config.get("annexshell.clusterfillinturn") or b"").split()
    return PlacementRules(config.flag("annexshell.clusteronebyone", False), in_turn)


def _release(done: list[Placed[Target]]) -> None:
    """Also if two do it at once."""
    while True:
        try:
            _, reservation = done.pop()
        except IndexError:
            return
        reservation.release()
