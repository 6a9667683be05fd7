"""Logs that hold values."""

from __future__ import annotations

from annexshell.annexlog.logs import parse_remote_config


def test_the_configuration_of_a_special_remote() -> None:
    line = b"name=a&32;b type=directory empty= odd=x=y quoted=&38;38; broken=&x;&&9999999999; high=&8232;"
    assert parse_remote_config(line) == {
        b"name": b"a b",
        b"type": b"directory",
        b"empty": b"",
        b"odd": b"x=y",
        b"quoted": b"&38;",
        b"broken": b"&x;&&9999999999;",
        b"high": "\u2028".encode(),
    }
