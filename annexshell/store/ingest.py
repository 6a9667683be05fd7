"""Content on its way in, from the partial file to its place among the objects.

To be read from top to bottom: locks -> partial file -> copy and hash -> verify -> flush -> move into place -> record ->
give the locks up. Upstream: P2P/Annex.hs, Annex/Content.hs (moveAnnex), Annex/Verify.hs.
"""

from __future__ import annotations

import os
from errno import EXDEV

from annexshell.disk.perms import make_directories
from annexshell.errors import DiskError, DiskFull, PeerGone, VerificationFailed
from annexshell.relay.copy import hash_file, receive_file, skip
from annexshell.store.verify import hasher_for, matches

_ATTEMPTS = 20  # to store where somebody removes at the same time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from annexshell.disk.durable import Durability
    from annexshell.disk.perms import Perms
    from annexshell.model.key import Key
    from annexshell.relay.digest import Hasher
    from annexshell.store.layout import Layout
    from annexshell.store.objects import Objects
    from annexshell.store.protection import Protection
    from annexshell.store.transfers import Transfer
    from annexshell.stream.port import Buffer, Stream


class Receiving:
    """One key's content being received. Ends with `finish`, or with `abandon` when the peer is gone.

    `offset` is how many bytes are here from an earlier attempt: the peer is to send what follows them.
    """

    def __init__(self, ingest: Ingest, key: Key, transfer: Transfer) -> None:
        self._ingest = ingest
        self._key = key
        self._transfer = transfer
        self._path = ingest.layout.partial(key)
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

    def receive(self, stream: Stream, length: int) -> None:
        """Takes `length` bytes of payload from the stream. Raises PeerGone when it ends early, DiskError. What fills
        the disk is not kept: nothing else would find room beside it."""
        try:
            stream.work(lambda: self._begin(length))
        except OSError:
            skip(stream, length)
            raise
        try:
            self._got = receive_file(stream, length, self._fd, self._hasher, self._progress)
        except DiskFull:
            os.unlink(self._path)
            raise
        if self._got < length:
            raise PeerGone("the connection was closed in the middle of the content")

    def begin(self, length: int) -> None:
        """Opens the partial file, for `length` bytes more."""
        self._announced = length
        make_directories(self._ingest.layout.tmp, self._ingest.layout.annex_dir, self._ingest.perms)
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        os.lseek(self._fd, self.offset, os.SEEK_SET)

    def _begin(self, length: int) -> None:
        self.begin(length)
        self._begin_hash()

    def _begin_hash(self) -> None:
        """Brings the hash up to the end of what is here, if what comes is to be hashed at all."""
        if self._ingest.verify or self.offset:
            self._hasher = self._ingest.hasher_for(self._key)
        if self._hasher is not None and self.offset:
            hash_file(self._fd, self.offset, self._hasher)

    def write(self, data: Buffer) -> None:
        """Takes the next bytes, after `begin`. They are not hashed here. Raises OSError."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._fd, rest) :]
        self._got += len(data)
        self._progress(self._got)

    def lend(self) -> bytes:
        """The path of the partial file, for another program to write, and us to `adopt`. It exists already: rsync
        would make it a directory if the client sent several files."""
        self.begin(0)
        os.close(self._fd)
        self._fd = -1
        return self._path

    def adopt(self) -> None:
        """Takes the partial file as it is now, written by somebody else, for what was received."""
        self.offset = os.stat(self._path).st_size
        self.begin(0)

    def _progress(self, count: int) -> None:
        self._transfer.progress(self.offset + count)
        self._ingest.durability.begin(self._fd, self.offset + count)

    def finish(self, valid: bool | None, verified: bool | None = None) -> None:
        """Stores what was received. `valid` is what the peer says of its own copy, None if it can't say; `verified` is
        what somebody found who hashed all of it on its way here, None if nobody did.

        Whatever the peer says, the hash decides. Raises VerificationFailed, after which the next attempt starts from
        nothing.
        """
        succeeded = False
        try:
            if valid is False and self._announced == 0:
                raise VerificationFailed("the client has nothing to send")
            if not (self._matches(valid) if verified is None else verified):
                os.unlink(self._path)
                raise VerificationFailed("verification of content failed")
            self._ingest.durability.file(self._fd)
            self._ingest.move_into_place(self._key, self._path)
            succeeded = True
        finally:
            self._close(succeeded)

    def _matches(self, valid: bool | None) -> bool:
        length = self.offset + self._got
        hasher = self._hasher
        if hasher is None and not (valid and not self._ingest.verify):
            hasher = self._ingest.hasher_for(self._key)
            if hasher is not None:
                hash_file(self._fd, length, hasher)
        return matches(self._key, hasher, length)

    def abandon(self) -> None:
        """Keeps what has come so far for another attempt, and gives the locks up. Nothing failed that never began."""
        self._close(None if self._fd < 0 else False)

    def _close(self, succeeded: bool | None) -> None:
        fd, self._fd = self._fd, -1
        try:
            if fd >= 0:
                os.close(fd)
        finally:
            self._transfer.end(succeeded)


class Ingest:
    """Stores contents in one repository. With `verify` everything is hashed, else only what a peer doesn't vouch for.
    `equivalents` gives the keys whose content a VURL key may have. `record` notes in the location log that a key's
    content is here, and just before it publishes that calls what it is given; `retract` notes that it is gone again;
    `stored` is called when all is done.
    """

    def __init__(
        self,
        layout: Layout,
        objects: Objects,
        protection: Protection,
        perms: Perms,
        durability: Durability,
        verify: bool,
        equivalents: Callable[[Key], Iterable[Key]],
        record: Callable[[Key, Callable[[], None]], None],
        retract: Callable[[Key], None],
        stored: Callable[[Key, bytes], None],
    ) -> None:
        self.layout = layout
        self.perms = perms
        self.durability = durability
        self.verify = verify
        self._objects = objects
        self._protection = protection
        self._equivalents = equivalents
        self._record = record
        self._retract = retract
        self._stored = stored

    def hasher_for(self, key: Key) -> Hasher | None:
        """A fresh hasher for the content of the key, None if only its size can be checked."""
        return hasher_for(key, self._equivalents(key))

    def begin(self, key: Key, transfer: Transfer) -> Receiving:
        """Starts to receive a key's content, under the locks of `transfer`, which are given up when it ends."""
        return Receiving(self, key, transfer)

    def move_into_place(self, key: Key, source: bytes) -> None:
        """Makes a verified and flushed file the object of the key, and records it. On return all of it is on disk.

        If an object has appeared meanwhile, that one stays and the file goes, as upstream does. Raises
        VerificationFailed if the one that is there is not the content any more (annex.thin).
        """
        path = self._objects.find(key) or self.layout.object_candidates(key)[0]
        directory = os.path.dirname(path)
        created = self._place(key, source, path)
        # Flushed together with the record, which is published after that: one wait for the disk less.
        named_by = [directory, *(os.path.dirname(d) for d in reversed(created))]
        self._record(key, lambda: self.durability.directories(named_by))
        self._stored(key, path)
        self._protection.freeze_directory(directory)
        if not os.path.exists(path):
            # A removal came between the object and its record, and has perhaps recorded that before us.
            self._retract(key)

    def _place(self, key: Key, source: bytes, path: bytes) -> list[bytes]:
        """Moves the file; returns the directories that had to be made. A removal may tidy them away again, or the
        object itself, at any moment."""
        directory = os.path.dirname(path)
        created: list[bytes] = []
        for _ in range(_ATTEMPTS):
            created += make_directories(directory, self.layout.annex_dir, self.perms)
            try:
                if os.path.exists(path):
                    self._keep_existing(key, path, source)
                else:
                    self._protection.thawed(directory, lambda: _move(source, path))
                    self._protection.freeze_object(path)
                return created
            except FileNotFoundError:
                if not os.path.exists(source):
                    return created
        raise DiskError("the object's directory is being removed again and again")

    def _keep_existing(self, key: Key, path: bytes, source: bytes) -> None:
        if not self._objects.holds_content(key, path):
            raise VerificationFailed("a modified file is in the place of the object: it has to be restored or removed")
        with open(path, "rb") as existing:
            self.durability.file(existing.fileno())  # whoever stored it may not have waited for the disk
        os.unlink(source)


def _move(source: bytes, path: bytes) -> None:
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
