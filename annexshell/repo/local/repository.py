"""The repository on this disk: joins the object store with the git-annex branch.

Safe to use beside real git-annex processes and other sessions of ours. What a method acknowledges by returning is on
disk, and recorded in the journal.
"""

from __future__ import annotations

import os

from annexshell.annexlog.journal import encode_name
from annexshell.annexlog.lines import MISSING, PRESENT, PresenceLog
from annexshell.errors import DiskError, InsecureKey, NotPresent, Refused, doing
from annexshell.repo.port import AlreadyHave, Held, Reading, Repository, Writing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.model.key import Key
    from annexshell.repo.local.parts import Parts
    from annexshell.store.ingest import Receiving
    from annexshell.store.locks import HeldContent
    from annexshell.store.objects import OpenObject
    from annexshell.store.removal import Trash
    from annexshell.store.transfers import Transfer
    from annexshell.stream.port import Sink

SMALL = 1 << 16  # bytes; smaller objects are sent in one piece with the lines around them, and not announced
_LONGEST_NAME = 255 - len(b".lck")  # bytes; the object has lock files beside it


class LocalRepository(Repository):
    """A repository below a git directory of this machine. `client` is the uuid that transfers are shown with."""

    def __init__(self, parts: Parts, client: bytes, open_other: Callable[[bytes, Parts], Repository]) -> None:
        """opening.local_repository makes one; `open_other` opens a repository at another path for a trashbin."""
        self.uuid = parts.uuid
        self.objects = parts.contents.objects
        self._parts = parts
        self._client = client
        self._open_other = open_other
        self._changed = False

    def present(self, key: Key) -> bool:
        with doing("looking for the content"):
            return self._parts.contents.objects.present(key)

    def lock(self, key: Key) -> Held:
        objects = self._parts.contents.objects
        with doing("locking the content"):
            path = objects.locate(key)
            if path is None:
                raise NotPresent("the content is not present")
            return LocalHeld(self._parts.contents.locks().hold(path, lambda: objects.holds_content(key, path)))

    def unlock(self, key: Key, claim: int) -> None:
        with doing("unlocking the content"):
            path = self._parts.contents.objects.find(key)
            if path is None:
                raise NotPresent("the content is not present")
            self._parts.contents.locks().unlock(path, claim)

    def is_locked(self, key: Key, without_claim: bool = False) -> bool:
        """Whether somebody has the object locked just now; with `without_claim`, whether that is all that keeps it.
        Takes no lock itself. Raises NotPresent."""
        with doing("looking for locks"):
            path = self._parts.contents.objects.find(key)
            if path is None:
                raise NotPresent("the content is not present")
            locks = self._parts.contents.locks()
            return locks.is_merely_held(path) if without_claim else locks.is_locked(path)

    def remove(self, key: Key, before: int | None = None) -> list[bytes]:
        with doing("removing the content"):
            self._changed |= self._parts.contents.removal(self, self._trash()).remove(key, before)
        return []

    def _trash(self) -> Trash | None:
        """What keeps what is removed, if the owner wants that."""
        name = self._parts.config.get("annex.trashbin")
        if not name:
            return None
        from annexshell.repo.local.trash import Trashbin

        return Trashbin(self._parts, os.fsdecode(name), self._open_other).keep

    def timestamp(self) -> int:
        from annexshell.store.removal import boot_time

        return boot_time()

    def get(self, key: Key, offset: int, file: bytes) -> Reading:
        with doing("opening the content"):
            opened = self._parts.contents.objects.open(key)
            if opened is None:
                raise NotPresent("the content is not present")
            length = max(0, opened.size - offset)
            transfer = self._parts.transfers().sending(key, file, self._client) if length > SMALL else None
            return LocalReading(opened, offset, length, transfer)

    def put(self, key: Key, file: bytes, even_if_present: bool = False) -> AlreadyHave | Writing:
        """With `even_if_present` always a `Writing`, for senders that can't be told that the object is here."""
        parts = self._parts
        with doing("preparing to store the content"):
            if not even_if_present and self._has(key):
                return AlreadyHave()
            self._check_storable(key)
            transfer = parts.transfers().receiving(key, file, self._client)
            try:
                if not even_if_present and self._has(key):
                    transfer.end(succeeded=True)
                    return AlreadyHave()
                receiving = parts.contents.ingest(self).begin(key, transfer)
                parts.contents.space().check(key.size, receiving.offset, transfer.info_path)
            except BaseException:
                transfer.end(succeeded=False)
                raise
        return LocalWriting(self, key, receiving)

    def _has(self, key: Key) -> bool:
        """Whether the object is here and the location log says so. The answer acknowledges as much as an upload does,
        but whoever stored the object may have been killed before recording it: that is made up for here."""
        parts = self._parts
        present = parts.contents.objects.present(key)
        if not present or not self.uuid:  # a gcrypt repository has no log
            return present
        log = parts.journal.read(parts.annex.layout.location_log(key))
        if self.uuid in PresenceLog(log).with_status(PRESENT):
            return True
        from annexshell.repo.local.unrecorded import record

        record(parts, key)
        return parts.contents.objects.present(key)

    def check_room(self, size: int, already: int) -> None:
        """Raises DiskFull if an object of `size` bytes does not fit, `already` bytes of it being here."""
        self._parts.contents.space().check(size, already)

    def _check_storable(self, key: Key) -> None:
        if b"\0" in key.serialized or b"\n" in key.serialized:
            raise Refused("the key's name holds a character that can't be stored")
        log = encode_name(self._parts.annex.layout.location_log(key))  # has to fit into the journal
        if len(key.file_name) > _LONGEST_NAME or len(log) > 255:
            raise Refused("the key's name is too long to be stored")
        if self._parts.contents.secure_only and not self._parts.contents.keys.is_secure(key):
            raise InsecureKey(f"annex.securehashesonly refuses keys of the {os.fsdecode(key.variety)} backend")

    def record_present(
        self, key: Key, before: Callable[[], None] | None = None, ready: Callable[[], None] | None = None
    ) -> None:
        """Notes in the location log that the object is here; `before` is called just before that is published, and
        `ready` earlier, when it may take long."""
        self._changed = True
        self._record(key, PRESENT, before, ready)

    def record_missing(self, key: Key, before: Callable[[], None] | None = None) -> None:
        """The same for an object that is gone, or that `before` removes."""
        self._record(key, MISSING, before)

    def record_later(self, key: Key) -> bool:
        """Leaves a note for whoever closes the repository next; False if that failed."""
        from annexshell.repo.local.unrecorded import note

        self._changed = True
        return not self.uuid or note(self._parts, key)

    def _record(
        self,
        key: Key,
        status: bytes,
        before: Callable[[], None] | None = None,
        ready: Callable[[], None] | None = None,
    ) -> None:
        """The new text of the log is prepared in the place of a note: it is left if this process is killed."""
        layout = self._parts.annex.layout
        if self.uuid:
            log, note = layout.location_log(key), layout.note(key)
            self._parts.journal.set_locations(log, [self.uuid], status, before, note, ready)
            return
        for step in (ready, before):  # a gcrypt repository has neither a uuid nor a log
            if step is not None:
                step()

    def confirm_present(self, key: Key) -> None:
        """Records an object that did not arrive through us. Raises NotPresent."""
        if not self.present(key):
            raise NotPresent("the content is not present")

        def check() -> None:
            if not self._parts.contents.objects.present(key):
                raise NotPresent("the content is no longer present")

        with doing("recording the content"):
            self.record_present(key, check)

    def close(self) -> None:
        from annexshell.repo.local.closing import close

        with doing("committing the location log"):
            close(self._parts, self._changed)


