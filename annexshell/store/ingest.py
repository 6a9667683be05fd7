"""Storing an upload, from the partial file to its place among the objects.

Read it from top to bottom: locks -> partial file -> copy and hash -> verify -> flush -> move into place -> record ->
see it there -> give the locks up. Upstream: P2P/Annex.hs, Annex/Content.hs (moveAnnex), Annex/Verify.hs.

Others may delete, replace or change a partial file at any moment (`git annex dropunused`, an administrator). An upload
is acknowledged only if the object is the very file that was received, in its full size.
"""

from __future__ import annotations

import os
from contextlib import suppress
from errno import EXDEV

from annexshell.disk.perms import make_directories
from annexshell.errors import AnnexshellError, DiskError, DiskFull, VerificationFailed, doing
from annexshell.model.hashes import hasher_for, matches
from annexshell.relay.copy import hash_file, store, write_all
from annexshell.store.objects import fits
from annexshell.stream.port import Sink, SinkFailed

_ATTEMPTS = 20  # to store where somebody removes at the same time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Protocol

    from annexshell.model.hashes import Hasher
    from annexshell.model.key import Key
    from annexshell.store.layout import AnnexDir
    from annexshell.store.objects import Objects
    from annexshell.store.protection import Protection
    from annexshell.store.transfers import Transfer
    from annexshell.stream.port import Buffer, Source

    class Record(Protocol):
        """What the location log says of this repository."""

        def record_present(
            self, key: Key, before: Callable[[], None] | None = None, ready: Callable[[], None] | None = None
        ) -> None:
            """Notes that the content is here; just before it publishes that it calls `before`, and earlier, when nobody
            is kept waiting by it, `ready`."""

        def record_missing(self, key: Key, before: Callable[[], None] | None = None) -> None:
            """Notes that it is not."""

        def record_later(self, key: Key) -> bool:
            """Has somebody note later what is true then, as it can't be done now; False if even that failed."""


