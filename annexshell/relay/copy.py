"""Moves payload: file to stream without touching it, stream to file with a hash beside it.

Nothing here knows messages or keys. Counts come back; a short count means that the source ended early, which only the
caller can judge. Memory is a few buffers per transfer, whatever its size.
"""

from __future__ import annotations

import os
from errno import EPIPE
from fcntl import F_GETPIPE_SZ, F_SETPIPE_SZ, fcntl
from stat import S_ISFIFO, S_ISSOCK

from annexshell.errors import AnnexshellError, DiskError, PeerGone, disk_error
from annexshell.relay.digest import HashThread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.model.hashes import Hasher
    from annexshell.stream.port import Stream

    Progress = Callable[[int], None]  # called with the bytes moved so far

CHUNK = 1 << 20  # bytes asked of the kernel at once
SMALL = 1 << 16  # below this a buffer is cheaper than a pipe's worth of system calls
_FAIR = 1 << 20  # bytes taken at once where others wait for their turn, in pieces of
_PIECE = 1 << 18  # bytes, which the processor's cache still holds when they are hashed and written
_spare_buffers: list[memoryview] = []  # of pieces: as many as were ever used at once
BUFFER = 1 << 20  # bytes; measured: two of this size cost the least processor time per byte hashed and written


def send_file(fd: int, offset: int, length: int, stream: Stream, progress: Progress | None = None) -> int:
    """Sends `length` bytes of the file from `offset`; returns the bytes sent, fewer when the file is shorter."""
    move = _mover(stream.out_fd)
    sent = 0
    while sent < length:
        count = move(fd, offset + sent, min(CHUNK, length - sent), stream)
        if count == 0:
            break
        sent += count
        if progress is not None:
            progress(sent)
    return sent


def _mover(out_fd: int) -> Callable[[int, int, int, Stream], int]:
    mode = os.fstat(out_fd).st_mode if out_fd >= 0 else 0
    if S_ISFIFO(mode):
        widen_pipe(out_fd)
        return _splice
    return _sendfile if S_ISSOCK(mode) else _copy


def _splice(fd: int, offset: int, count: int, stream: Stream) -> int:
    sent: int = stream.writing(os.splice, fd, stream.out_fd, count, offset)
    return sent


def _sendfile(fd: int, offset: int, count: int, stream: Stream) -> int:
    sent: int = stream.writing(os.sendfile, stream.out_fd, fd, offset, count)
    return sent


def _copy(fd: int, offset: int, count: int, stream: Stream) -> int:
    data = os.pread(fd, min(count, BUFFER), offset)
    stream.write(data)
    return len(data)


def widen_pipe(fd: int) -> None:
    """Makes a pipe hold a whole chunk, so that fewer system calls move more. It does no harm if that is not allowed."""
    try:
        if fcntl(fd, F_GETPIPE_SZ) < CHUNK:
            fcntl(fd, F_SETPIPE_SZ, CHUNK)
    except OSError:
        pass


def receive_file(stream: Stream, length: int, fd: int, hasher: Hasher | None, progress: Progress | None = None) -> int:
    """Appends `length` bytes of the stream to the file at its current position, and feeds them to the hasher.

    Returns the bytes received, fewer when the stream ended; they are in the file then. Raises DiskError, having read
    all of them.
    """
    if stream.shares:
        return _receive_shared(stream, length, fd, hasher, progress)
    if length <= SMALL:
        return _receive_small(stream, length, fd, hasher)
    if stream.in_fd >= 0 and S_ISFIFO(os.fstat(stream.in_fd).st_mode):
        widen_pipe(stream.in_fd)
    received = 0
    with HashThread(hasher, BUFFER) as thread:
        while received < length:
            buffer = thread.free_buffer()
            count = _fill(stream, buffer[: length - received])
            if count == 0:
                break
            received += count
            thread.hash(count)
            try:
                _write_all(fd, buffer[:count])
            except DiskError:
                discard(stream, length - received)  # so that the next line of the stream can be understood
                raise
            if progress is not None:
                progress(received)
    return received


def _receive_shared(stream: Stream, length: int, fd: int, hasher: Hasher | None, progress: Progress | None) -> int:
    """The same for a stream that shares its thread: `work` hashes and writes what has come, and no buffer is held while
    nothing comes. A disk error is raised at once."""
    received = 0

    def keep(piece: memoryview) -> None:
        nonlocal received
        if hasher is not None:
            hasher.update(piece)
        _write_all(fd, piece)
        received += len(piece)
        if progress is not None:
            progress(received)

    def take() -> int | None:
        limit = min(length, received + _FAIR)
        last: int | None = 1
        while last and received < limit:
            last = _take_piece(stream, limit - received, keep)
        return last

    while received < length:
        stream.wait_readable()
        if stream.work(take) == 0:
            break
    return received