class LocalHeld(Held):
    """A content lock held for a client."""

    def __init__(self, held: HeldContent) -> None:
        self._held = held
        self.claim = held.claim
        self.lasts = held.lasts

    def release(self) -> None:
        with doing("unlocking the content"):
            self._held.release()

    def abandon(self) -> None:
        self._held.abandon()

    def is_sound(self) -> bool:
        return self._held.is_sound()


class LocalReading(Reading):
    """An object being sent."""

    def __init__(self, opened: OpenObject, offset: int, length: int, transfer: Transfer | None) -> None:
        self.length = length
        self.path = opened.path
        self._opened = opened
        self._offset = offset
        self._transfer = transfer
        self._complete = True
        self._sent = 0

    def send(self, sink: Sink) -> int:
        from annexshell.relay.copy import send_file

        try:
            with doing("sending the content"):
                self._sent = send_file(self._opened.fd, self._offset, self.length, sink, self._progress)
        except DiskError as error:
            self.failure = error
        self._complete = self._sent == self.length
        return self._sent

    def read_small(self) -> bytes | None:
        if self.length > SMALL:
            return None
        with doing("reading the content"):
            data = os.pread(self._opened.fd, self.length, self._offset) if self.length else b""
        return data if len(data) == self.length else None

    def _progress(self, count: int) -> None:
        self._sent = count
        if self._transfer is not None:
            self._transfer.progress(self._offset + count)

    def is_valid(self) -> bool:
        return self._complete and self._opened.is_unchanged()

    def close(self, delivered: bool) -> None:
        self._opened.close()
        if self._transfer is not None:
            self._transfer.end(delivered)


class LocalWriting(Writing):
    """An object being received."""

    def __init__(self, repository: LocalRepository, key: Key, receiving: Receiving) -> None:
        self.offset = receiving.offset
        self._repository = repository
        self._key = key
        self._receiving = receiving

    def begin(self, length: int) -> Sink:
        with doing("storing the content"):
            if self._key.size is None:  # how much it is going to be is known only now
                self._repository.check_room(self.offset + length, self.offset)
            return self._receiving.begin(length)

    def lend_partial(self) -> bytes:
        """The path of the partial file, for another program (rsync) to write."""
        with doing("storing the content"):
            return self._receiving.lend()

    def adopt_partial(self) -> None:
        """Takes what the other program has put into the partial file as what was received."""
        with doing("storing the content"):
            self._receiving.adopt()

    def finish(self, valid: bool | None, verified: bool | None = None) -> list[bytes]:
        with doing("storing the content"):
            self._receiving.finish(valid, verified)
        return []

    def finish_present(self) -> list[bytes]:
        self._receiving.abandon()
        self._repository.confirm_present(self._key)
        return []

    def abandon(self) -> None:
        self._receiving.abandon()