class Receiving(Sink):
    """An upload being received, a Sink after `begin`. Ends with `finish`, or with `abandon` when the peer is gone.

    `offset` is how many bytes are here from an earlier attempt; the peer has to send the rest.
    """

    def __init__(self, ingest: Ingest, key: Key, transfer: Transfer) -> None:
        self._ingest = ingest
        self._key = key
        self._transfer = transfer
        self._path = ingest.annex.layout.partial(key)
        self._hasher: Hasher | None = None
        self._fd = -1
        self._got = 0
        self._announced = 0
        self.offset = self._usable_offset()

    def _usable_offset(self) -> int:
        try:
            size = os.stat(self._path).st_size
        except FileNotFoundError:
            return 0
        if self._key.size is not None and size > self._key.size:
            os.unlink(self._path)  # it can never become the content, and would make every further attempt fail
            return 0
        return size

    def begin(self, length: int) -> Sink:
        """Opens the partial file, for `length` bytes more, and returns what appends to it. Raises VerificationFailed if
        the part to continue from is no longer there. If somebody truncates the file meanwhile, its size shows that,
        while a write at an offset would leave a hole."""
        self._announced = length
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            self._fd = os.open(self._path, flags, 0o666)
        except FileNotFoundError:
            make_directories(self._ingest.annex.layout.tmp, self._ingest.annex.path, self._ingest.annex.perms)
            self._fd = os.open(self._path, flags, 0o666)
        self._check_untouched(self.offset)
        return self

    def write(self, data: Buffer) -> None:
        """Takes the next bytes, which are not hashed here."""
        self._hasher = None
        try:
            write_all(self._fd, memoryview(data))
        except DiskError as error:
            self._tidy(error)
            raise
        self._got += len(data)
        self._progress(self._got)

    def splice_from(self, source: Source, count: int) -> int:
        """Takes all of the next `count` bytes, and hashes them on the way if the upload is to be hashed at all."""
        if not self._got:
            try:
                source.work(self._begin_hash)
            except DiskError as error:
                raise SinkFailed(error, 0) from error
        before = self._got
        try:
            taken = store(source, count, self._fd, self._hasher, lambda stored: self._progress(before + stored))
        except SinkFailed as failure:
            self._tidy(failure.cause)
            raise
        self._got += taken
        return taken

    def _tidy(self, error: AnnexshellError) -> None:
        """A partial file that fills the disk is not kept: nothing else would find room beside it."""
        if isinstance(error, DiskFull):
            self._discard()

    def _begin_hash(self) -> None:
        """Hashes the part that is here already, if the upload is to be hashed at all."""
        if self._ingest.verify or self.offset:
            self._hasher = self._ingest.hasher_for(self._key)
        if self._hasher is not None and self.offset:
            with doing("reading the part that is here"):
                hash_file(self._fd, self.offset, self._hasher)

    def lend(self) -> bytes:
        """The path of the partial file, for another program to write, and us to `adopt`. It exists already: rsync
        would make it a directory if the client sent several files."""
        self.begin(0)
        os.close(self._fd)
        self._fd = -1
        return self._path

    def adopt(self) -> None:
        """Takes the partial file, written by another program, as what was received."""
        self.offset = os.stat(self._path).st_size
        self.begin(0)

    def _progress(self, count: int) -> None:
        self._transfer.progress(self.offset + count)
        self._ingest.annex.durability.begin(self._fd, self.offset + count)

    def finish(self, valid: bool | None, verified: bool | None = None) -> None:
        """Stores what was received. `valid` is what the peer says of its own copy, None if it can't say; `verified` is
        the result if the caller hashed all of it on its way here, None if not.

        Whatever the peer says, the hash decides. Raises VerificationFailed, after which the next attempt starts from
        the beginning.
        """
        succeeded = False
        try:
            if valid is False and self._announced == 0:
                raise VerificationFailed("the client has nothing to send")
            length = self.offset + self._got
            received = self._check_untouched(length)
            # The original stores a file that has the hash but not the size, only for `git annex fsck` to remove it.
            if not fits(self._key, length) or not (self._matches(valid) if verified is None else verified):
                self._discard()
                raise VerificationFailed("verification of content failed")
            self._ingest.annex.durability.file(self._fd)
            self._ingest.move_into_place(self._key, self._path, received)
            succeeded = True
        finally:
            self._close(succeeded)

    def _check_untouched(self, size: int) -> os.stat_result:
        """Raises VerificationFailed if the partial file is not as large as what we know to be in it."""
        info = os.fstat(self._fd)
        if info.st_size != size:
            self._discard()
            raise VerificationFailed("another program has changed the partial file of the content")
        return info

    def _discard(self) -> None:
        """Deletes the partial file, unless it is gone or another one has taken its place."""
        if is_file_at(self._path, os.fstat(self._fd)):
            with suppress(FileNotFoundError):
                os.unlink(self._path)

    def _matches(self, valid: bool | None) -> bool:
        length = self.offset + self._got
        hasher = self._hasher
        if hasher is None and (self.offset or self._ingest.verify or not valid):
            hasher = self._ingest.hasher_for(self._key)
            if hasher is not None:
                hash_file(self._fd, length, hasher)
        return matches(self._key, hasher, length)

    def abandon(self) -> None:
        """Keeps the partial file for another attempt, and gives the locks up. An upload that never began has not
        failed.
        """
        self._close(None if self._fd < 0 else False)

    def _close(self, succeeded: bool | None) -> None:
        fd, self._fd = self._fd, -1
        try:
            if fd >= 0:
                os.close(fd)
        finally:
            self._transfer.end(succeeded)


