"""What the options of the HTTP server may be."""

from __future__ import annotations

import pytest

from annexshell.cli.admin.serving.p2phttp.options import read_age, read_number, read_size
from annexshell.errors import BadUsage


@pytest.mark.parametrize(("text", "size"), [("0", 0), ("10k", 10_000), ("100 GiB", 100 << 30), ("1.5", 2)])
def test_sizes(text: str, size: int) -> None:
    assert read_size({"--max-size": text}, "--max-size") == size


@pytest.mark.parametrize("text", ["", "-5", "10kbb", "much", "nan", "1e400", "9" * 5000])
def test_sizes_that_make_no_sense(text: str) -> None:
    with pytest.raises(BadUsage, match=r"--max-size has to be a size such as 100GB"):
        read_size({"--max-size": text}, "--max-size")


@pytest.mark.parametrize("text", ["", "-1", "x", "1.5", "nan", "inf", "1" + "0" * 10, "9" * 5000])
def test_numbers_that_make_no_sense(text: str) -> None:
    with pytest.raises(BadUsage, match=r"--stall has to be a number"):
        read_number({"--stall": text}, "--stall")


@pytest.mark.parametrize(("text", "age"), [("12h", 43200), ("14d", 1_209_600), ("1d12h", 129_600), ("never", 0)])
def test_ages(text: str, age: float) -> None:
    assert read_age({"--expire-partials": text}) == age


@pytest.mark.parametrize("text", ["", "12", "0s", "-1d", "nand", "infd", "1e999d", "12x", "d"])
def test_ages_that_make_no_sense(text: str) -> None:
    with pytest.raises(BadUsage, match=r"--expire-partials has to be a time"):
        read_age({"--expire-partials": text})
