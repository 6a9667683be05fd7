"""Hashing beside the copy."""

from __future__ import annotations

import hashlib
import threading

import pytest

from annexshell.relay.digest import HashThread


def feed(thread: HashThread, data: bytes) -> None:
    while data:
        buffer = thread.free_buffer()
        count = min(len(buffer), len(data))
        buffer[:count], data = data[:count], data[count:]
        thread.hash(count)


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 1000, 1001])
def test_everything_is_hashed_in_order(size: int) -> None:
    data = bytes(range(256)) * 4
    hasher = hashlib.sha256()
    with HashThread(hasher, 10) as thread:
        feed(thread, data[:size])
    assert hasher.digest() == hashlib.sha256(data[:size]).digest()


def test_without_a_hasher_there_is_one_buffer_and_no_thread() -> None:
    with HashThread(None, 10) as thread:
        first = thread.free_buffer()
        thread.hash(5)
        assert thread.free_buffer() is first
        assert threading.active_count() == 1


class Slow:
    """A hasher that takes its time: until it is let go on."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.go_on = threading.Semaphore(0)
        self.data = b""

    def update(self, data: bytes | bytearray | memoryview) -> None:
        self.entered.release()
        assert self.go_on.acquire(timeout=20)
        self.data += bytes(data)

    def hexdigest(self) -> str:
        return ""


def test_a_buffer_is_not_given_out_while_it_is_hashed() -> None:
    hasher = Slow()
    with HashThread(hasher, 1) as thread:
        feed(thread, b"ab")  # both buffers are full now
        assert hasher.entered.acquire(timeout=20)
        waiting = threading.Thread(target=feed, args=(thread, b"c"))
        waiting.start()
        waiting.join(0.05)
        assert waiting.is_alive()
        hasher.go_on.release(5)
        waiting.join(20)
    assert hasher.data == b"abc"


def test_asking_twice_gives_the_same_buffer() -> None:
    hasher = hashlib.sha256()
    with HashThread(hasher, 10) as thread:
        for letter in (b"a", b"b", b"c"):
            assert thread.free_buffer() is thread.free_buffer()
            thread.free_buffer()[:1] = letter
            thread.hash(1)
    assert hasher.digest() == hashlib.sha256(b"abc").digest()


def test_an_error_of_the_caller_ends_the_thread() -> None:
    hasher = Slow()
    hasher.go_on.release(10)

    def fail(thread: HashThread) -> None:
        feed(thread, b"a")
        raise KeyError

    thread = HashThread(hasher, 1)
    with pytest.raises(KeyError), thread:
        fail(thread)
    assert hasher.data == b"a"


class Broken:
    """A hasher that has run out of memory."""

    def update(self, data: bytes | bytearray | memoryview) -> None:
        raise MemoryError

    def hexdigest(self) -> str:
        return ""


def test_an_error_of_the_hasher_reaches_the_caller() -> None:
    """And nobody waits for ever for a buffer."""
    with pytest.raises(MemoryError), HashThread(Broken(), 1) as thread:
        feed(thread, b"abcdef")
