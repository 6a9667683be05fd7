"""Quotas: what counts, and for whom."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from annexshell.errors import QuotaExceeded
from annexshell.model.key import Key, parse_key
from annexshell.relay.copy import receive
from annexshell.repo.local.quota import LimitedRepository
from annexshell.repo.port import AlreadyHave, Repository, Writing
from annexshell.stream.memory import MemoryStream
from tests.repo.places import limited, make_repo
from tests.support.real import Repo

Open = Callable[..., LimitedRepository]


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return make_repo(tmp_path / "repo")


@pytest.fixture
def opened(repo: Repo) -> Iterator[Open]:
    """opened(size=, user_size=, user=) opens the repository once more, as a process does that serves a user."""
    repositories = []

    def make(**limits: Any) -> LimitedRepository:
        repositories.append(limited(repo, **limits))
        return repositories[-1]

    yield make
    for repository in repositories:
        repository.close()


def key_of(data: bytes) -> Key:
    return parse_key(b"SHA256-s%d--%b" % (len(data), hashlib.sha256(data).hexdigest().encode()))


def begin(repository: Repository, data: bytes, key: Key | None = None) -> Writing:
    result = repository.put(key or key_of(data), b"")
    assert isinstance(result, Writing)
    return result


def store(repository: Repository, data: bytes, key: Key | None = None) -> None:
    writing = begin(repository, data, key)
    try:
        receive(MemoryStream(data[writing.offset :]), writing.begin, len(data) - writing.offset)
    except BaseException:
        writing.abandon()
        raise
    writing.finish(True)


def test_what_is_stored_counts_and_what_is_gone_does_not(opened: Open) -> None:
    repository = opened(size=1000)
    store(repository, b"a" * 600)
    with pytest.raises(QuotaExceeded) as refusal:
        repository.put(key_of(b"b" * 401), b"")
    assert str(refusal.value) == (
        "the quota of this repository is used up: 600 B of 1.0 kB are taken, and 401 B would be added"
    )
    store(repository, b"b" * 400)
    assert isinstance(repository.put(key_of(b"a" * 600), b""), AlreadyHave)
    repository.remove(key_of(b"a" * 600))
    store(opened(size=1000), b"c" * 600)


def test_what_was_stored_before_there_was_a_quota_counts(repo: Repo, opened: Open) -> None:
    repo.add("old", b"o" * 600)
    with pytest.raises(QuotaExceeded):
        opened(size=1000).put(key_of(b"a" * 500), b"")


def test_uploads_at_the_same_time_count_each_other(opened: Open) -> None:
    first = begin(opened(size=1000), b"a" * 600)
    with pytest.raises(QuotaExceeded):
        opened(size=1000).put(key_of(b"b" * 600), b"")
    first.abandon()
    begin(opened(size=1000), b"b" * 600).abandon()


def test_an_upload_that_was_given_up_counts_with_what_came_of_it_but_can_go_on(opened: Open) -> None:
    repository = opened(size=1000)
    writing = begin(repository, b"a" * 900)
    sink = writing.begin(900)
    sink.write(b"a" * 700)
    writing.abandon()
    with pytest.raises(QuotaExceeded):
        repository.put(key_of(b"b" * 400), b"")
    store(repository, b"a" * 900)


def test_content_whose_key_has_no_size(opened: Open) -> None:
    repository = opened(size=1000)
    first, second = parse_key(b"URL--first"), parse_key(b"URL--second")
    store(repository, b"a" * 600, first)
    with pytest.raises(QuotaExceeded):
        store(repository, b"b" * 500, second)
    repository.remove(first)
    store(opened(size=1000), b"b" * 500, second)


def test_each_user_has_a_quota(opened: Open) -> None:
    store(opened(user_size=1000, user=b"joe"), b"a" * 600)
    store(opened(user_size=1000, user=b"ann"), b"b" * 600)
    with pytest.raises(QuotaExceeded, match="the quota of joe is used up: 600 B"):
        opened(user_size=1000, user=b"joe").put(key_of(b"c" * 500), b"")
    under_way = begin(opened(user_size=1000, user=b"ann"), b"c" * 300)
    with pytest.raises(QuotaExceeded, match="the quota of ann is used up: 900 B"):
        opened(user_size=1000, user=b"ann").put(key_of(b"d" * 200), b"")
    under_way.abandon()
    begin(opened(user_size=1000), b"c" * 500).abandon()


def test_what_anybody_removed_does_not_count_for_its_user(opened: Open) -> None:
    repository = opened(user_size=1000, user=b"a user\n")
    store(repository, b"a" * 600)
    opened().remove(key_of(b"a" * 600))
    store(repository, b"b" * 600)
    with pytest.raises(QuotaExceeded):
        repository.put(key_of(b"a" * 600), b"")


def test_content_counts_for_who_stored_it_last(opened: Open) -> None:
    joe, ann = opened(user_size=1000, user=b"joe"), opened(user_size=1000, user=b"ann")
    store(joe, b"a" * 600)
    joe.remove(key_of(b"a" * 600))
    store(ann, b"a" * 600)
    store(joe, b"b" * 600)
    with pytest.raises(QuotaExceeded):
        ann.put(key_of(b"c" * 600), b"")


def test_a_damaged_record_is_read_as_far_as_it_goes(repo: Repo, opened: Open) -> None:
    repository = opened(user_size=1000, user=b"joe")
    store(repository, b"a" * 600)
    record = repo.annex_dir / "annexshell" / "uploaders"
    record.write_bytes(b"rubbish\n12 joe nokey\n" + record.read_bytes() + b"5")
    with pytest.raises(QuotaExceeded):
        repository.put(key_of(b"b" * 600), b"")
    store(repository, b"b" * 300)
