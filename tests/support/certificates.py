"""A TLS certificate that clients can be told to trust."""

from __future__ import annotations

from pathlib import Path

from tests.support.real import run

_MAKE = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
_NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1"


def make_certificate(directory: Path) -> tuple[Path, Path]:
    """Certificate and private key of localhost."""
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    run(*_MAKE.split(), "-addext", _NAMES, "-keyout", key, "-out", certificate)
    return certificate, key
