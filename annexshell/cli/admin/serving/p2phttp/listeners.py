"""Options that say where to listen, and for how many workers."""

from __future__ import annotations

import os

from annexshell.errors import BadUsage
from annexshell.green.sockets import tls_context
from annexshell.serve.http.listening import SocketFile, listen_tcp, listen_unix, shared
from annexshell.serve.systemd import passed_sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Mapping

    from annexshell.cli.admin.serving.p2phttp.values import Given


class Certificate:
    """The files of a certificate for https. Raises BadUsage if one of them can't be used."""

    def __init__(self, certificate: str, key: str, chain: list[str]) -> None:
        if not certificate or not key:
            raise BadUsage("https needs both --certfile and --privatekeyfile")
        self._certificate = certificate
        self._key = key
        self._chain = chain
        self.load()

    def load(self) -> ssl.SSLContext:
        try:
            return tls_context(self._certificate, self._key, self._chain)
        except (OSError, ValueError) as error:
            raise BadUsage(f"the certificate or its key can't be used: {error}") from None


class ListeningOptions:
    """Where to listen: at the Unix socket `path`, or at `port` of `address` (all of them if it is None). Raises
    BadUsage."""

    def __init__(self, given: Given) -> None:
        self.workers = max(1, given.number("--cpus") if given.text("--cpus") else len(os.sched_getaffinity(0)))
        self.path = given.text("--socket")
        self.mode = given.mode("--socket-mode")
        self.address = given.text("--bind") or None
        self.port = given.port("--port")
        certificate, key = given.text("--certfile"), given.text("--privatekeyfile")
        self.certificate = Certificate(certificate, key, given.texts("--chainfile")) if certificate or key else None

    def tls(self) -> ssl.SSLContext | None:
        """What https takes, if there is a certificate. Each worker reads it anew, so that one that is started later has
        a certificate that was renewed. Raises BadUsage."""
        return None if self.certificate is None else self.certificate.load()

    def listen(self, environment: Mapping[bytes, bytes]) -> tuple[list[socket.socket], SocketFile]:
        """A listening socket for each worker, and the file of a Unix socket, which is to be removed at the end if we
        made it. Sockets that systemd passes take the place of what the options say. Raises BadUsage."""
        passed = passed_sockets(environment, os.getpid())
        if passed:
            return [listener for one in passed for listener in shared(one, self.workers)], SocketFile()
        try:
            if self.path:
                return listen_unix(self.path, self.workers, self.mode), SocketFile(self.path)
            return listen_tcp(self.address, self.port, self.workers), SocketFile()
        except (OSError, OverflowError) as error:
            raise BadUsage(f"can't listen there: {error}") from None