class Ingest:
    """Stores objects in one repository. With `verify` every upload is hashed, otherwise only those that a peer doesn't
    call valid. `equivalents` gives the keys whose content a VURL key may have. `displace` moves a file out of the place
    of an object, if it is still found to be bad once it is locked; `stored` is called when all is done.
    """

    def __init__(
        self,
        annex: AnnexDir,
        objects: Objects,
        protection: Protection,
        verify: bool,
        equivalents: Callable[[Key], Iterable[Key]],
        displace: Callable[[Key, bytes, Callable[[], bool]], None],
        record: Record,
        stored: Callable[[Key, bytes], None],
    ) -> None:
        self.annex = annex
        self.verify = verify
        self._objects = objects
        self._protection = protection
        self._equivalents = equivalents
        self._displace = displace
        self._record = record
        self._stored = stored

    def hasher_for(self, key: Key) -> Hasher | None:
        """A fresh hasher for the content of the key, None if only its size can be checked."""
        return hasher_for(key, self._equivalents(key))

    def begin(self, key: Key, transfer: Transfer) -> Receiving:
        """Starts to receive a key's content, under the locks of `transfer`, which are given up when it ends."""
        return Receiving(self, key, transfer)

    def move_into_place(self, key: Key, source: bytes, received: os.stat_result) -> None:
        """Makes a verified and flushed file, which was `received`, the object of the key, and records it. On return all
        of it is on disk.

        If an object has appeared meanwhile, that one stays and the file goes, as upstream does. Raises
        VerificationFailed if it is not there in the end, because somebody else has changed or removed it.
        """
        path = self._objects.find(key) or self.annex.layout.object_candidates(key)[0]
        directory = os.path.dirname(path)
        created = self._place(key, source, received, path)
        # Flushed right after the record, which is published then: one wait for the disk less.
        named_by = [directory, *(os.path.dirname(d) for d in reversed(created))]

        def publish() -> None:
            # A removal of ours deletes the object under the journal's lock, which is held here: so the log never says
            # that an object is here which a removal has taken away, even if this process does not live to correct it.
            if not self._objects.is_at(key, path):
                raise VerificationFailed("the content was removed again while it was being stored")

        try:
            self._record.record_present(key, publish, lambda: self.annex.durability.directories(named_by))
        except (OSError, AnnexshellError):
            self._record.record_later(key)
            raise
        self._stored(key, path)
        self._protection.freeze_directory(directory)
        if not self._objects.is_at(key, path):
            # A removal came between the object and its record, and has perhaps recorded that before us.
            self._record.record_missing(key)
            raise VerificationFailed("the content was removed again while it was being stored")

    def _place(self, key: Key, source: bytes, received: os.stat_result, path: bytes) -> list[bytes]:
        """Moves the file; returns the directories that had to be made. A removal may tidy them away again, or the
        object itself, at any moment."""
        directory = os.path.dirname(path)
        created: list[bytes] = []
        for _ in range(_ATTEMPTS):
            made = make_directories(directory, self.annex.path, self.annex.perms)
            is_new = directory in made
            created += made
            try:
                if not is_new and os.path.exists(path):
                    if self._keep_existing(key, path, source):
                        return created
                    continue
                if not is_file_at(source, received):
                    raise VerificationFailed("another program has removed or replaced the partial file of the content")
                self._protection.thawed(directory, lambda: move(source, path), is_thawed=is_new)
                moved = self._check_moved(key, path, received)
                self._protection.freeze_object(path, moved.st_mode)
                return created
            except FileNotFoundError:
                continue
        raise DiskError("the object's directory keeps being removed")

    def _check_moved(self, key: Key, path: bytes, received: os.stat_result) -> os.stat_result:
        """Raises VerificationFailed unless what was moved is what was received: somebody may have changed it just
        before that. (Somebody may also have stored the same content just after it.)"""
        moved = os.stat(path)
        is_ours = received.st_dev != moved.st_dev or received.st_ino == moved.st_ino
        if moved.st_size != received.st_size or not (is_ours or self._is_content(key, path)):
            with suppress(FileNotFoundError):
                self._displace(key, path, lambda: not self._is_content(key, path))
            raise VerificationFailed("another program has changed the partial file of the content")
        return moved

    def _is_content(self, key: Key, path: bytes) -> bool:
        """Whether a file certainly has the content of the key: reads all of it."""
        hasher = self.hasher_for(key)
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            return hasher is not None and matches(key, hasher, hash_file(file.fileno(), size, hasher))

    def _keep_existing(self, key: Key, path: bytes, source: bytes) -> bool:
        """Whether the object that is there already stays. If it is not the content of the key, it is moved away, and
        recorded as missing until another one is in its place."""
        if not self._objects.holds_content(key, path):
            self._displace(key, path, lambda: not self._objects.holds_content(key, path))
            self._record.record_missing(key)
            return False
        with open(path, "rb") as existing:
            self.annex.durability.file(existing.fileno())  # whoever stored it may not have waited for the disk
        with suppress(FileNotFoundError):
            os.unlink(source)
        return True


def is_file_at(path: bytes, file: os.stat_result) -> bool:
    """Whether the file at `path` is this one."""
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (file.st_dev, file.st_ino)


def move(source: bytes, path: bytes) -> None:
    """Moves a file, also to another file system. Raises OSError."""
    try:
        os.rename(source, path)
    except OSError as error:
        if error.errno != EXDEV:
            raise
        _copy_across(source, path)


def _copy_across(source: bytes, path: bytes) -> None:
    """Where objects lie on another file system than partial files: copy beside the target, flush, rename."""
    from shutil import copyfile

    beside = path + b".tmp"
    try:
        copyfile(source, beside)
        with open(beside, "rb") as copied:
            os.fsync(copied.fileno())
        os.rename(beside, path)
    except BaseException:
        if os.path.exists(beside):
            os.unlink(beside)
        raise
    os.unlink(source)
