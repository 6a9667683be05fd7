"""Access modes: a Repository that refuses what its mode forbids and passes on the rest.

Whoever is handed one can't reach past it; no other code asks for the mode.
"""

from __future__ import annotations

from annexshell.model import access
from annexshell.repo.port import Repository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.model.key import Key
    from annexshell.repo.port import AlreadyHave, Held, Reading, Writing


class GuardedRepository(Repository):
    """`inner`, as far as `mode` (see model.access) allows."""

    def __init__(self, inner: Repository, mode: str) -> None:
        self.uuid = inner.uuid
        self._inner = inner
        self._mode = mode

    def present(self, key: Key) -> bool:
        return self._inner.present(key)

    def lock(self, key: Key) -> Held:
        return self._inner.lock(key)

    def unlock(self, key: Key, claim: int) -> None:
        self._inner.unlock(key, claim)

    def remove(self, key: Key, before: int | None = None) -> list[bytes]:
        access.check(self._mode, access.REMOVE)
        return self._inner.remove(key, before)

    def timestamp(self) -> int:
        return self._inner.timestamp()

    def get(self, key: Key, offset: int, file: bytes) -> Reading:
        return self._inner.get(key, offset, file)

    def put(self, key: Key, file: bytes) -> AlreadyHave | Writing:
        access.check(self._mode, access.PUT)
        return self._inner.put(key, file)

    def bypass(self, gateways: list[bytes]) -> None:
        self._inner.bypass(gateways)

    def close(self) -> None:
        self._inner.close()
