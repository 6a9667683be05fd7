"""Requests of the HTTP API, as a server reads them: targets and parameters (upstream: P2P/Http.hs, P2P/Http/Types.hs).
Pure: no I/O, and payload never comes here. The other direction is in httpapi.
"""

from __future__ import annotations

import json
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from annexshell.errors import BadKey, BadRequest, BadResponse, BadUuid, NoSuchEndpoint
from annexshell.model.ids import parse_associated_file, parse_client, parse_uuid
from annexshell.model.key import parse_key
from annexshell.wire import endpoints
from annexshell.wire.endpoints import ENDPOINTS, MAX_VERSION, PLAIN_KEY
from annexshell.wire.httpapi import decode_value, encode_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from annexshell.model.key import Key
    from annexshell.wire.endpoints import Endpoint, Parameter

    Value = TypeVar("Value")
    Other = TypeVar("Other")

_MAX_PARAMETERS = 1000
_LONGEST_NUMBER = 999  # digits, as in the line protocol
_REMEMBERED = 300  # bytes of paths and keys that are not parsed again when they come next


class ApiTarget:
    """A request's path, taken apart. `version` is None in the url of a key without one, and `key` the key in either
    url of one, which is not parsed yet."""

    __slots__ = ("endpoint", "key", "uuid", "version")

    def __init__(self, uuid: bytes, version: int | None, endpoint: Endpoint, key: bytes | None) -> None:
        self.uuid = uuid
        self.version = version
        self.endpoint = endpoint
        self.key = key


def split_target(target: bytes) -> tuple[bytes, bytes]:
    """Path and query, of a target that may be a whole url. Leading slashes are one."""
    if not target.startswith(b"/"):
        _, found, rest = target.partition(b"://")
        target = b"/" + rest.partition(b"/")[2] if found else target
    path, _, query = target.partition(b"?")
    return b"/" + path.lstrip(b"/"), query


def parse_path(path: bytes, base: bytes = b"") -> ApiTarget:
    """The target with a path below `base` (such as /annex). Raises NoSuchEndpoint, BadRequest.

    Split first, then decoded: a key may hold an encoded slash. Clients whose url ends in /git-annex/ say that twice.
    """
    return _known_target(path, base) if len(path) <= _REMEMBERED else _target(path, base)


def _target(path: bytes, base: bytes) -> ApiTarget:
    if not path.startswith(base + b"/"):
        raise NoSuchEndpoint("there is nothing here")
    segments = path[len(base) + 1 :].split(b"/")
    if segments[-1] == b"":
        segments.pop()
    while segments[:2] == [b"git-annex", b"git-annex"]:
        segments.pop(0)
    if len(segments) < 3 or segments[0] != b"git-annex":
        raise NoSuchEndpoint("there is nothing here")
    uuid, *rest = (unquote_to_bytes(segment) for segment in segments[1:])
    version = _version(rest[0])
    if version is not None:
        rest.pop(0)
    name, *rest = rest or [b""]
    endpoint = _endpoint(name.decode("latin-1"), version)
    if len(rest) != (endpoint.name == "key"):
        raise NoSuchEndpoint("there is nothing here")
    if version is not None and not endpoint.since <= version <= MAX_VERSION:
        raise NoSuchEndpoint("bad version")
    return ApiTarget(_decoded(uuid), version, endpoint, rest[0] if rest else None)


def _endpoint(name: str, version: int | None) -> Endpoint:
    known = ENDPOINTS if version is not None else {PLAIN_KEY.name: PLAIN_KEY}
    if name not in known:
        raise NoSuchEndpoint("there is nothing here")
    return known[name]


_known_target = lru_cache(maxsize=256)(_target)


def _version(segment: bytes) -> int | None:
    digits = segment[1:]
    return int(digits) if segment[:1] == b"v" and digits.isdigit() and len(digits) < 4 else None


def _decoded(value: bytes) -> bytes:
    try:
        return decode_value(value)
    except BadResponse:
        raise BadRequest("unable to base64 decode [] wrapped value") from None


def _unquoted(text: bytes) -> bytes:
    return unquote_to_bytes(text) if b"%" in text else text


