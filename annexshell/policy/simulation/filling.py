"""How full repositories are while a simulation fills them: the same answers as balance.Fullness, but kept up to date
where that computes them anew. Pure."""

from __future__ import annotations

from heapq import nlargest

from annexshell.policy.balance import Fullness, ratio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from annexshell.model.key import Key


class Filling(Fullness):
    """Sizes in bytes that change with `add`. All repositories have a size, of 0 if nothing is in them."""

    def __init__(self, sizes: Mapping[bytes, int], maxima: Mapping[bytes, int]) -> None:
        self.sizes = {**dict.fromkeys(maxima, 0), **sizes}
        super().__init__(self.sizes, maxima)
        self._free = {uuid: maximum - self.sizes[uuid] for uuid, maximum in maxima.items()}
        self._parts = {uuid: ratio(free, maxima[uuid]) for uuid, free in self._free.items() if maxima[uuid] > 0}
        self._groups: dict[int, _Group] = {}

    def add(self, uuid: bytes, size: int) -> None:
        """Adds to the size of a repository; subtracts if `size` is negative."""
        self.sizes[uuid] = self.sizes.get(uuid, 0) + size
        if uuid in self._free:
            free = self._free[uuid] = self._free[uuid] - size
            if uuid in self._parts:
                self._parts[uuid] = ratio(free, self._maxima[uuid])
            for group in self._groups.values():
                group.least = min(group.least, free)

    def with_space(self, members: Sequence[bytes], key: Key, locations: Collection[bytes]) -> Sequence[bytes]:
        size = key.size or 0
        group = self._group(members)
        if size <= group.least:
            return members
        if any(uuid in group.known for uuid in locations):
            return super().with_space(members, key, locations)
        free = self._free
        # What leaves is not followed, so the least may have grown.
        group.least = min([free[uuid] for uuid in group.limited], default=size)
        return [uuid for uuid in members if free.get(uuid, size) >= size]

    def emptiest(self, members: Sequence[bytes], key: Key, locations: Collection[bytes], count: int) -> list[bytes]:
        group = self._group(members)
        if count < 1 or not group.reverse or any(uuid in group.known for uuid in locations):
            return super().emptiest(members, key, locations, count)
        size = key.size or 0
        free, parts = self._free, self._parts
        if count == 1:  # of equals the one with the higher uuid
            best = max(group.reverse, key=parts.__getitem__)
            if free[best] >= size:
                return [best]
        fitting = group.reverse if size <= group.least else [uuid for uuid in group.reverse if free[uuid] >= size]
        return sorted(nlargest(count, fitting, key=parts.__getitem__))

    def _group(self, members: Sequence[bytes]) -> _Group:
        group = self._groups.get(id(members))
        if group is None:
            group = self._groups[id(members)] = _Group(members, self._free, self._parts)
        return group


class _Group:
    """Members of a group: all of them, those with a maximum, and those with one above 0 in reverse order. Each has at
    least `least` bytes free."""

    __slots__ = ("known", "least", "limited", "members", "reverse")

    def __init__(self, members: Sequence[bytes], free: Mapping[bytes, int], parts: Collection[bytes]) -> None:
        self.members = members  # kept alive, since groups are looked up by the identity of this list
        self.known = frozenset(members)
        self.limited = [uuid for uuid in members if uuid in free]
        self.reverse = [uuid for uuid in reversed(members) if uuid in parts]
        self.least = min([free[uuid] for uuid in self.limited], default=1 << 200)
