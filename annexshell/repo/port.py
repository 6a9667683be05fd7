"""The Repository port: what anything that can hold keys can do.

ssh sessions and HTTP requests are translations onto these calls, and everything behind them is an implementation: the
repository on this disk, one behind a connection, a cluster made of others, and wrappers that check access or record
locations. Every implementation passes the same conformance suite (tests/repo/conformance.py).

All calls raise AnnexshellError; `key` is a parsed key, uuids are bytes.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.errors import AnnexshellError
    from annexshell.model.key import Key
    from annexshell.stream.port import Sink


class Held:
    """An object that can't be removed until `release`, or until ten minutes have passed since it was locked."""

    claim = 0  # what `Repository.unlock` ends, if the lock survives `abandon`; 0 if somebody has to hold it
    lasts = False  # whether it may be held on after the repository has been given back for other requests

    def release(self) -> None:
        """The client needs the lock no more."""
        raise NotImplementedError

    def abandon(self) -> None:
        """The client is gone, and may still rely on the lock: it stays in force for the rest of the ten minutes."""
        raise NotImplementedError

    def is_sound(self) -> bool:
        """Whether others still see that it is held, which may be asked where it `lasts`."""
        return True


class Reading:
    """An object being read: `length` bytes from the requested offset. `close` it whatever happens."""

    length: int
    path: bytes | None = None  # the file that holds the content, where there is one on this machine
    failure: AnnexshellError | None = None  # why `send` fell short, where that is known

    def send(self, sink: Sink) -> int:
        """Writes the content to the sink; returns the bytes sent, fewer than `length` if the rest could not be read.
        Raises PeerGone only for the sink."""
        raise NotImplementedError

    def read_small(self) -> bytes | None:
        """All of the content, where it is so small that one write with what goes around it is best; else None."""
        return None

    def is_valid(self) -> bool:
        """After sending: whether all of it was the content of the key."""
        raise NotImplementedError

    def close(self, delivered: bool) -> None:
        """Ends the reading; `delivered` is whether the receiver says that it has everything."""
        raise NotImplementedError


class Writing:
    """An object being stored. `offset` is how many bytes of it are there from an earlier attempt.

    Ends with exactly one call of `finish`, `finish_present` or `abandon`.
    """

    offset: int

    def begin(self, length: int) -> Sink:
        """Announces `length` bytes, those after `offset`; returns where they go. What comes from a Source is hashed on
        the way if that saves reading it again; what the Sink is given by `write` is not, as it may go to several of
        them: the caller hashes it, or `finish` does. When the Sink has failed, only `abandon` may follow.

        To be called once at most. Raises DiskFull, VerificationFailed if the bytes before `offset` are gone."""
        raise NotImplementedError

    def finish(self, valid: bool | None, verified: bool | None = None) -> list[bytes]:
        """Stores the bytes received; on return they are durable. `valid` is the sender's word on them, None if it gave
        none; `verified` is what the caller found by hashing everything itself, None if it did not.

        Returns the uuids of further repositories that stored it, besides the one that was asked.
        """
        raise NotImplementedError

    def finish_present(self) -> list[bytes]:
        """The object arrived another way: checks that it is there. Raises NotPresent."""
        raise NotImplementedError

    def abandon(self) -> None:
        """The sender is gone: the bytes received are kept for another attempt."""
        raise NotImplementedError


class AlreadyHave:
    """The answer to `put` when nothing needs to be sent. `uuids` are further repositories that have it."""

    def __init__(self, uuids: list[bytes] | None = None) -> None:
        self.uuids = uuids or []


class Repository:
    """See the module. `uuid` is what clients know it by."""

    uuid: bytes

    def present(self, key: Key) -> bool:
        """Whether the object is there. Raises when that can't be known."""
        raise NotImplementedError

    def lock(self, key: Key) -> Held:
        """Keeps the object from being removed. Raises NotPresent, ContentLocked."""
        raise NotImplementedError

    def unlock(self, key: Key, claim: int) -> None:
        """Ends a lock that was left in force, by its claim. The claim 0 ends none, and only tidies up after others.
        Raises NotPresent, ContentLocked."""
        raise NotImplementedError

    def remove(self, key: Key, before: int | None = None) -> list[bytes]:
        """Removes the object; it is no error if it is not there. Returns the uuids of further repositories that it is
        gone from. With `before`, only while `timestamp` is less. Raises ContentLocked, TooLate."""
        raise NotImplementedError

    def timestamp(self) -> int:
        """Seconds of the clock that `remove` compares `before` with."""
        raise NotImplementedError

    def get(self, key: Key, offset: int, file: bytes) -> Reading:
        """Begins to read the object from a byte offset. Raises NotPresent. `file` is for display."""
        raise NotImplementedError

    def put(self, key: Key, file: bytes) -> AlreadyHave | Writing:
        """Begins to store an object. Raises Refused, TransferBusy, DiskFull."""
        raise NotImplementedError

    def bypass(self, gateways: list[bytes]) -> None:
        """Names the gateways that the request has passed already and must not reach again. Only a cluster can lead
        there."""

    def close(self) -> None:
        """Ends the use of the repository, and commits the journal."""
        raise NotImplementedError
