"""The contents that a simulation uploads: keys of random sizes, the same ones each time they are iterated. Pure."""

from __future__ import annotations

from random import Random

from annexshell.model.amounts import parse_number
from annexshell.model.key import Key
from annexshell.policy.simulation.setting import BadScript, size_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Draw = Callable[[Random], int]  # a size in bytes


class Contents:
    """A number of keys with the names of their files. Sizes are drawn, or chosen from `listed`, pairs (size, name)."""

    def __init__(self, count: int, seed: int, draw: Draw, listed: Sequence[tuple[int, str]] = ()) -> None:
        self.count = count
        self._seed = seed
        self._draw = draw
        self._listed = listed

    def __iter__(self) -> Iterator[tuple[Key, str]]:
        dice = Random(self._seed)  # noqa: S311
        bits, random, draw, listed = dice.getrandbits, dice.random, self._draw, self._listed
        for number in range(1, self.count + 1):
            name = b"%064x" % bits(256)
            if listed:
                size, file = listed[int(random() * len(listed))]
            else:
                size, file = draw(dice), f"file{number}"
            yield Key(b"SHA256", name, size), file


def parse_sizes(text: str) -> Draw:
    """Reads a distribution of sizes: `1MB` (all the same), `1kB..10MB` (uniform), `median 1MB` (log-normal, like most
    collections of files), `median 1MB*10` (the same, with a third over 10 times larger or smaller) or `mean 1MB`
    (exponential). Raises BadScript."""
    if ".." in text:
        least, most = (_size(part) for part in text.split("..", 1))
        if most < least:
            raise BadScript(f"{text} has to have its smaller size first")
        return lambda dice: least + int(dice.random() * (most - least + 1))
    kind, _, rest = text.strip().partition(" ")
    if kind == "mean":
        mean = _size(rest)
        return lambda dice: int(dice.expovariate(1.0) * mean)
    if kind == "median":
        return _log_normal(rest)
    size = _size(text)
    return lambda _dice: size


def _log_normal(text: str) -> Draw:
    from math import exp, log

    size, star, number = text.partition("*")
    median, factor = _size(size), parse_number(number) if star else 4.0
    if factor is None or not 1 <= factor <= 1e6:
        raise BadScript(f"{number} is not a factor of 1 or more")
    sigma = log(factor)
    return lambda dice: int(exp(dice.gauss(0.0, sigma)) * median)


def _size(text: str) -> int:
    size = size_of(text.strip())
    if not 0 <= size < 1 << 63:
        raise BadScript(f'Unable to parse file size "{text}"')
    return size


def parse_list(text: str) -> list[tuple[int, str]]:
    """Reads lines of a size and, perhaps, the name of a file, as `find -printf '%s %P\\n'` prints them. Raises
    BadScript."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        size, _, name = line.strip().partition(" ")
        if size and not size.startswith("#"):
            try:
                found.append((_size(size), name.strip()))
            except BadScript as error:
                raise BadScript(f"line {number}: {error}") from None
    if not found:
        raise BadScript("there are no sizes in the list")
    return found
