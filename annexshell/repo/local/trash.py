"""annex.trashbin: content that is to be removed is kept on another remote first (Annex/Content.hs: removeAnnex)."""

from __future__ import annotations

import os

from annexshell.annexlog.lines import PRESENT
from annexshell.errors import AnnexshellError, Refused
from annexshell.repo.local.opening import open_local
from annexshell.repo.port import AlreadyHave
from annexshell.stream.blocking import FdStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.model.key import Key
    from annexshell.repo.local.parts import Parts
    from annexshell.repo.local.repository import LocalRepository


class Trashbin:
    """Stores contents on the remote that annex.trashbin names, which has to be a repository on this machine."""

    def __init__(self, parts: Parts, remote: str) -> None:
        self._parts = parts
        self._remote = remote

    def keep(self, key: Key, path: bytes) -> None:
        """On return the trashbin has the content, and that is recorded. Raises Refused, which prevents the removal."""
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
        self._parts.journal.set_locations(self._parts.layout.location_log(key), [repository.uuid], PRESENT)

    def _open(self) -> LocalRepository:
        url = self._parts.config.get(f"remote.{self._remote}.url") or b""
        if b"://" in url or not url:
            raise Refused(f"annex.trashbin={self._remote} is not a repository on this machine")
        directory = os.path.join(self._parts.directory, url)
        return open_local(directory, self._parts.git.env, self._parts.uuid, self._parts.warn)

    def _store(self, repository: LocalRepository, key: Key, path: bytes) -> None:
        writing = repository.put(key, b"")
        if isinstance(writing, AlreadyHave):
            return
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.lseek(fd, writing.offset, os.SEEK_SET)
            writing.receive(FdStream(fd, -1), max(0, os.fstat(fd).st_size - writing.offset))
        except BaseException:
            writing.abandon()
            raise
        finally:
            os.close(fd)
        writing.finish(True)
