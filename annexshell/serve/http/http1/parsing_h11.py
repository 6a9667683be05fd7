"""Heads of requests as h11 reads them, which is in Python alone. It never sees a body."""

from __future__ import annotations

import h11

from annexshell.serve.http.http1.heads import MAX_HEAD, Head, Malformed


def read_head(raw: bytes) -> Head:
    """The head that these bytes are, up to the empty line at their end. Raises Malformed."""
    head = Head()
    for line in raw[:-4].split(b"\r\n")[1:]:  # h11 makes one header of several that say the same
        name, _, value = line.partition(b":")
        head.add(name, value)
    connection = h11.Connection(h11.SERVER, MAX_HEAD)
    connection.receive_data(raw)
    try:
        request = connection.next_event()
    except h11.RemoteProtocolError as error:
        raise Malformed(error.error_status_hint, f"bad request: {error}") from None
    assert isinstance(request, h11.Request)
    head.complete(request.method, request.target, request.http_version.decode())
    return head
