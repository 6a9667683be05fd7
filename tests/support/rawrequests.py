"""Requests of the HTTP API as bytes, for clients that don't get to their end, and how such clients go."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.httpserver import CLIENT, Api, RawClient, Server


def get(api: Api, key: str) -> bytes:
    return f"GET {api.path(f'key/{key}', None)} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def put(api: Api, key: str, length: int, framing: str = "", **parameters: object) -> bytes:
    """The head of an upload, to be followed by so many bytes."""
    framing = framing or f"Content-Length: {length}"
    path = api.path("put", 4, key=key, clientuuid=CLIENT, **parameters)
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nX-git-annex-data-length: {length}\r\n{framing}\r\n\r\n".encode()


def reset(client: RawClient) -> None:
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.close()


def half_close(client: RawClient) -> None:
    client.socket.shutdown(socket.SHUT_WR)
    client.socket.close()


def leave(client: RawClient) -> None:
    client.socket.close()


@contextmanager
def crowd(server: Server, messages: list[bytes]) -> Iterator[list[RawClient]]:
    """Clients that have each sent a message, and read nothing."""
    clients = []
    try:
        for message in messages:
            clients.append(server.raw())
            clients[-1].send(message)
        yield clients
    finally:
        for client in clients:
            client.socket.close()
