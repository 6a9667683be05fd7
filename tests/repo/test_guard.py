"""What access modes allow."""

from __future__ import annotations

from typing import Any

import pytest

from annexshell.errors import AccessDenied
from annexshell.model.access import APPEND_ONLY, READ_ONLY, READ_WRITE
from annexshell.model.key import parse_key
from annexshell.repo.guard import GuardedRepository

KEY = parse_key(b"WORM--key")


class Everything:
    """Allows all, and says what it was asked for."""

    uuid = b"u"

    def __getattr__(self, name: str) -> Any:
        return lambda *_args: name


@pytest.mark.parametrize(
    ("mode", "allowed"),
    [(READ_ONLY, set()), (APPEND_ONLY, {"put"}), (READ_WRITE, {"put", "remove"})],
)
def test_modes(mode: str, allowed: set[str]) -> None:
    inner: Any = Everything()
    guarded = GuardedRepository(inner, mode)
    for name, change in (("put", lambda: guarded.put(KEY, b"")), ("remove", lambda: guarded.remove(KEY))):
        if name in allowed:
            assert change() == name  # type: ignore[comparison-overlap]
        else:
            with pytest.raises(AccessDenied):
                change()
    reads: list[Any] = [guarded.present(KEY), guarded.get(KEY, 0, b""), guarded.lock(KEY)]
    assert reads == ["present", "get", "lock"]
