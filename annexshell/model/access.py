"""Access modes, and the one table that says what each allows (upstream: P2P/Protocol.hs ServerMode)."""

from __future__ import annotations

from annexshell.errors import AccessDenied

READ_ONLY = "read-only"
APPEND_ONLY = "append-only"
READ_WRITE = "read-write"

PUT = "put"
REMOVE = "remove"
INIT = "init"
PUSH = "push"

_DENIED = {
    (READ_ONLY, PUT): "this repository is read-only; write access denied",
    (READ_ONLY, REMOVE): "this repository is read-only; write access denied",
    (READ_ONLY, INIT): "this repository is read-only; write access denied",
    (READ_ONLY, PUSH): "this repository is read-only; write access denied",
    (APPEND_ONLY, PUSH): "this repository is read-only; write access denied",
    (APPEND_ONLY, REMOVE): "this repository is append-only; removal denied",
}


def check(mode: str, action: str) -> None:
    """Raises AccessDenied if `mode` forbids `action`. Reading and locking are always allowed."""
    text = _DENIED.get((mode, action))
    if text is not None:
        raise AccessDenied(text)
