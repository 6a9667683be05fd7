"""One repository that is served."""

from __future__ import annotations

import os

from annexshell.errors import AnnexshellError, WrongRepository
from annexshell.repo.local.expiry import expire_partials
from annexshell.repo.local.leases import Leases
from annexshell.repo.local.opening import local_repository
from annexshell.repo.local.running import transfers
from annexshell.serve.http.repositories.commits import CommitSchedule
from annexshell.serve.http.repositories.lender import Lender
from annexshell.serve.http.repositories.locktable import LockTable
from annexshell.serve.http.repositories.pool import HandlePool
from annexshell.serve.http.repositories.takeover import Takeovers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    from annexshell.model.key import Key
    from annexshell.repo.local.parts import Parts
    from annexshell.serve.http.repositories.request import RequestRepository
    from annexshell.serve.http.repositories.settings import ServerSettings

    Result = TypeVar("Result")

_PROXY_SETTINGS = (".annex-proxy", ".annex-cluster-node", ".annex-cluster-gateway")


class ServedRepository:
    """The repository at a path, with its locks. Raises NotARepository when it is gone or has become another one."""

    def __init__(self, path: bytes, settings: ServerSettings) -> None:
        self.path = path
        self._settings = settings
        self._commits = CommitSchedule(settings.tasks, self.warn)
        self._pool = pool = HandlePool(path, settings, self._commits, self.warn)
        self.uuid = pool.uuid
        self.uploads = settings.uploads
        self._takeovers = Takeovers(pool.parts)
        self._lender = lender = Lender(pool, self._takeovers)
        self.leases = Leases(pool.parts, settings.limits.locked_files, settings.limits.client_locks)
        self.locks = LockTable(
            pool.uuid,
            self.leases,
            settings.tasks,
            self.warn,
            lambda: local_repository(pool.parts, b""),
            lender.lend,
        )
        self._tending = False
        if settings.tasks.offload(self._has_leftovers):
            self._commits.note_leftovers()

    def _has_leftovers(self) -> bool:
        """Whether a process that was killed left something to record or commit."""
        parts = self._pool.parts
        return bool(parts.journal.names()) or os.path.exists(parts.annex.layout.unrecorded)

    def warn(self, text: str) -> None:
        self._settings.warn(f"{os.fsdecode(self.path)}: {text}")

    def is_there(self) -> bool:
        """Whether it can still be served."""
        try:
            self._pool.check()
        except AnnexshellError as error:
            self.warn(str(error))
            return False
        return True

    def knows(self, uuid: bytes, key: Key) -> bool | None:
        """Right after `is_there`, whether the repository with a uuid has a key; None where that can't be said without
        waiting for a disk. To hand each question to a thread would take ten times as long."""
        try:
            return self._pool.parts.contents.objects.glance(key) if uuid == self.uuid else None
        except BlockingIOError:
            return None

    def lend(
        self, uuid: bytes, client: bytes = b"", bypass: Sequence[bytes] = (), user: bytes = b""
    ) -> RequestRepository:
        """The repository for a request with a uuid, or a node or cluster behind it; see Lender."""
        return self._lender.lend(uuid, client, bypass, user)

    def inspect(self, function: Callable[[Parts], Result]) -> Result:
        """The result of a function that looks at the repository, opened for that alone, and may wait for nodes. It is
        called in a thread."""

        def look() -> Result:
            handle = self._pool.open()
            try:
                return function(handle.parts)
            finally:
                handle.close()

        return self._lender.node_tasks(b"").offload(look)

    def transfers(self) -> list[dict[str, Any]]:
        """The transfers in the repository itself, of all programs. Looks at the disk."""
        return [dict(transfer) for transfer in transfers(self._pool.parts)]

    def proxies(self, uuid: bytes) -> bool:
        """Whether requests for another uuid belong here."""
        if not any(name.endswith(_PROXY_SETTINGS) for name in self._pool.check().config.names("remote.")):
            return False
        handle = self._pool.take()
        try:
            self._settings.tasks.offload(lambda: handle.gateway().configuration.check(uuid))
        except WrongRepository:
            return False
        finally:
            self._pool.give_back(handle)
        return True

    def expire_partials(self, age: float) -> bool:
        """Deletes some partial files that nobody has touched for `age` seconds; whether there may be more. Raises
        AnnexshellError, OSError."""
        handle = self._pool.take()
        try:
            return self._settings.tasks.offload(lambda: expire_partials(handle.parts, age))
        finally:
            self._pool.give_back(handle)

    def tend(self) -> None:
        """Call this every now and then: it does what is due, beside the caller."""
        self._takeovers.tend()
        if not self._tending:
            self._tending = True
            self._settings.tasks.spawn(self._tend)

    def _tend(self) -> None:
        try:
            if self._commits.is_due:
                self.commit()
            self._pool.close_idle()
            self.locks.tend()
        except (AnnexshellError, OSError) as error:
            self.warn(str(error))
        finally:
            self._tending = False

    def commit(self) -> None:
        """Commits the location log, with what requests that are still running have recorded."""
        self._commits.begin()
        try:
            changed = self._pool.take_changed() or [self._pool.take()]
        except AnnexshellError as error:
            self.warn(str(error))
            return
        for handle in changed:
            self._commits.run(handle.commit)
            self._pool.give_back(handle)

    def close(self) -> None:
        """Commits, leaves the locks to the next process and closes everything."""
        self.locks.close()
        if self._commits.is_pending:
            self.commit()
        self._pool.close()
