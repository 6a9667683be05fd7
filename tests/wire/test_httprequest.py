"""Targets and parameters of requests, which are not parsed each time if they come again and again."""

from __future__ import annotations

import pytest

from annexshell.errors import BadRequest, NoSuchEndpoint
from annexshell.model.key import Key
from annexshell.wire.endpoints import ENDPOINTS, MAX_VERSION, PLAIN_KEY, Endpoint
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
        assert (target.uuid, target.version, target.endpoint, target.key) == (b"uuid", 4, ENDPOINTS["key"], name)
        with pytest.raises(NoSuchEndpoint):
            parse_path(b"/git-annex/uuid/v9/key/" + name)
        with pytest.raises(NoSuchEndpoint):
            parse_path(b"/git-annex/uuid/v4/key/" + name, b"/base")


def test_parameters_are_decoded() -> None:
    parameters = Parameters(b"ke%79=WORM--a%2Bb+c&clientuuid=a+b&associatedfile=%5BW2Zvb10%3D%5D", ENDPOINTS["put"], 0)
    assert parameters.key() == Key(b"WORM", b"a+b c")
    assert parameters.client() == b"a b"
    assert parameters.file() == b"[foo]"


GETTERS = {
    "key": Parameters.key,
    "clientuuid": Parameters.client,
    "bypass": Parameters.bypass,
    "associatedfile": Parameters.file,
    "offset": Parameters.offset,
    "timestamp": Parameters.timestamp,
    "lockid": Parameters.lock_id,
    "data-present": Parameters.data_present,
}
ROWS = [*((endpoint, MAX_VERSION) for endpoint in ENDPOINTS.values()), (PLAIN_KEY, 0)]


@pytest.mark.parametrize(("endpoint", "version"), ROWS)
def test_each_endpoint_has_its_parameters(endpoint: Endpoint, version: int) -> None:
    """Without one that is required a request is refused, and without all others it has none of them."""
    parameters = Parameters(b"", endpoint, version)
    required = {parameter.name for parameter in endpoint.required}
    for name, get in GETTERS.items():
        if name in required:
            with pytest.raises(BadRequest, match=f"^Query parameter {name} is required$"):
                get(parameters)
        else:
            assert not get(parameters)


@pytest.mark.parametrize("endpoint", [*ENDPOINTS.values(), PLAIN_KEY], ids=lambda endpoint: endpoint.name)
def test_parameters_of_other_endpoints_and_versions_are_ignored(endpoint: Endpoint) -> None:
    """Whatever they say."""
    parameters = Parameters("&".join(f"{name}=%00" for name in GETTERS).encode(), endpoint, 1)
    known = {parameter.name for parameter in (*endpoint.required, *endpoint.optional) if parameter.since <= 1}
    for name in GETTERS.keys() - known:
        assert not GETTERS[name](parameters), name
    for name in known - {"associatedfile", "lockid"}:  # which take any text
        with pytest.raises(BadRequest, match=f"^Error parsing query parameter {name} failed"):
            GETTERS[name](parameters)


def test_every_parameter_is_one_that_can_be_read() -> None:
    named = {parameter.name for row, _ in ROWS for parameter in (*row.required, *row.optional)}
    assert named == set(GETTERS)


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=lambda endpoint: endpoint.name)
def test_an_endpoint_is_there_from_its_first_version_on(endpoint: Endpoint) -> None:
    key = b"/WORM--x" if endpoint.name == "key" else b""
    for version in range(MAX_VERSION + 2):
        path = b"/git-annex/uuid/v%d/%b%b" % (version, endpoint.name.encode(), key)
        if endpoint.since <= version <= MAX_VERSION:
            assert parse_path(path).endpoint is endpoint
        else:
            with pytest.raises(NoSuchEndpoint, match=r"^bad version$"):
                parse_path(path)


def test_only_a_key_has_a_url_without_a_version() -> None:
    for name in ENDPOINTS.keys() - {"key"}:
        with pytest.raises(NoSuchEndpoint, match=r"^there is nothing here$"):
            parse_path(b"/git-annex/uuid/" + name.encode())
    assert parse_path(b"/git-annex/uuid/key/WORM--x").endpoint is PLAIN_KEY
