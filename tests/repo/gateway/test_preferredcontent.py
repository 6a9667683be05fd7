"""Reading wishes. That they mean the same as to the real git-annex is tested with it, in tests/oracle."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from annexshell.model.key import parse_key
from annexshell.policy.preferred import wants
from annexshell.policy.snapshot import DEAD, SEMITRUSTED, TRUSTED, UNTRUSTED
from annexshell.repo.gateway.gateway import Gateway
from annexshell.repo.gateway.preferredcontent import PreferredContent
from annexshell.repo.local.opening import open_parts
from annexshell.repo.local.parts import Parts
from tests.support.real import Repo

KEY = parse_key(b"SHA256-s10--x")
NODE = b"22222222-2222-4222-8222-222222222222"
OTHER = b"33333333-3333-4333-8333-333333333333"
LEVELS: dict[bytes, int | None] = {}


@pytest.fixture()
def parts(repo: Repo) -> Iterator[Parts]:
    repo.annex("describe", repo.uuid, "gateway")
    parts = open_parts(os.fsencode(repo.path), dict(os.environb), print)
    yield parts
    parts.git.close()


@pytest.fixture()
def wishes(parts: Parts) -> Iterator[PreferredContent]:
    wishes = PreferredContent(parts, LEVELS.copy)
    yield wishes
    wishes.close()
    LEVELS.clear()


def note(parts: Parts, log: bytes, line: bytes) -> None:
    parts.journal.change(log, b"", lambda text: text + line + b"\n")


def test_the_snapshot_changes_with_the_logs(repo: Repo, parts: Parts, wishes: PreferredContent) -> None:
    empty = wishes.snapshot()
    assert wishes.snapshot() is empty
    assert wants(wishes.subject(KEY, b"x"), NODE)
    note(parts, b"preferred-content.log", b"%b nothing timestamp=5s" % NODE)
    assert not wants(wishes.subject(KEY, b"x"), NODE)
    changed = wishes.snapshot()
    repo.annex("merge")
    repo.add("file", b"content")
    assert wishes.snapshot() is changed, "a commit about other things"
    note(parts, b"trust.log", b"%b 1 timestamp=5s" % NODE)
    assert wishes.snapshot().trust_of(NODE) == TRUSTED
    LEVELS[NODE] = UNTRUSTED
    note(parts, b"trust.log", b"%b ? timestamp=5s" % OTHER)
    assert wishes.snapshot().trust_of(NODE) == UNTRUSTED


def test_what_was_pushed_counts(repo: Repo, parts: Parts, wishes: PreferredContent) -> None:
    repo.git("checkout", "-q", "--detach", "git-annex")
    (repo.path / "preferred-content.log").write_text(f"{NODE.decode()} nothing timestamp=5s\n")
    repo.git("add", "preferred-content.log")
    repo.git("commit", "-qm", "pushed")
    assert wants(wishes.subject(KEY, b"x"), NODE)
    repo.git("update-ref", "refs/heads/synced/git-annex", "HEAD")
    assert not wants(wishes.subject(KEY, b"x"), NODE)


def test_facts_about_a_key(repo: Repo, parts: Parts, wishes: PreferredContent) -> None:
    log = parts.annex.layout.location_log(KEY)
    note(parts, log + b".web", b"1s 1 yt:http://a/b")
    note(parts, log + b".web", b"1s 1 http://c")
    note(parts, log + b".met", b"1s Tag +x")
    parts.journal.set_locations(log, [NODE], b"1")
    assert sorted(wishes.urls(KEY)) == ["http://a/b", "http://c"]
    assert wishes.metadata(KEY)["tag"] == {"x"}
    assert wishes.subject(KEY, b"").present == {NODE}
    assert wishes.subject(KEY, b"", [OTHER]).present == {OTHER}
    assert wishes.subject(KEY, b"").file is None
    assert wishes.is_secure(KEY)
    assert not wishes.is_unused(KEY)
    (repo.annex_dir / "unused").write_text("1 WORM--y 5s\n2 SHA256-s10--x 1795164790.25s\n")
    assert wishes.is_unused(KEY)


def test_copies(repo: Repo, parts: Parts, wishes: PreferredContent) -> None:
    assert wishes.snapshot().copies == 1
    for line, expected in ((b"7s 3", 3), (b"5s 9", 3), (b"8s 0", 1), (b"9s x", 1)):
        note(parts, b"numcopies.log", line)
        assert wishes.snapshot().copies == expected
    (repo.path / ".gitattributes").write_text(
        "*.txt annex.numcopies=4\n*.bad annex.numcopies=x\n*.no annex.numcopies=-1\n"
    )
    assert [wishes.copies_wanted(name) for name in ("a.txt", "a.bad", "a.no", "a")] == [4, None, 1, None]


def test_sizes_count_uploads_under_way(parts: Parts, wishes: PreferredContent) -> None:
    parts.journal.set_locations(parts.annex.layout.location_log(KEY), [NODE], b"1")
    assert wishes.sizes()[NODE] == 10
    _, reservation = wishes.reservations.reserve(5, lambda: None, lambda _: [NODE])
    assert wishes.sizes()[NODE] == 15
    reservation.release()
    assert wishes.sizes()[NODE] == 10


def test_trees_are_not_trusted(parts: Parts, wishes: PreferredContent) -> None:
    note(parts, b"remote.log", b"%b exporttree=yes type=directory timestamp=5s" % NODE)
    note(parts, b"remote.log", b"%b exporttree=yes type=S3 versioning=yes timestamp=5s" % OTHER)
    assert wishes.snapshot().trust_of(NODE) == SEMITRUSTED, "as long as it is no remote"
    LEVELS.update({NODE: TRUSTED, OTHER: None})
    assert wishes.snapshot().trust_of(NODE) == UNTRUSTED
    assert wishes.snapshot().trust_of(OTHER) == SEMITRUSTED
    note(parts, b"trust.log", b"%b X timestamp=5s" % NODE)
    LEVELS[NODE] = None
    assert wishes.snapshot().trust_of(NODE) == DEAD


def test_trust_in_the_git_config(repo: Repo) -> None:
    repo.git("config", "remote.x.annex-uuid", NODE.decode())
    repo.git("config", "remote.x.annex-trustlevel", "trusted")
    gateway = Gateway(open_parts(os.fsencode(repo.path), dict(os.environb), print))
    wishes = PreferredContent(gateway.parts, gateway.configuration.trust_levels)
    assert wishes.snapshot().trust_of(NODE) == TRUSTED
    repo.git("config", "remote.x.annex-trustlevel", "untrusted")
    assert wishes.snapshot().trust_of(NODE) == UNTRUSTED
    wishes.close()
    gateway.close()


def test_the_threshold_may_be_set_while_we_run(repo: Repo) -> None:
    gateway = Gateway(open_parts(os.fsencode(repo.path), dict(os.environb), print))
    wishes = PreferredContent(gateway.parts, gateway.configuration.trust_levels)
    assert wishes.snapshot().threshold == 0.9
    repo.git("config", "annex.fullybalancedthreshhold", "0.5")
    assert wishes.current() is None
    assert wishes.snapshot().threshold == 0.5
    wishes.close()
    gateway.close()
