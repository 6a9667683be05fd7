"""Things that only some sessions need, made when they are asked for: their modules need not be loaded before."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Generic, TypeVar

    Made = TypeVar("Made")
else:  # typing takes too long to load
    Made = "Made"
    Generic = {Made: object}


class Once(Generic[Made]):
    """Called, gives what `make` made the first time."""

    __slots__ = ("_make", "_made")

    def __init__(self, make: Callable[[], Made]) -> None:
        self._make = make
        self._made: list[Made] = []

    def __call__(self) -> Made:
        if not self._made:
            self._made.append(self._make())
        return self._made[0]

    @property
    def is_made(self) -> bool:
        """Whether anybody asked for it yet."""
        return bool(self._made)
