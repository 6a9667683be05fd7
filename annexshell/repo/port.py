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
    from annexshell.stream.port import Buffer, Stream


class Held:
    """Content that can't be removed until `release`, or until ten minutes have passed since it was locked."""

    claim = 0  # for `Repository.unlock`, where `abandon` is sure to leave it in force; else somebody has to hold it
    lasts = False  # whether it may be held beside its claim, after the repository has been given to others

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
    """Content being read: `length` bytes from the offset that was asked for. `close` it whatever happens."""

    length: int
    path: bytes | None = None  # the file that holds the content, where there is one on this machine
    failure: AnnexshellError | None = None  # why `send` fell short, where that is known

    def send(self, stream: Stream) -> int:
        """Writes the content to the stream; returns the bytes sent, fewer than `length` if the rest could not be read.
        Raises PeerGone only for the stream."""
        raise NotImplementedError

    def read_small(self) -> bytes | None:
        """All of the content, where it is so small that one write with what goes around it is best; else None."""
        return None

    def is_valid(self) -> bool:
        """After sending: whether it was the key's content all the time."""
        raise NotImplementedError

    def close(self, delivered: bool) -> None:
        """Ends the reading; `delivered` is what the receiver says of it."""
        raise NotImplementedError


class Writing:
    """Content being stored. `offset` is how much of it is there from an earlier attempt.

    Ends with `finish`, `finish_present` or `abandon`, of which exactly one must be called.
    """

    offset: int

    def receive(self, stream: Stream, length: int) -> None:
        """Takes `length` bytes from the stream: what follows `offset`. Raises PeerGone when the stream ends early."""
        raise NotImplementedError

    def begin(self, length: int) -> None:
        """In place of `receive`, for whoever has the bytes: announces `length` of them, that `write` then brings."""
        raise NotImplementedError

    def write(self, data: Buffer) -> None:
        """Takes the next bytes after `begin`."""
        raise NotImplementedError

    def finish(self, valid: bool | None, verified: bool | None = None) -> list[bytes]:
        """Stores what was received; on return it is durable. `valid` is the sender's word on it, None if it gave none;
        `verified` is what the caller itself found by hashing all of the content, None if it did not.

        Returns the uuids of the repositories that stored it, besides the one that was asked.
        """
        raise NotImplementedError

    def finish_present(self) -> list[bytes]:
        """The content came by another way: checks that it is there. Raises NotPresent."""
        raise NotImplementedError

    def abandon(self) -> None:
        """The sender is gone: what came is kept for another attempt."""
        raise NotImplementedError


class AlreadyHave:
    """The answer to `put` when nothing needs to be sent. `uuids` are further repositories that have it."""

    def __init__(self, uuids: list[bytes] | None = None) -> None:
        self.uuids = uuids or []


class Repository:
    """See the module. `uuid` is what clients know it by."""

    uuid: bytes

    def present(self, key: Key) -> bool:
        """Whether the content is there. Raises when that can't be known."""
        raise NotImplementedError

    def lock(self, key: Key) -> Held:
        """Keeps the content from being removed. Raises NotPresent, ContentLocked."""
        raise NotImplementedError

    def unlock(self, key: Key, claim: int) -> None:
        """Ends a lock that was left in force, by its claim; 0 is that of none, and has what others left tidied up.
        Raises NotPresent, ContentLocked."""
        raise NotImplementedError

    def remove(self, key: Key, before: int | None = None) -> list[bytes]:
        """Removes the content, which is no error if it is not there; returns the uuids of further repositories that it
        is gone from. With `before`, only while `timestamp` is less. Raises ContentLocked, TooLate."""
        raise NotImplementedError

    def timestamp(self) -> int:
        """Seconds of the clock that `remove` compares `before` with."""
        raise NotImplementedError

    def get(self, key: Key, offset: int, file: bytes) -> Reading:
        """Begins to read the content from a byte offset. Raises NotPresent. `file` is for display."""
        raise NotImplementedError

    def put(self, key: Key, file: bytes) -> AlreadyHave | Writing:
        """Begins to store content. Raises Refused, TransferBusy, DiskFull."""
        raise NotImplementedError

    def bypass(self, gateways: list[bytes]) -> None:
        """Names the gateways that a request has come by already and must not reach again. Only a cluster has ways that
        lead there."""

    def close(self) -> None:
        """Ends the use of the repository, and commits what it has recorded."""
        raise NotImplementedError
