"""The table of what the API does: for each endpoint the right that it takes, and what answers it.

Everything that a client has to know of an endpoint, such as its methods and parameters, is in wire/endpoints.py.
"""

from __future__ import annotations

from annexshell.serve.http.access.rules import LOCK, READ, REMOVE, WRITE
from annexshell.serve.http.api import handlers
from annexshell.wire.endpoints import ENDPOINTS, PLAIN_KEY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.serve.http.api.handlers import Handler
    from annexshell.wire.endpoints import Endpoint


class Operation:
    """`right` is what the client must be allowed to do in the repository, and `handler` answers."""

    __slots__ = ("endpoint", "handler", "right")

    def __init__(self, endpoint: Endpoint, right: str, handler: Handler) -> None:
        self.endpoint = endpoint
        self.right = right
        self.handler = handler


OPERATIONS = {
    operation.endpoint: operation
    for operation in (
        Operation(ENDPOINTS["key"], READ, handlers.get),
        Operation(PLAIN_KEY, READ, handlers.get_plain),
        Operation(ENDPOINTS["checkpresent"], READ, handlers.check_present),
        Operation(ENDPOINTS["gettimestamp"], READ, handlers.get_timestamp),
        Operation(ENDPOINTS["lockcontent"], LOCK, handlers.lock_content),
        Operation(ENDPOINTS["keeplocked"], LOCK, handlers.keep_locked),
        Operation(ENDPOINTS["putoffset"], WRITE, handlers.put_offset),
        Operation(ENDPOINTS["put"], WRITE, handlers.put),
        Operation(ENDPOINTS["remove"], REMOVE, handlers.remove),
        Operation(ENDPOINTS["remove-before"], REMOVE, handlers.remove),
    )
}
