"""Payload from and to every kind of file descriptor: all of it, in order, in little memory."""

from __future__ import annotations

import hashlib
import os
import random
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from annexshell.errors import DiskError, DiskFull, PeerGone
from annexshell.relay.copy import SMALL, discard, hash_file, pump, send_file, store
from annexshell.stream.blocking import FdStream
from annexshell.stream.memory import MemoryStream
from annexshell.stream.port import CHUNK, SinkFailed
from tests.support.connections import End

Connect = Callable[[str], End]
MakeFile = Callable[..., int]

SIZES = [0, 1, SMALL - 1, SMALL, SMALL + 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7]
MIB = 1 << 20


def payload(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def ignored(_count: int) -> None:
    """Progress that nobody looks at."""


def content(fd: int) -> bytes:
    return os.pread(fd, os.fstat(fd).st_size, 0)


class TestSending:
    """From a file to a stream."""

    @pytest.mark.parametrize("kind", ["pipe", "socket"])
    @pytest.mark.parametrize("size", SIZES)
    def test_all_of_a_file(self, connect: Connect, file: MakeFile, kind: str, size: int) -> None:
        end = connect(kind)
        end.drain()
        data = payload(size)
        progress: list[int] = []
        assert send_file(file(data), 0, size, end.stream, progress.append) == size
        assert end.all() == data
        assert progress == sorted(progress)
        assert progress[-1:] == [size] * bool(size)

    @pytest.mark.parametrize("kind", ["pipe", "socket", "memory"])
    def test_a_part_of_it(self, connect: Connect, file: MakeFile, kind: str) -> None:
        data = payload(3 * CHUNK)
        fd, end = file(data), connect(kind)
        os.lseek(fd, 17, os.SEEK_SET)
        end.drain()
        assert send_file(fd, 100, 2 * CHUNK, end.stream) == 2 * CHUNK
        assert end.all() == data[100 : 100 + 2 * CHUNK]
        assert os.lseek(fd, 0, os.SEEK_CUR) == 17

    @pytest.mark.parametrize("kind", ["pipe", "socket"])
    @pytest.mark.parametrize("offset", [0, 1000, CHUNK, 5 * CHUNK])
    def test_a_file_that_is_shorter(self, connect: Connect, file: MakeFile, kind: str, offset: int) -> None:
        end = connect(kind)
        end.drain()
        data = payload(CHUNK + 5)
        assert send_file(file(data), offset, 3 * CHUNK, end.stream) == max(0, len(data) - offset)
        assert end.all() == data[offset:]

    def test_to_a_file(self, file: MakeFile) -> None:
        """Where somebody redirects the output of a session to."""
        data, target = payload(3 * CHUNK), file()
        assert send_file(file(data), 0, len(data), FdStream(-1, target)) == len(data)
        assert content(target) == data

    @pytest.mark.parametrize("kind", ["pipe", "socket"])
    def test_a_peer_that_leaves(self, connect: Connect, file: MakeFile, kind: str) -> None:
        end = connect(kind)
        end.leave()
        with pytest.raises(PeerGone):
            send_file(file(payload(CHUNK)), 0, CHUNK, end.stream)


class TestReceiving:
    """From a stream to a file, with a hash beside it."""

    @pytest.mark.parametrize("kind", ["pipe", "socket"])
    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("hashed", [False, True])
    def test_all_that_comes(self, connect: Connect, file: MakeFile, kind: str, size: int, hashed: bool) -> None:
        end = connect(kind)
        data = payload(size)
        end.feed(data + b"NEXT\n", piece=40_000)
        fd = file(b"before")
        hasher = hashlib.sha256() if hashed else None
        assert store(end.stream, size, fd, hasher, ignored) == size
        assert content(fd) == b"before" + data
        assert hasher is None or hasher.digest() == hashlib.sha256(data).digest()
        assert end.stream.read_line() == b"NEXT"

    @pytest.mark.parametrize("piece", [1, 7, 5000, 1 << 30])
    def test_in_pieces_of_any_size(self, file: MakeFile, piece: int) -> None:
        size = SMALL + 1000 if piece < 100 else 3 * CHUNK
        data = payload(size)
        stream = MemoryStream(b"DATA\n" + data + b"NEXT\n", piece)
        assert stream.read_line() == b"DATA"  # and some of the payload is read ahead with it
        fd, hasher, progress = file(), hashlib.sha256(), list[int]()
        assert store(stream, size, fd, hasher, progress.append) == size
        assert content(fd) == data
        assert hasher.digest() == hashlib.sha256(data).digest()
        assert stream.read_line() == b"NEXT"
        assert progress == sorted(progress)
        assert progress[-1] == size

    @pytest.mark.parametrize("size", SIZES[1:])
    @pytest.mark.parametrize("missing", [1, 1000])
    def test_a_stream_that_ends_early(self, file: MakeFile, size: int, missing: int) -> None:
        data = payload(max(0, size - missing))
        fd, hasher = file(), hashlib.sha256()
        assert store(MemoryStream(data), size, fd, hasher, ignored) == len(data)
        assert content(fd) == data  # from where it can be resumed
        assert hasher.digest() == hashlib.sha256(data).digest()

    @pytest.mark.parametrize("size", [100, SMALL, 3 * CHUNK])
    @pytest.mark.parametrize("hashed", [False, True])
    def test_a_full_disk(self, file: MakeFile, size: int, hashed: bool) -> None:
        """It is told how much has been taken, so that the rest can be read away and the conversation can go on."""
        full = os.open("/dev/full", os.O_WRONLY)
        stream = MemoryStream(payload(size) + b"NEXT\n", 5000)
        try:
            with pytest.raises(SinkFailed, match="storing the content") as failed:
                store(stream, size, full, hashlib.sha256() if hashed else None, ignored)
        finally:
            os.close(full)
        assert isinstance(failed.value.cause, DiskFull)
        discard(stream, size - failed.value.taken)
        assert stream.read_line() == b"NEXT"

    def test_a_disk_that_takes_little_at_a_time(self, file: MakeFile, monkeypatch: pytest.MonkeyPatch) -> None:
        write = os.write
        monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:100_000]))
        data = payload(2 * CHUNK)
        fd = file()
        assert store(MemoryStream(data), len(data), fd, None, ignored) == len(data)
        assert content(fd) == data

    def test_a_peer_that_vanishes(self, connect: Connect, file: MakeFile) -> None:
        end = connect("socket")
        end.stream.write(b"unread, so that its end is a reset")
        end.leave()
        with pytest.raises(PeerGone):
            store(end.stream, 3 * CHUNK, file(), hashlib.sha256(), ignored)


