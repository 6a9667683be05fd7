"""Access modes: a Repository that refuses what its mode forbids and passes on the rest.

Whoever is handed one can't reach past it; no other code asks for the mode.
"""

from __future__ import annotations

from annexshell.model import access
from annexshell.repo.forward import ForwardingRepository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.model.key import Key
    from annexshell.repo.port import AlreadyHave, Repository, Writing


class GuardedRepository(ForwardingRepository):
    """`inner`, as far as `mode` (see model.access) allows."""

    def __init__(self, inner: Repository, mode: str) -> None:
        self.uuid = inner.uuid
        self._inner = inner
        self._mode = mode

    def inner(self) -> Repository:
        return self._inner

    def remove(self, key: Key, before: int | None = None) -> list[bytes]:
        access.check(self._mode, access.REMOVE)
        return super().remove(key, before)

    def put(self, key: Key, file: bytes) -> AlreadyHave | Writing:
        access.check(self._mode, access.PUT)
        return super().put(key, file)
