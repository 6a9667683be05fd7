"""The header that tells a reverse proxy to send a file: X-Accel-Redirect (nginx), X-Sendfile (Apache, lighttpd)."""

from __future__ import annotations

from urllib.parse import quote_from_bytes

from annexshell.errors import BadUsage

_NAMES = {"x-accel-redirect": "X-Accel-Redirect", "x-sendfile": "X-Sendfile"}


class SendFile:
    """The header that tells a proxy: `text` is its name, perhaps followed by a colon and a prefix for paths. Raises
    BadUsage."""

    def __init__(self, text: str) -> None:
        name, _, prefix = text.partition(":")
        if name.lower() not in _NAMES or (prefix and not prefix.startswith("/")):
            raise BadUsage(f"--sendfile-header has to be X-Accel-Redirect:/prefix or X-Sendfile, not {text!r}")
        self._name = _NAMES[name.lower()]
        self._prefix = prefix.rstrip("/")

    def header(self, path: bytes) -> tuple[str, str]:
        return self._name, self._prefix + quote_from_bytes(path)
