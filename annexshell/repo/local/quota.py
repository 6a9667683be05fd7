"""Quotas: how much may be stored in a repository, in all and by each user.

A repository with quotas wraps the local one. It counts what the location log says is stored here, what uploads under
way in any process will add, and what abandoned uploads have left behind. annex.maxsize, which everybody who may push
can set, is advice for preferred content and plays no part in this.
"""

from __future__ import annotations

import os
from urllib.parse import quote_from_bytes

from annexshell.annexlog.reservations import Reservations
from annexshell.annexlog.sizes import RepositorySizes
from annexshell.errors import AnnexshellError, QuotaExceeded, doing
from annexshell.model.amounts import shown_size
from annexshell.repo.forward import ForwardingRepository
from annexshell.repo.local.uploaders import Uploaders
from annexshell.repo.port import AlreadyHave, Writing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.annexlog.reservations import Reservation
    from annexshell.model.key import Key
    from annexshell.repo.local.parts import Parts
    from annexshell.repo.local.repository import LocalRepository
    from annexshell.repo.port import Repository
    from annexshell.stream.port import Sink

# What reservations are made for besides repositories, which are uuids.
_USER, _KEY = b"user ", b"key "


class Quota:
    """What may be stored in one repository, in bytes; None is no limit. All who don't log in count as one user."""

    def __init__(self, parts: Parts, size: int | None, user_size: int | None) -> None:
        self.size = size
        self.user_size = user_size
        self.uploaders = Uploaders(parts)
        self.reservations = Reservations(parts.paths.annex_dir, parts.annex.perms)


class LimitedRepository(ForwardingRepository):
    """The repository as a user may store in it. It is made of `parts`, and `sizes` belongs to them."""

    def __init__(self, inner: LocalRepository, parts: Parts, quota: Quota, sizes: RepositorySizes, user: bytes) -> None:
        self.uuid = inner.uuid
        self._inner = inner
        self._parts = parts
        self._quota = quota
        self._sizes = sizes
        self._user = user
        self._reserved_as = _USER + quote_from_bytes(user).encode()

    def inner(self) -> Repository:
        return self._inner

    def put(self, key: Key, file: bytes) -> AlreadyHave | Writing:
        """Raises QuotaExceeded, besides what every repository raises."""
        result = super().put(key, file)
        if not isinstance(result, Writing):
            return result
        try:
            return LimitedWriting(self, result, key)
        except BaseException:
            result.abandon()
            raise

    def reserve(self, key: Key, size: int) -> Reservation:
        """Space for an upload of so many bytes. Raises QuotaExceeded."""
        with doing("looking how much is stored"):
            if self._quota.size is not None:
                self._sizes.now()  # what takes long the first time is done before others have to wait for us
            _, reservation = self._quota.reservations.reserve(
                size, lambda: self._check(key, size), lambda _: [self.uuid, self._reserved_as, _KEY + key.file_name]
            )
        return reservation

    def _check(self, key: Key, size: int) -> None:
        refusal = self._refusal(key, size)
        if refusal and self._quota.uploaders.compare(self._parts.contents.objects.present):
            refusal = self._refusal(key, size)
        if refusal:
            raise QuotaExceeded(refusal)

    def _refusal(self, key: Key, size: int) -> str:
        """Why an object of that many bytes can't be stored; empty if it can."""
        quota = self._quota
        reserved = quota.reservations.sums()
        begun = {name for name in reserved if name.startswith(_KEY)} | {_KEY + key.file_name}
        if quota.size is not None:
            used = self._used(reserved, begun)
            if used + size > quota.size:
                return _text("this repository", used, quota.size, size)
        if quota.user_size is not None:
            used = quota.uploaders.of(self._user) + reserved.get(self._reserved_as, 0)
            if used + size > quota.user_size:
                who = os.fsdecode(self._user) or "those who don't log in"
                return _text(who, used, quota.user_size, size)
        return ""

    def room(self) -> int | None:
        """Bytes that may be added still in any way, None without a limit. Raises DiskError."""
        if self._quota.size is None:
            return None
        with doing("looking how much is stored"):
            reserved = self._quota.reservations.sums()
            used = self._used(reserved, {name for name in reserved if name.startswith(_KEY)})
        return max(0, self._quota.size - used)

    def _used(self, reserved: dict[bytes, int], begun: set[bytes]) -> int:
        stored = self._sizes.now().get(self.uuid, 0) + self._quota.uploaders.unsized()
        return stored + reserved.get(self.uuid, 0) + self._left_behind(begun) + self._packs()

    def _packs(self) -> int:
        """Bytes that git takes for what was pushed."""
        with os.scandir(self._parts.paths.common_dir + b"/objects/pack") as entries:
            return sum(map(_size, entries))

    def _left_behind(self, begun: set[bytes]) -> int:
        """Bytes in partial files of abandoned uploads."""
        try:
            with os.scandir(self._parts.annex.layout.tmp) as entries:
                return sum(_size(entry) for entry in entries if _KEY + entry.name not in begun)
        except FileNotFoundError:
            return 0

    def note(self, key: Key, size: int) -> None:
        """Notes that the user has stored a key."""
        if key.size is None or self._quota.user_size is not None:
            try:
                self._quota.uploaders.note(size, self._user, key)
            except (OSError, AnnexshellError) as error:
                self._parts.use.warn(f"an upload is not counted for its user: {error}")


def _size(entry: os.DirEntry[bytes]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size if entry.is_file(follow_symlinks=False) else 0
    except FileNotFoundError:  # it may just have become an object
        return 0


def _text(whose: str, used: int, limit: int, size: int) -> str:
    taken = f"{_shown(used)} of {_shown(limit)} are taken"
    return f"the quota of {whose} is used up: {taken}, and {_shown(size)} would be added"


def _shown(size: int) -> str:
    return shown_size(size, 1 if size >= 1000 else 0)


class LimitedWriting(Writing):
    """An upload that counts. If the key doesn't tell the size, it is known once the data comes."""

    def __init__(self, repository: LimitedRepository, inner: Writing, key: Key) -> None:
        self.offset = inner.offset
        self._repository = repository
        self._inner = inner
        self._key = key
        self._size = key.size or 0
        self._reservation = repository.reserve(key, self._size)

    def begin(self, length: int) -> Sink:
        if self._key.size is None:
            self._size = self.offset + length
            self._reservation.release()
            self._reservation = self._repository.reserve(self._key, self._size)
        return self._inner.begin(length)

    def finish(self, valid: bool | None, verified: bool | None = None) -> list[bytes]:
        try:
            uuids = self._inner.finish(valid, verified)
            self._repository.note(self._key, self._size)
        finally:
            self._reservation.release()
        return uuids

    def finish_present(self) -> list[bytes]:
        self._reservation.release()
        return self._inner.finish_present()

    def abandon(self) -> None:
        self._reservation.release()
        self._inner.abandon()
