"""What simulations upload."""

from __future__ import annotations

from random import Random
from statistics import mean, median

import pytest

from annexshell.policy.simulation.contents import Contents, parse_list, parse_sizes
from annexshell.policy.simulation.setting import BadScript, size_of


def sizes(text: str) -> list[int]:
    dice = Random(1)
    draw = parse_sizes(text)
    return [draw(dice) for _ in range(2000)]


def test_distributions() -> None:
    assert set(sizes("1.5kB")) == {1500}
    between = sizes("10..20")
    assert (min(between), max(between)) == (10, 20)
    assert 0.9e6 < mean(sizes("mean 1MB")) < 1.1e6
    normal = sizes("median 1MB*10")
    assert 0.8e6 < median(normal) < 1.2e6
    assert 0.27 < sum(size > 10e6 or size < 1e5 for size in normal) / 2000 < 0.37
    assert 3e5 < median(sizes("median 400kB")) < 5e5


@pytest.mark.parametrize("text", ["", "much", "2..1", "median", "median 1*x", "median 1*0.5", "mean", "-5", "1..x"])
def test_no_distributions(text: str) -> None:
    with pytest.raises(BadScript):
        parse_sizes(text)


def test_contents_are_the_same_each_time() -> None:
    contents = Contents(5, 7, parse_sizes("median 1MB"))
    assert list(contents) == list(contents)
    assert list(contents) != list(Contents(5, 8, parse_sizes("median 1MB")))
    assert [file for _, file in contents] == [f"file{number}" for number in range(1, 6)]


def test_lists() -> None:
    listed = parse_list("# comment\n10 a b.txt\n\n2kB\n")
    assert listed == [(10, "a b.txt"), (2000, "")]
    drawn = {(key.size, file) for key, file in Contents(50, 0, parse_sizes("1"), listed)}
    assert drawn == set(listed)
    for text in ("", "10\nx y"):
        with pytest.raises(BadScript):
            parse_list(text)


@pytest.mark.parametrize("text", ["1e400", "9" * 400, "1e300QB"])
def test_sizes_beyond_all_disks(text: str) -> None:
    """Shares of them are computed with floats."""
    assert float(size_of(text, "maxsize")) == float(1 << 200)
    with pytest.raises(BadScript):
        parse_sizes(f"mean {text}")
