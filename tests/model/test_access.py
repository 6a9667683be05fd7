"""The table of access modes."""

from __future__ import annotations

import pytest

from annexshell.errors import AccessDenied
from annexshell.model import access

READ_ONLY = "this repository is read-only; write access denied"
APPEND_ONLY = "this repository is append-only; removal denied"


@pytest.mark.parametrize(
    ("mode", "action", "text"),
    [
        (access.READ_ONLY, access.PUT, READ_ONLY),
        (access.READ_ONLY, access.REMOVE, READ_ONLY),
        (access.READ_ONLY, access.INIT, READ_ONLY),
        (access.READ_ONLY, access.PUSH, READ_ONLY),
        (access.APPEND_ONLY, access.REMOVE, APPEND_ONLY),
        (access.APPEND_ONLY, access.PUSH, READ_ONLY),
    ],
)
def test_denies(mode: str, action: str, text: str) -> None:
    with pytest.raises(AccessDenied) as denied:
        access.check(mode, action)
    assert denied.value.wire == text.encode()


@pytest.mark.parametrize(
    ("mode", "action"),
    [
        (access.APPEND_ONLY, access.PUT),
        (access.APPEND_ONLY, access.INIT),
        *((access.READ_WRITE, action) for action in (access.PUT, access.REMOVE, access.INIT, access.PUSH)),
    ],
)
def test_allows(mode: str, action: str) -> None:
    access.check(mode, action)