STREAMS = [(a, b) for a in ("pipe", "socket", "memory") for b in ("pipe", "socket", "memory")]


class TestPumping:
    """From one stream to another."""

    @pytest.mark.parametrize(("source", "sink"), STREAMS)
    @pytest.mark.parametrize("size", [0, 1, SMALL + 1, 3 * CHUNK + 7])
    def test_between_all_kinds(self, connect: Connect, source: str, sink: str, size: int) -> None:
        near, far, data = connect(source), connect(sink), payload(size)
        near.feed(b"DATA\n" + data + b"NEXT\n", 30_000)
        far.drain()
        progress: list[int] = []
        assert near.stream.read_line() == b"DATA"
        assert pump(near.stream, far.stream, size, progress.append) == size
        assert far.all() == data
        assert near.stream.read_line() == b"NEXT"
        assert progress[-1:] == [size] * bool(size)

    @pytest.mark.parametrize(("source", "sink"), STREAMS)
    def test_a_source_that_ends_early(self, connect: Connect, source: str, sink: str) -> None:
        near, far = connect(source), connect(sink)
        near.feed(b"abc")
        far.drain()
        assert pump(near.stream, far.stream, 10) == 3
        assert far.all() == b"abc"

    @pytest.mark.parametrize(("source", "sink"), STREAMS)
    def test_a_sink_that_breaks(self, connect: Connect, source: str, sink: str) -> None:
        """It is told how much the source has given, so that the rest can be read away."""
        near, far, data = connect(source), connect(sink), payload(3 * CHUNK)
        near.feed(b"DATA\n" + data + b"NEXT\n")
        assert near.stream.read_line() == b"DATA"
        far.leave()
        with pytest.raises(SinkFailed) as failed:
            pump(near.stream, far.stream, len(data))
        assert isinstance(failed.value.cause, PeerGone)
        rest = len(data) - failed.value.taken
        assert discard(near.stream, rest) == rest
        assert near.stream.read_line() == b"NEXT"

    @pytest.mark.parametrize("sink", ["pipe", "socket", "memory"])
    def test_a_source_that_breaks(self, connect: Connect, sink: str) -> None:
        """Not the sink is to blame."""
        near, far = connect("socket"), connect(sink)
        near.stream.write(b"unread, so that its end is a reset")
        near.leave()
        with pytest.raises(PeerGone):
            pump(near.stream, far.stream, CHUNK)

    def test_a_sink_that_breaks_after_a_while(self) -> None:
        sink = MemoryStream(breaks_after=150_000)
        with pytest.raises(SinkFailed) as failed:
            pump(MemoryStream(payload(CHUNK), 100_000), sink, CHUNK)
        assert failed.value.taken == 200_000


