"""annex.trashbin: an object is copied to another remote before it is removed (Annex/Content.hs: removeAnnex)."""

from __future__ import annotations

import os

from annexshell.annexlog.lines import PRESENT
from annexshell.errors import AnnexshellError, Refused
from annexshell.relay.copy import receive
from annexshell.repo.port import AlreadyHave
from annexshell.stream.blocking import FdStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.model.key import Key
    from annexshell.repo.local.parts import Parts
    from annexshell.repo.port import Repository


class Trashbin:
    """Stores objects on the remote that annex.trashbin names, which has to be a repository on this machine.
    `open_other` opens it by its path."""

    def __init__(self, parts: Parts, remote: str, open_other: Callable[[bytes, Parts], Repository]) -> None:
        self._parts = parts
        self._remote = remote
        self._open_other = open_other

    def keep(self, key: Key, path: bytes) -> None:
        """On return the trashbin has the object, and that is recorded. Raises Refused, which prevents the removal."""
        try:
            repository = self._open()
            try:
                self._store(repository, key, path)
            finally:
                repository.close()
        except AnnexshellError as error:
            raise Refused(
                f"the content was not removed, because it could not be moved to the trashbin: {error}"
            ) from None
        self._parts.journal.set_locations(self._parts.annex.layout.location_log(key), [repository.uuid], PRESENT)

    def _open(self) -> Repository:
        url = self._parts.config.get(f"remote.{self._remote}.url") or b""
        if b"://" in url or not url:
            raise Refused(f"annex.trashbin={self._remote} is not a repository on this machine")
        return self._open_other(os.path.join(self._parts.paths.top, url), self._parts)

    def _store(self, repository: Repository, key: Key, path: bytes) -> None:
        writing = repository.put(key, b"")
        if isinstance(writing, AlreadyHave):
            return
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.lseek(fd, writing.offset, os.SEEK_SET)
            receive(FdStream(fd, -1), writing.begin, max(0, os.fstat(fd).st_size - writing.offset))
        except BaseException:
            writing.abandon()
            raise
        finally:
            os.close(fd)
        writing.finish(True)
