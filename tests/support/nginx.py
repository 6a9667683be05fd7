"""nginx as a reverse proxy with TLS, on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from tests.support.certificates import make_certificate
from tests.support.ports import free_port

PROGRAM = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

# What nginx needs to run in a directory of its own.
_CONFIGURATION = """\
daemon off;
worker_processes 1;
error_log {directory}/error.log;
pid {directory}/pid;
{user}
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    ssl_certificate {directory}/certificate.pem;
    ssl_certificate_key {directory}/key.pem;
    {extra}
    server {{
        listen 127.0.0.1:{port} ssl;
        {locations}
    }}
}}
"""


class Nginx:
    """To be stopped. `locations` are those of its server, `extra` stands beside that. `certificate` is what clients
    have to trust."""

    def __init__(self, directory: Path, locations: str, extra: str = "") -> None:
        assert PROGRAM is not None
        directory.mkdir()
        self._log = directory / "error.log"
        self.certificate = directory / "certificate.pem"
        self.port = free_port()
        make_certificate(directory)
        user = "user root;" if os.getuid() == 0 else ""
        text = _CONFIGURATION.format(directory=directory, user=user, port=self.port, locations=locations, extra=extra)
        (directory / "nginx.conf").write_text(text)
        command: list[str | Path] = [PROGRAM, "-p", directory, "-e", self._log, "-c", directory / "nginx.conf"]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._wait()

    @property
    def url(self) -> str:
        return f"annex+https://localhost:{self.port}"

    def _wait(self) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert self._process.poll() is None, self._log.read_text()
                assert time.monotonic() < deadline
                time.sleep(0.01)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()