@pytest.mark.parametrize(
    ("there", "asked", "read"), [(0, 0, 0), (5, 3, 3), (5, 9, 5), (3 * MIB, 3 * MIB - 1, 3 * MIB - 1)]
)
def test_discarding(there: int, asked: int, read: int) -> None:
    stream = MemoryStream(b"\n" + b"x" * there + b"\n", 1000)
    assert stream.read_line() == b""
    rest = there + 1 - asked if asked <= there else 0
    if asked > there:
        stream = MemoryStream(b"x" * there)
    assert discard(stream, asked) == read
    if rest:
        assert stream.read_line() == b"x" * (there - asked)


@pytest.mark.parametrize("size", [0, 1, MIB, 3 * MIB + 5])
@pytest.mark.parametrize("more", [0, 1000])
def test_hashing_the_beginning_of_a_file(file: MakeFile, size: int, more: int) -> None:
    data = payload(size)
    fd, hasher = file(data + b"x" * more), hashlib.sha256()
    assert hash_file(fd, size, hasher) == size
    assert hasher.digest() == hashlib.sha256(data).digest()
    assert os.lseek(fd, 0, os.SEEK_CUR) == size
    assert hash_file(fd, size + more + 10, hashlib.sha256()) == size + more


class Endless(MemoryStream):
    """Delivers as much as anybody wants, and forgets what it gets."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._left = size

    def read_into(self, buffer: memoryview) -> int:
        count = min(len(buffer), self._left)
        self._left -= count
        return count

    def write(self, data: object) -> None:
        pass


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize("hashed", [False, True])
def test_memory_does_not_grow_with_the_size(traced: None, hashed: bool) -> None:
    peaks = []
    for size in (8 * MIB, 256 * MIB):
        tracemalloc.reset_peak()
        null = os.open("/dev/null", os.O_RDWR)
        zero = os.open("/dev/zero", os.O_RDONLY)
        try:
            hasher = hashlib.blake2s() if hashed and size < 99 * MIB else None
            assert store(Endless(size), size, null, hasher, ignored) == size
            assert pump(Endless(size), Endless(0), size) == size
            assert discard(Endless(size), size) == size
            assert send_file(zero, 0, size, Endless(0)) == size
        finally:
            os.close(null)
            os.close(zero)
        peaks.append(tracemalloc.get_traced_memory()[1])
    assert max(peaks) < 3.5 * MIB


def test_disk_errors_have_a_sentence(file: MakeFile) -> None:
    closed = os.open("/dev/null", os.O_RDONLY)
    try:
        with pytest.raises(SinkFailed, match="Bad file descriptor while storing the content") as failed:
            store(MemoryStream(b"abc"), 3, closed, None, ignored)
        assert isinstance(failed.value.cause, DiskError)
    finally:
        os.close(closed)


class Piecemeal(MemoryStream):
    """One that others wait beside. A piece comes when it is waited for; None is the end of the connection."""

    shares = True

    def __init__(self, *pieces: bytes | None) -> None:
        super().__init__()
        self._pieces = list(pieces)
        self._here = b""
        self.works = 0

    def wait_readable(self) -> None:
        if self._pieces and not self._here and self._pieces[0] is not None:
            self._here = self._pieces.pop(0) or b""

    def read_ready(self, buffer: memoryview) -> int | None:
        if not self._here:
            if self._pieces == [None]:
                raise PeerGone("it is gone")
            return None if self._pieces else 0
        count = min(len(buffer), len(self._here))
        buffer[:count], self._here = self._here[:count], self._here[count:]
        return count

    def work(self, function: Callable[[], Any]) -> Any:
        self.works += 1
        return function()


def shared(stream: Piecemeal, length: int, fd: int) -> tuple[int, str]:
    hasher, seen = hashlib.sha256(), [0]
    count = store(stream, length, fd, hasher, seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == count
    return count, hasher.hexdigest()


def test_what_others_wait_beside_comes_in_pieces(file: MakeFile) -> None:
    data = payload(3 * MIB)
    stream = Piecemeal(data[:1], data[1:100], data[100 : 2 * MIB], data[2 * MIB :], b"the next")
    fd = file(b"")
    assert shared(stream, len(data), fd) == (len(data), hashlib.sha256(data).hexdigest())
    assert os.pread(fd, len(data) + 1, 0) == data
    assert 4 < stream.works < 10, "others have their turn"
    assert shared(Piecemeal(data[:5]), 10, file(b"")) == (5, hashlib.sha256(data[:5]).hexdigest())


def test_what_has_come_before_the_end_of_the_connection_is_kept(file: MakeFile) -> None:
    data = payload(MIB)
    fd = file(b"")
    with pytest.raises(PeerGone):
        shared(Piecemeal(data[:7], data[7 : MIB // 2], None), MIB, fd)
    assert os.pread(fd, MIB, 0) == data[: MIB // 2]
