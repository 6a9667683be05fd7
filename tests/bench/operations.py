"""What a client of the protocol asks for, and the objects that it asks for."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from tests.bench.client import Session
from tests.support.client import sha256_key

T = TypeVar("T")
_BLOCK = 1 << 20
SMALL = 1000  # bytes


@dataclass(frozen=True)
class Payload:
    """A big file, and its key."""

    path: Path
    size: int
    key: bytes


@cache
def payload(directory: Path, size: int) -> Payload:
    """The file of that size in a directory, made if it isn't there; its pages are in memory afterwards."""
    path = directory / f"payload-{size}"
    if not path.exists() or path.stat().st_size != size:
        block = os.urandom(_BLOCK)
        with open(path, "wb") as file:
            for start in range(0, size, _BLOCK):
                file.write(block[: size - start])
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while data := file.read(_BLOCK):
            digest.update(data)
    return Payload(path, size, b"SHA256-s%d--%b" % (size, digest.hexdigest().encode()))


def small_objects(count: int) -> list[tuple[bytes, bytes]]:
    """Keys and contents that were never seen before."""
    contents = [os.urandom(SMALL) for _ in range(count)]
    return [(sha256_key(content).encode(), content) for content in contents]


def put(session: Session, key: bytes, content: bytes) -> None:
    session.expect(b"PUT  " + key, b"PUT-FROM 0")
    session.expect(b"DATA %d\n%bVALID" % (len(content), content), b"SUCCESS")


def put_file(session: Session, source: Payload, progress: Callable[[int], None]) -> None:
    session.expect(b"PUT  " + source.key, b"PUT-FROM 0")
    session.write(b"DATA %d\n" % source.size)
    with open(source.path, "rb") as file:
        session.feed(file.fileno(), source.size, progress)
    session.expect(b"VALID", b"SUCCESS")


def get(session: Session, key: bytes, size: int) -> None:
    session.expect(b"GET 0  " + key, b"DATA %d" % size)
    session.swallow(size)
    session.expect_line(b"VALID")
    session.write(b"SUCCESS\n")


def remove(session: Session, key: bytes) -> None:
    session.expect(b"REMOVE " + key, b"SUCCESS")


def is_present(session: Session, key: bytes, expected: bool) -> None:
    session.expect(b"CHECKPRESENT " + key, b"SUCCESS" if expected else b"FAILURE")


def timed(work: Callable[[T], object], items: Iterable[T]) -> float:
    """Seconds that it takes for all of the items, one after the other."""
    begin = time.perf_counter()
    for item in items:
        work(item)
    return time.perf_counter() - begin
