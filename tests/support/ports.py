"""Ports for servers that can't choose one themselves."""

from __future__ import annotations

import socket


def free_port() -> int:
    """A port of 127.0.0.1 that nobody else gets for a minute.

    A connection to it has just been closed, and while the kernel remembers that (TIME_WAIT), it gives the port only to
    a program that asks for it by number and has set SO_REUSEADDR, as servers do. A port that has merely been bound and
    closed may be given to anybody before the server starts."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            listening.accept()[0].close()  # the end that closes first is the one that is remembered
            assert client.recv(1) == b""
    return port
