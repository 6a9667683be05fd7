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
from annexshell.wire.httpapi import MAX_VERSION, SINCE, decode_value, encode_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from annexshell.model.key import Key

    Value = TypeVar("Value")

_MAX_PARAMETERS = 1000
_LONGEST_NUMBER = 999  # digits, as in the line protocol
_REMEMBERED = 300  # bytes of paths and keys that are not parsed again when they come next


class Target:
    """A request's path, taken apart. `version` is None in the url of a key without one, and `key` is its key."""

    __slots__ = ("endpoint", "key", "uuid", "version")

    def __init__(self, uuid: bytes, version: int | None, endpoint: str, key: bytes | None) -> None:
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


def parse_path(path: bytes, base: bytes = b"") -> Target:
    """The target with a path below `base` (such as /annex). Raises NoSuchEndpoint, BadRequest.

    Split first, then decoded: a key may hold an encoded slash. Clients whose url ends in /git-annex/ say that twice.
    """
    return _known_target(path, base) if len(path) <= _REMEMBERED else _target(path, base)


def _target(path: bytes, base: bytes) -> Target:
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
    endpoint, *rest = rest or [b""]
    name = endpoint.decode("latin-1")
    if name not in SINCE or len(rest) != (name == "key") or (version is None and name != "key"):
        raise NoSuchEndpoint("there is nothing here")
    if version is not None and not SINCE[name] <= version <= MAX_VERSION:
        raise NoSuchEndpoint("bad version")
    return Target(_decoded(uuid), version, name, rest[0] if rest else None)


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
    """The parameters of a query. The getters raise BadRequest, which names the parameter."""

    def __init__(self, query: bytes) -> None:
        self._values: dict[str, list[bytes]] = {}
        parts = query.split(b"&") if query else []
        if len(parts) > _MAX_PARAMETERS:
            raise BadRequest("there are too many query parameters")
        for part in parts:
            name, _, value = part.partition(b"=")
            self._values.setdefault(_unquoted(name).decode("latin-1"), []).append(_unquoted(value.replace(b"+", b" ")))

    def key(self) -> Key:
        return self._one("key", read_key)

    def client(self, required: bool = True) -> bytes:
        """What the client calls itself."""
        return self._one("clientuuid", _client, None if required else b"")

    def bypass(self) -> list[bytes]:
        """The gateways that the request has passed."""
        return [self._read("bypass", value, _uuid) for value in self._values.get("bypass", [])]

    def file(self) -> bytes:
        """The associated file, for display."""
        return self._one("associatedfile", _file, b"")

    def offset(self) -> int:
        return self._one("offset", read_number, 0)

    def timestamp(self) -> int:
        return self._one("timestamp", read_number)

    def lock_id(self) -> str:
        return self._one("lockid", lambda value: value.decode("ascii", "replace"))

    def data_present(self) -> bool:
        return self._one("data-present", _flag, False)

    def _one(self, name: str, read: Callable[[bytes], Value], default: Value | None = None) -> Value:
        values = self._values.get(name)
        if values is None:
            if default is None:
                raise BadRequest(f"Query parameter {name} is required")
            return default
        return self._read(name, values[0], read)

    def _read(self, name: str, value: bytes, read: Callable[[bytes], Value]) -> Value:
        try:
            return read(value)
        except (BadRequest, BadKey, BadUuid) as error:
            raise BadRequest(f"Error parsing query parameter {name} failed: {error}") from None


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
