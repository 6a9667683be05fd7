"""The words after a verb, as its usage makes options and arguments of them: each of the type that it has there."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Options:
    """`values` are what docopt found. Asking for what the usage does not have, or has as another type, is a mistake of
    ours, and raises KeyError or TypeError."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self.values = dict(values)

    def flag(self, name: str) -> bool:
        """Whether an option without a value is there."""
        value = self.values[name]
        if isinstance(value, bool):
            return value
        raise TypeError(f"{name} is no flag")

    def given(self, name: str) -> str | None:
        """What may be left out, as it is: None if it is."""
        value = self.values[name]
        if value is None or isinstance(value, str):
            return value
        raise TypeError(f"{name} has no text")

    def text(self, name: str) -> str:
        """What is always there, since it must be or has a default."""
        value = self.given(name)
        if value is None:
            raise TypeError(f"{name} may be left out")
        return value

    def texts(self, name: str) -> list[str]:
        """What may be given several times."""
        value = self.values[name]
        if isinstance(value, list):
            return [str(text) for text in value]
        raise TypeError(f"{name} is given once")