class Parameters:
    """The parameters of a request to an endpoint. The getters raise BadRequest, which names the parameter. One that the
    endpoint does not have in that version, or that may be left out, has the value that stands for none."""

    def __init__(self, query: bytes, endpoint: Endpoint, version: int) -> None:
        self._endpoint = endpoint
        self._version = version
        self._values: dict[str, list[bytes]] = {}
        parts = query.split(b"&") if query else []
        if len(parts) > _MAX_PARAMETERS:
            raise BadRequest("there are too many query parameters")
        for part in parts:
            name, _, value = part.partition(b"=")
            self._values.setdefault(_unquoted(name).decode("latin-1"), []).append(_unquoted(value.replace(b"+", b" ")))

    def key(self) -> Key | None:
        return self._one(endpoints.KEY, read_key, None)

    def client(self) -> bytes:
        """What the client calls itself."""
        return self._one(endpoints.CLIENT, _client, b"")

    def bypass(self) -> list[bytes]:
        """The gateways that the request has passed."""
        parameter = endpoints.BYPASS
        return [self._read(parameter, value, _uuid) for value in self._given(parameter)]

    def file(self) -> bytes:
        """The associated file, for display."""
        return self._one(endpoints.FILE, _file, b"")

    def offset(self) -> int:
        return self._one(endpoints.OFFSET, read_number, 0)

    def timestamp(self) -> int | None:
        return self._one(endpoints.TIMESTAMP, read_number, None)

    def lock_id(self) -> str:
        return self._one(endpoints.LOCK_ID, lambda value: value.decode("ascii", "replace"), "")

    def data_present(self) -> bool:
        return self._one(endpoints.DATA_PRESENT, _flag, False)

    def _one(self, parameter: Parameter, read: Callable[[bytes], Value], absent: Other) -> Value | Other:
        """Of several the first counts."""
        values = self._given(parameter)
        return self._read(parameter, values[0], read) if values else absent

    def _given(self, parameter: Parameter) -> list[bytes]:
        endpoint = self._endpoint
        if parameter in endpoint.required:
            if parameter.name not in self._values:
                raise BadRequest(f"Query parameter {parameter.name} is required")
        elif parameter not in endpoint.optional or self._version < parameter.since:
            return []
        return self._values.get(parameter.name, [])

    def _read(self, parameter: Parameter, value: bytes, read: Callable[[bytes], Value]) -> Value:
        try:
            return read(value)
        except (BadRequest, BadKey, BadUuid) as error:
            raise BadRequest(f"Error parsing query parameter {parameter.name} failed: {error}") from None


def read_key(value: bytes) -> Key:
    """A key as it stands in a parameter. Raises BadRequest."""
    try:
        key = _known_key(value) if len(value) <= _REMEMBERED else parse_key(_decoded(value))
        if b"\0" in key.serialized:
            raise BadKey("not a key: it holds a NUL")
        return key
    except BadKey:
        raise BadRequest("key parse error") from None


def read_path_key(value: bytes) -> Key:
    """A key as it stands in a path. Raises BadRequest, and NoSuchEndpoint for one with a line break or NUL: with the
    original, nobody has its content."""
    try:
        return read_key(value)
    except BadRequest:
        if not {0, 10}.isdisjoint(_decoded(value)):
            raise NoSuchEndpoint("there is nothing here") from None
        raise


@lru_cache(maxsize=256)
def _known_key(value: bytes) -> Key:
    return parse_key(_decoded(value))


def read_number(value: bytes) -> int:
    """A number of bytes or seconds. Raises BadRequest."""
    text = value.strip(b" ")
    if not text.isdigit() or len(text) > _LONGEST_NUMBER:
        raise BadRequest("parse error")
    return int(text)


def _uuid(value: bytes) -> bytes:
    return parse_uuid(_decoded(value))


def _client(value: bytes) -> bytes:
    if not value:
        raise BadRequest("empty UUID")
    return parse_client(_decoded(value))


def _file(value: bytes) -> bytes:
    return parse_associated_file(_decoded(value))


def _flag(value: bytes) -> bool:
    if value not in (b"true", b"false"):
        raise BadRequest("could not be parsed")
    return value == b"true"


def read_unlock(line: bytes) -> bool:
    """Whether a line in the body of `keeplocked` ends the lock. A line that can't be understood does not."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(message, dict) and message.get("unlock") is True


def uuid_list(uuids: list[bytes]) -> list[str]:
    """Repositories as answers name them."""
    return [encode_value(uuid).decode("utf-8", "replace") for uuid in uuids]
