"""Moves payload: file to stream without touching it, stream to file with a hash beside it.

Nothing here knows messages or keys. Counts come back; a short count means that the source ended early, which only the
caller can judge. Memory is a few buffers per transfer, whatever its size.
"""

from __future__ import annotations

import os

from annexshell.errors import AnnexshellError, DiskError, PeerGone, disk_error
from annexshell.relay.digest import HashThread
from annexshell.stream.blocking import widen_pipe
from annexshell.stream.port import CHUNK, SinkFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.model.hashes import Hasher
    from annexshell.stream.port import Sink, Source

    Progress = Callable[[int], None]  # called with the bytes moved so far

_TOO_EARLY = "the connection was closed in the middle of the content"
SMALL = 1 << 16  # below this a buffer is cheaper than a pipe's worth of system calls
_FAIR = 1 << 20  # bytes taken at once where others wait for their turn, in pieces of
_PIECE = 1 << 18  # bytes, which the processor's cache still holds when they are hashed and written
_spare_buffers: list[memoryview] = []  # of pieces: as many as were ever used at once


def send_file(fd: int, offset: int, length: int, sink: Sink, progress: Progress | None = None) -> int:
    """Sends `length` bytes of the file from `offset`; returns the bytes sent, fewer when the file is shorter."""
    sent = 0
    while sent < length:
        count = sink.send_file(fd, offset + sent, length - sent)
        if count == 0:
            break
        sent += count
        if progress is not None:
            progress(sent)
    return sent


def pump(source: Source, sink: Sink, length: int, progress: Progress | None = None) -> int:
    """Moves `length` bytes from a source to a sink. Returns the bytes moved, fewer when the source ended.

    Raises what the source raises when that is at fault, and SinkFailed when the sink is.
    """
    moved = 0
    while moved < length:
        try:
            count = sink.splice_from(source, length - moved)
        except SinkFailed as failure:
            raise SinkFailed(failure.cause, moved + failure.taken) from failure
        if count == 0:
            break
        moved += count
        if progress is not None:
            progress(moved)
    return moved


def receive(source: Source, begin: Callable[[int], Sink], length: int) -> None:
    """Moves `length` bytes to the sink that `begin` gives for so many. Raises PeerGone when the source ends early, and
    what `begin` or the sink raise: the rest is read away then, so that the next line of the source can be understood,
    unless the source is one request of many."""
    try:
        sink = begin(length)
    except AnnexshellError:
        if not _skip(source, length):
            raise PeerGone(_TOO_EARLY) from None  # it may never have meant to send so much
        raise
    try:
        moved = pump(source, sink, length)
    except SinkFailed as failure:
        _skip(source, length - failure.taken)
        raise failure.cause from failure
    if moved < length:
        raise PeerGone(_TOO_EARLY)


def _skip(source: Source, length: int) -> bool:
    """Whether all of it came, as far as anybody looks."""
    return source.shares or discard(source, length) == length


def store(source: Source, length: int, fd: int, hasher: Hasher | None, progress: Progress) -> int:
    """Appends the next `length` bytes of a source to the file at its current position, and feeds them to the hasher.

    Returns the bytes stored, fewer when the source ended; of what is large, most is in the file also when the source
    breaks. `progress` is called with the bytes stored so far, unless they are few. Raises SinkFailed with a DiskError.
    """
    if source.shares:
        return _store_shared(source, length, fd, hasher, progress)
    if length <= SMALL:
        return _store_small(source, length, fd, hasher)
    widen_pipe(source.in_fd)
    stored = 0
    with HashThread(hasher, CHUNK) as thread:  # measured: two buffers of this size cost the least processor time
        while stored < length:
            buffer = thread.free_buffer()
            count = _fill(source, buffer[: length - stored])
            if count == 0:
                break
            thread.hash(count)
            try:
                write_all(fd, buffer[:count])
            except DiskError as error:
                raise SinkFailed(error, stored + count) from error
            stored += count
            progress(stored)
    return stored


def _store_shared(source: Source, length: int, fd: int, hasher: Hasher | None, progress: Progress) -> int:
    """The same for a source that shares its thread: `work` hashes and writes what has come, and no buffer is held while
    nothing comes."""
    stored = 0

    def keep(piece: memoryview) -> None:
        nonlocal stored
        if hasher is not None:
            hasher.update(piece)
        try:
            write_all(fd, piece)
        except DiskError as error:
            raise SinkFailed(error, stored + len(piece)) from error
        stored += len(piece)
        progress(stored)

    def take() -> int | None:
        limit = min(length, stored + _FAIR)
        last: int | None = 1
        while last and stored < limit:
            last = _take_piece(source, limit - stored, keep)
        return last

    while stored < length:
        source.wait_readable()
        if source.work(take) == 0:
            break
    return stored


def _take_piece(source: Source, limit: int, keep: Callable[[memoryview], None]) -> int | None:
    """Passes on what has come, even if the source breaks then. Returns the result of the last read, as `read_ready`
    does.
    """
    try:
        buffer = _spare_buffers.pop()
    except IndexError:
        buffer = memoryview(bytearray(_PIECE))
    filled = 0
    last: int | None = 1
    try:
        while last and filled < min(limit, _PIECE):
            last = source.read_ready(buffer[filled:limit])
            filled += last or 0
    finally:
        try:
            keep(buffer[:filled])
        finally:
            _spare_buffers.append(buffer)
    return last


def _store_small(source: Source, length: int, fd: int, hasher: Hasher | None) -> int:
    buffer = memoryview(bytearray(length))
    count = _fill(source, buffer)
    try:
        write_all(fd, buffer[:count])
    except DiskError as error:
        raise SinkFailed(error, count) from error
    if hasher is not None:
        hasher.update(buffer[:count])
    return count


def _fill(source: Source, buffer: memoryview) -> int:
    """Fills the buffer, since pipes come in small pieces; less only at the end of the source."""
    count = 0
    while count < len(buffer):
        got = source.read_into(buffer[count:])
        if got == 0:
            break
        count += got
    return count


def write_all(fd: int, data: memoryview) -> None:
    """Appends data to a file. Raises DiskError."""
    try:
        while data:
            data = data[os.write(fd, data) :]
    except OSError as error:
        raise disk_error(error, "storing the content") from None


def discard(source: Source, length: int) -> int:
    """Reads and forgets `length` bytes; returns how many came."""
    buffer = memoryview(bytearray(min(length, CHUNK)))
    left = length
    while left:
        got = source.read_into(buffer[:left])
        if got == 0:
            break
        left -= got
    return length - left


def hash_file(fd: int, length: int, hasher: Hasher) -> int:
    """Feeds the first `length` bytes of a file to the hasher and leaves the file's position behind them."""
    os.lseek(fd, 0, os.SEEK_SET)
    buffer = memoryview(bytearray(min(length, CHUNK)))
    done = 0
    while done < length:
        count = os.readv(fd, [buffer[: length - done]])
        if count == 0:
            break
        hasher.update(buffer[:count])
        done += count
    return done