def _take_piece(stream: Stream, limit: int, keep: Callable[[memoryview], None]) -> int | None:
    """Passes on what has come, even if the stream breaks then. Returns the result of the last read, as `read_ready`
    does.
    """
    buffer = _spare_buffers.pop() if _spare_buffers else memoryview(bytearray(_PIECE))
    filled = 0
    last: int | None = 1
    try:
        while last and filled < min(limit, _PIECE):
            last = stream.read_ready(buffer[filled:limit])
            filled += last or 0
    finally:
        try:
            keep(buffer[:filled])
        finally:
            _spare_buffers.append(buffer)
    return last


def _receive_small(stream: Stream, length: int, fd: int, hasher: Hasher | None) -> int:
    buffer = memoryview(bytearray(length))
    count = 0
    while count < length:
        got = stream.read_into(buffer[count:])
        if got == 0:
            break
        count += got
    _write_all(fd, buffer[:count])
    if hasher is not None:
        hasher.update(buffer[:count])
    return count


def _fill(stream: Stream, buffer: memoryview) -> int:
    """Fills the buffer, since pipes come in small pieces; less only at the end of the stream."""
    count = 0
    while count < len(buffer):
        got = stream.read_into(buffer[count:])
        if got == 0:
            break
        count += got
    return count


def _write_all(fd: int, data: memoryview) -> None:
    try:
        while data:
            data = data[os.write(fd, data) :]
    except OSError as error:
        raise disk_error(error, "storing the content") from None


class SinkFailed(Exception):
    """The stream that was written to broke, after `taken` bytes were taken from the other."""

    def __init__(self, cause: AnnexshellError, taken: int) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.taken = taken


def pump(source: Stream, sink: Stream, length: int, progress: Progress | None = None) -> int:
    """Moves `length` bytes from one stream to another, in the kernel where that is possible.

    Returns the bytes moved, fewer when the source ended. Raises PeerGone when the source broke, and SinkFailed when the
    sink did.
    """
    moved = 0
    step = _pump_step(source, sink)
    while moved < length:
        ahead = source.buffered(min(length - moved, BUFFER))
        if ahead:
            _write_sink(sink, ahead, moved + len(ahead))
            count = len(ahead)
        else:
            count = step(min(CHUNK, length - moved), moved)
        if count == 0:
            break
        moved += count
        if progress is not None:
            progress(moved)
    return moved


def _pump_step(source: Stream, sink: Stream) -> Callable[[int, int], int]:
    """The function that moves the next bytes: given the most it may move and the count so far, it returns what it
    moved.
    """
    fds = (source.in_fd, sink.out_fd)
    pipes = [fd for fd in fds if fd >= 0 and S_ISFIFO(os.fstat(fd).st_mode)]
    if min(fds) < 0 or not pipes:
        buffer = memoryview(bytearray(BUFFER))

        def copy(limit: int, before: int) -> int:
            count = source.read_into(buffer[:limit])
            _write_sink(sink, buffer[:count], before + count)
            return count

        return copy
    for fd in pipes:
        widen_pipe(fd)
    return lambda limit, before: _splice_streams(source, sink, limit, before, sink.out_fd in pipes)


def _splice_streams(source: Stream, sink: Stream, limit: int, before: int, into_pipe: bool) -> int:
    # The source has something for certain before the sink is tried, so that only the sink can make it wait.
    source.wait_readable()
    try:
        sink.wait_writable()
        count: int = sink.writing(
            os.splice, source.in_fd, sink.out_fd, limit, None, None, os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK
        )
    except AnnexshellError as error:
        cause = error.__context__
        if into_pipe and isinstance(cause, OSError) and cause.errno != EPIPE:
            raise  # a pipe that is written to breaks in no other way: it was the source
        raise SinkFailed(error, before) from None
    return count


def _write_sink(sink: Stream, data: bytes | memoryview, taken: int) -> None:
    try:
        sink.write(data)
    except AnnexshellError as error:
        raise SinkFailed(error, taken) from None


def discard(stream: Stream, length: int) -> int:
    """Reads and forgets `length` bytes; returns how many came."""
    buffer = memoryview(bytearray(min(length, BUFFER)))
    left = length
    while left:
        got = stream.read_into(buffer[:left])
        if got == 0:
            break
        left -= got
    return length - left


def skip(stream: Stream, length: int) -> None:
    """Reads away `length` bytes that can't be stored, so that the next line of the stream can be understood, unless the
    stream is one request of many. Raises PeerGone when it ends early."""
    if not stream.shares and discard(stream, length) < length:
        raise PeerGone("the connection was closed in the middle of the content")


def hash_file(fd: int, length: int, hasher: Hasher) -> int:
    """Feeds the first `length` bytes of a file to the hasher and leaves the file's position behind them."""
    os.lseek(fd, 0, os.SEEK_SET)
    buffer = memoryview(bytearray(min(length, BUFFER)))
    done = 0
    while done < length:
        count = os.readv(fd, [buffer[: length - done]])
        if count == 0:
            break
        hasher.update(buffer[:count])
        done += count
    return done
