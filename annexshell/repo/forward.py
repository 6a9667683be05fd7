"""A Repository that passes everything on to another one, so that what wraps one says only what it changes."""

from __future__ import annotations

from annexshell.repo.port import Repository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.model.key import Key
    from annexshell.repo.port import AlreadyHave, Held, Reading, Writing


class ForwardingRepository(Repository):
    """See the module."""

    def inner(self) -> Repository:
        """The repository that is wrapped. Raises AnnexshellError where it has to be reached first."""
        raise NotImplementedError

    def present(self, key: Key) -> bool:
        return self.inner().present(key)

    def lock(self, key: Key) -> Held:
        return self.inner().lock(key)

    def unlock(self, key: Key, claim: int) -> None:
        self.inner().unlock(key, claim)

    def remove(self, key: Key, before: int | None = None) -> list[bytes]:
        return self.inner().remove(key, before)

    def timestamp(self) -> int:
        return self.inner().timestamp()

    def get(self, key: Key, offset: int, file: bytes) -> Reading:
        return self.inner().get(key, offset, file)

    def put(self, key: Key, file: bytes) -> AlreadyHave | Writing:
        return self.inner().put(key, file)

    def bypass(self, gateways: list[bytes]) -> None:
        self.inner().bypass(gateways)

    def close(self) -> None:
        self.inner().close()
