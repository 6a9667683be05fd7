"""Values of options of the HTTP server."""

from __future__ import annotations

import pytest

from annexshell.cli.admin.options import Options
from annexshell.cli.admin.serving.p2phttp.values import Given
from annexshell.errors import BadUsage


@pytest.mark.parametrize(("text", "size"), [("0", 0), ("10k", 10_000), ("100 GiB", 100 << 30), ("1.5", 2)])
def test_sizes(text: str, size: int) -> None:
    assert Given(Options({"--max-size": text})).size("--max-size") == size


@pytest.mark.parametrize("text", ["", "-5", "10kbb", "much", "nan", "1e400", "9" * 5000])
def test_sizes_that_make_no_sense(text: str) -> None:
    with pytest.raises(BadUsage, match=r"--max-size has to be a size such as 100GB"):
        Given(Options({"--max-size": text})).size("--max-size")


@pytest.mark.parametrize("text", ["", "-1", "x", "1.5", "nan", "inf", "1" + "0" * 10, "9" * 5000])
def test_numbers_that_make_no_sense(text: str) -> None:
    with pytest.raises(BadUsage, match=r"--stall has to be a number"):
        Given(Options({"--stall": text})).number("--stall")


@pytest.mark.parametrize(("text", "age"), [("12h", 43200), ("14d", 1_209_600), ("1d12h", 129_600), ("never", 0)])
def test_ages(text: str, age: float) -> None:
    assert Given(Options({"--expire-partials": text})).age("--expire-partials") == age


@pytest.mark.parametrize("text", ["", "12", "0s", "-1d", "nand", "infd", "1e999d", "12x", "d"])
def test_ages_that_make_no_sense(text: str) -> None:
    with pytest.raises(BadUsage, match=r"--expire-partials has to be a time"):
        Given(Options({"--expire-partials": text})).age("--expire-partials")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", None),
        ("9418", ("127.0.0.1", 9418)),
        ("10.0.0.1:0", ("10.0.0.1", 0)),
        ("[::1]:65535", ("::1", 65535)),
    ],
)
def test_places(text: str, place: tuple[str, int] | None) -> None:
    assert Given(Options({"--metrics": text})).place("--metrics") == place


@pytest.mark.parametrize("text", ["x", ":", "65536", "10.0.0.1:", "::1:x", "1" * 6, "\u0661"])
def test_places_that_make_no_sense(text: str) -> None:
    with pytest.raises(BadUsage, match=r"--metrics has to be a port, or ADDRESS:PORT, not "):
        Given(Options({"--metrics": text})).place("--metrics")


@pytest.mark.parametrize("text", ["", "8", "1000", "-1", "rwx"])
def test_modes_that_make_no_sense(text: str) -> None:
    with pytest.raises(BadUsage, match=r"--socket-mode has to be three octal digits such as 660, not "):
        Given(Options({"--socket-mode": text})).mode("--socket-mode")


def test_ports_are_no_larger_than_they_can_be() -> None:
    assert Given(Options({"--port": "65535"})).port("--port") == 65535
    with pytest.raises(BadUsage, match=r"--port has to be a number up to 65535, not 65536"):
        Given(Options({"--port": "65536"})).port("--port")


def test_an_empty_path_is_not_the_same_as_none() -> None:
    """Whoever gives one means to name a file, and must not get a server without its rules."""
    assert Given(Options({"--access": None})).path("--access") is None
    assert Given(Options({"--access": ""})).path("--access") is not None
