"""The table of the HTTP API: every request that it has, with all that client and server have to agree on about it
(upstream: P2P/Http.hs). Pure: no I/O.

What a server does for a request, and who may ask for it, is in serve/http/api/operations.py, which has a row for each
of these. How a parameter is read is in wire/httprequest.py.
"""

from __future__ import annotations

MAX_VERSION = 4
OCTETS = b"application/octet-stream"
JSON = b"application/json"

_GET = (b"GET", b"HEAD")
_POST = (b"POST",)


class Parameter:
    """A parameter of queries, and the first version of the protocol that has it."""

    __slots__ = ("name", "since")

    def __init__(self, name: str, since: int = 0) -> None:
        self.name = name
        self.since = since


KEY = Parameter("key")
CLIENT = Parameter("clientuuid")
BYPASS = Parameter("bypass", since=2)
FILE = Parameter("associatedfile")
OFFSET = Parameter("offset")
TIMESTAMP = Parameter("timestamp")
LOCK_ID = Parameter("lockid")
DATA_PRESENT = Parameter("data-present", since=4)


class Endpoint:
    """A request. `since` is the first version of the protocol that has it, and `body` the media type of the request's
    body, empty if it has none. A parameter that is in neither `required` nor `optional` is ignored, as the original
    ignores it, whatever it says."""

    __slots__ = ("body", "methods", "name", "optional", "required", "since")

    def __init__(
        self,
        name: str,
        methods: tuple[bytes, ...],
        since: int,
        required: tuple[Parameter, ...],
        optional: tuple[Parameter, ...] = (BYPASS,),
        body: bytes = b"",
    ) -> None:
        self.name = name
        self.methods = methods
        self.since = since
        self.required = required
        self.optional = optional
        self.body = body


ENDPOINTS = {
    endpoint.name: endpoint
    for endpoint in (
        Endpoint("key", _GET, 0, (CLIENT,), (BYPASS, FILE, OFFSET)),  # the key itself is in the path
        Endpoint("checkpresent", _POST, 0, (KEY, CLIENT)),
        Endpoint("lockcontent", _POST, 0, (KEY, CLIENT)),
        Endpoint("keeplocked", _POST, 0, (LOCK_ID,), (CLIENT, BYPASS), JSON),
        Endpoint("remove", _POST, 0, (KEY, CLIENT)),
        Endpoint("put", _POST, 0, (KEY, CLIENT), (BYPASS, FILE, OFFSET, DATA_PRESENT), OCTETS),
        Endpoint("putoffset", _POST, 1, (KEY, CLIENT)),
        Endpoint("gettimestamp", _POST, 3, (CLIENT,)),
        Endpoint("remove-before", _POST, 3, (KEY, CLIENT, TIMESTAMP)),
    )
}
# The url of a key without a version, which is for other programs than git-annex. It is counted and logged as `key`.
PLAIN_KEY = Endpoint("key", _GET, 0, (), (CLIENT, BYPASS))
