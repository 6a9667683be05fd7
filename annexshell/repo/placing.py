"""Where an upload to a cluster goes: to the nodes that want it, as the operator of the gateway would have it."""

from __future__ import annotations

import os

from annexshell.annexlog.reservations import Reservation
from annexshell.disk.files import read_file
from annexshell.disk.perms import make_directories
from annexshell.policy.nodes import whose_turn
from annexshell.policy.preferred import wants
from annexshell.policy.snapshot import Subject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import TypeVar

    from annexshell.model.key import Key
    from annexshell.repo.parts import Parts
    from annexshell.repo.wishes import Wishes

    Target = TypeVar("Target")
    Placed = tuple[list[Target], Reservation]
    Wanting = Callable[[list[Target]], list[Target]]


class Placing:
    """Decides for one upload at a time. `offload` calls a function that may wait, for a lock or for a minute.

    Git configs change what nodes are asked. annexshell.clusterOneByOne: each is asked as if those before it that want
    the content had it already, so that `not copies=archive:1` gives one copy and not one on each. annexshell.
    clusterFillInTurn names groups: of the members that want the content only one gets it, the same as last time for as
    long as it has space.
    """

    def __init__(self, parts: Parts, wishes: Wishes, offload: Callable[[Callable[[], None]], None]) -> None:
        self._wishes = wishes
        self._offload = offload
        self._perms = parts.perms
        self._annex_dir = parts.paths.annex_dir
        self._path = self._annex_dir + b"/annexshell/filling"
        self._one_by_one = parts.config.flag("annexshell.clusteronebyone", False)
        self._groups = os.fsdecode(parts.config.get("annexshell.clusterfillinturn") or b"").split()

    def choose(
        self,
        key: Key,
        file: bytes,
        locations: Collection[bytes],
        choose: Callable[[Wanting[Target]], list[Target]],
        uuid: Callable[[Target], bytes],
    ) -> Placed[Target]:
        """Where an upload goes: to what `choose` returns, given a function that tells which of some candidates get the
        content. If sizes matter, space is reserved there until the upload has ended. Raises LockTimeout, ChildFailed,
        OSError."""

        def decide() -> list[Target]:
            subject = self._wishes.subject(key, file, locations)
            return choose(lambda candidates: self._wanting(subject, candidates, uuid))

        def reserve() -> Placed[Target]:
            self._wishes.sizes()  # what takes long the first time is done before others have to wait for us
            return self._wishes.reservations.reserve(key.size or 0, decide, lambda chosen: [uuid(t) for t in chosen])

        if not self._groups and not self._wishes.snapshot().weighs_sizes:
            return decide(), Reservation(None)
        return self._elsewhere(reserve)

    def _elsewhere(self, reserve: Callable[[], Placed[Target]]) -> Placed[Target]:
        """Does it in a thread. If we are made to give up meanwhile, nothing stays reserved."""
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
        wanting = []
        for candidate in candidates:
            if wants(subject, uuid(candidate)):
                wanting.append(candidate)
                if self._one_by_one:
                    subject = Subject(
                        subject.snapshot, subject.key, subject.file, {*subject.locations, uuid(candidate)}
                    )
        for group in self._groups:
            spared = self._spared(group, subject, [uuid(candidate) for candidate in wanting])
            wanting = [candidate for candidate in wanting if uuid(candidate) not in spared]
        return wanting

    def _spared(self, group: str, subject: Subject, wanting: list[bytes]) -> set[bytes]:
        """The members of a group whose turn it is not."""
        members = subject.snapshot.members(group)
        candidates = [uuid for uuid in wanting if uuid in members]
        if not candidates:
            return set()
        last = self._last(group)
        with_space = subject.fullness.with_space([*candidates, last], subject.key, ())
        chosen = whose_turn(candidates, last, with_space)
        if chosen != last and not (last and last in with_space):
            self._note(group, chosen)
        return set(candidates) - {chosen}

    def _last(self, group: str) -> bytes:
        """Who of a group has been filled last, empty if nobody has."""
        return self._filling().get(os.fsencode(group), b"")

    def _filling(self) -> dict[bytes, bytes]:
        lines = (read_file(self._path) or b"").split(b"\n")
        return {group: uuid for uuid, blank, group in (line.partition(b" ") for line in lines) if blank}

    def _note(self, group: str, uuid: bytes) -> None:
        filling = {**self._filling(), os.fsencode(group): uuid}
        temporary = self._path + b".new"
        try:
            make_directories(os.path.dirname(self._path), self._annex_dir, self._perms)
            with open(temporary, "wb") as file:
                file.writelines(b"%b %b\n" % (uuid, group) for group, uuid in filling.items())
            self._perms.new_file(temporary)
            os.rename(temporary, self._path)
        except OSError:  # then the first one with space has its turn each time
            pass


def _release(done: list[Placed[Target]]) -> None:
    """Also if two do it at once."""
    while True:
        try:
            _, reservation = done.pop()
        except IndexError:
            return
        reservation.release()
