"""Which members of a group a key belongs to. Pure (Annex/Balanced.hs, Limit.hs: limitFullyBalanced).

The choice depends on nothing but the key, the members and, where some are full, their sizes. All programs have to
choose the same members from the same facts: a gateway would store what its clients then want elsewhere.
"""

from __future__ import annotations

from hashlib import sha256
from hmac import digest
from math import inf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from annexshell.model.key import Key


_BLOCK = 64  # bytes; HMAC replaces a longer secret by its hash, which we compute once and not for each key


def secret_of(members: Sequence[bytes]) -> bytes:
    """The HMAC secret that stands for the members of a group. `members` are all of them, full ones included, sorted."""
    text = b"".join(members)
    return text if len(text) <= _BLOCK else sha256(text).digest()


def picks(secret: bytes, candidates: Sequence[bytes], key: Key, count: int) -> list[bytes]:
    """Picks `count` of the candidates for a key. They are sorted, and members of the group that `secret` stands for."""
    if not candidates or count < 1:
        return []
    start = int.from_bytes(digest(secret, key.serialized, "sha256"), "big") % len(candidates)
    if count == 1:
        return [candidates[start]]
    return [candidates[(start + i) % len(candidates)] for i in range(min(count, len(candidates)))]


class Fullness:
    """How full repositories are, in bytes. One without a maximum always has space."""

    def __init__(self, sizes: Mapping[bytes, int], maxima: Mapping[bytes, int]) -> None:
        self._sizes = sizes
        self._maxima = maxima

    def with_space(self, members: Sequence[bytes], key: Key, locations: Collection[bytes]) -> Sequence[bytes]:
        """The members that the key fits into, or that have it already and are not overfull."""
        return [
            member
            for member in members
            if member not in self._maxima or member not in self._sizes or self._fits(member, key, locations)
        ]

    def emptiest(self, members: Sequence[bytes], key: Key, locations: Collection[bytes], count: int) -> list[bytes]:
        """The `count` members with the largest fraction of their maximum free, sorted by uuid. Only members with a
        maximum and with space for the key count."""
        found = []
        for member in members:
            maximum = self._maxima.get(member, 0)
            if maximum > 0 and self._fits(member, key, locations):
                free = maximum - self._sizes.get(member, 0) + (key.size or 0 if member in locations else 0)
                found.append((ratio(free, maximum), member))
        found.sort(reverse=True)
        return sorted(member for _, member in found[: max(count, 0)])

    def too_full(self, members: Sequence[bytes], threshold: float) -> int:
        """How many members have at least the fraction `threshold` of their maximum used."""
        return sum(
            self._maxima.get(member, 0) != 0
            and member in self._sizes
            and ratio(self._sizes[member], self._maxima[member]) >= threshold
            for member in members
        )

    def _fits(self, member: bytes, key: Key, locations: Collection[bytes]) -> bool:
        needed = 0 if member in locations else key.size or 0
        return self._sizes.get(member, 0) + needed <= self._maxima[member]


def ratio(part: int, whole: int) -> float:
    """The quotient, infinite if it is too large for a float."""
    try:
        return part / whole
    except OverflowError:
        return inf if part > 0 else -inf
