"""Targets and parameters of requests that come again and again, and are not parsed each time."""

from __future__ import annotations

import pytest

from annexshell.errors import BadRequest, NoSuchEndpoint
from annexshell.wire.httprequest import Parameters, parse_path, read_key

LONG = b"x" * 5000


@pytest.mark.parametrize("name", [b"name", LONG])
def test_a_key_is_the_same_each_time(name: bytes) -> None:
    text = b"WORM-s03-m1--" + name
    assert [read_key(text).serialized for _ in range(3)] == [b"WORM-s3-m1--" + name] * 3


@pytest.mark.parametrize("text", [b"foo", b"[!!]", b"foo" + LONG, b""])
def test_what_is_no_key_never_becomes_one(text: bytes) -> None:
    for _ in range(3):
        with pytest.raises(BadRequest):
            read_key(text)


@pytest.mark.parametrize("name", [b"name", LONG])
def test_a_path_is_the_same_each_time(name: bytes) -> None:
    for _ in range(3):
        target = parse_path(b"/git-annex/uuid/v4/key/" + name)
        assert (target.uuid, target.version, target.endpoint, target.key) == (b"uuid", 4, "key", name)
        with pytest.raises(NoSuchEndpoint):
            parse_path(b"/git-annex/uuid/v9/key/" + name)
        with pytest.raises(NoSuchEndpoint):
            parse_path(b"/git-annex/uuid/v4/key/" + name, b"/base")


def test_parameters_are_decoded() -> None:
    parameters = Parameters(b"ke%79=WORM--a%2Bb+c&clientuuid=a+b&associatedfile=%5BW2Zvb10%3D%5D")
    assert parameters.key().serialized == b"WORM--a+b c"
    assert parameters.client() == b"a b"
    assert parameters.file() == b"[foo]"
