"""Repositories to measure in: bare ones that the real git-annex has set up.

Where one is to have many keys, git fast-import writes their location logs and we their objects: to store them one by
one would take many minutes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.support.real import Repo, run

_COMPLETE = "bench-complete"
_EPOCH = 1_700_000_000  # when the first of the keys came


def make_repository(path: Path, keys: int) -> str:
    """Makes a bare repository with so many keys, unless a complete one is there already; returns its uuid."""
    if not (path / _COMPLETE).exists():
        shutil.rmtree(path, ignore_errors=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        repo = Repo(path, bare=True)
        if keys:
            log_locations(repo, keys)
            _write_objects(repo.annex_dir / "objects", keys)
        (path / _COMPLETE).touch()
    return run("git", "config", "annex.uuid", cwd=path).strip()


def many_keys(count: int) -> Iterator[str]:
    """The keys of a large repository. Nobody verifies what is there already, so the hashes are just numbers."""
    return (f"SHA256-s1--{number:064x}" for number in range(count))


def object_path(objects: Path, key: str) -> Path:
    return objects / _hash_directories(key) / key / key


def _hash_directories(key: str) -> str:
    digest = hashlib.md5(key.encode()).hexdigest()
    return f"{digest[:3]}/{digest[3:6]}"


def log_locations(repo: Repo, keys: int) -> None:
    """Notes that the repository has many_keys."""
    uuid = repo.uuid
    stream = [
        "commit refs/heads/git-annex",
        f"committer Bench <bench@example.com> {_EPOCH} +0000",
        "data 4\nkeys",
        "from refs/heads/git-annex^0",
    ]
    for number, key in enumerate(many_keys(keys)):
        log = f"{_EPOCH + number}s 1 {uuid}\n"
        stream.append(f"M 100644 inline {_hash_directories(key)}/{key}.log\ndata {len(log)}\n{log}")
    run("git", "fast-import", "--quiet", cwd=repo.path, input="\n".join([*stream, ""]).encode())


def _write_objects(objects: Path, keys: int) -> None:
    for key in many_keys(keys):
        path = object_path(objects, key)
        os.makedirs(path.parent)
        path.write_bytes(b"x")
        path.chmod(0o444)
        path.parent.chmod(0o555)
