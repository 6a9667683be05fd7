"""Lines of logs: as git-annex reads and writes them, and the laws that let histories be merged in any order."""

from __future__ import annotations

import json
import os
import random
import subprocess
import tracemalloc
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annexshell.annexlog.lines import (
    DEAD,
    MISSING,
    PRESENT,
    PresenceLog,
    is_location_log,
    merge,
    next_clock,
    parse_clock,
    union,
    whole_seconds,
)
from annexshell.annexlog.logs import MapLog, UuidLog
from annexshell.annexlog.metadata import parse_metadata
from tests.repo.places import make_repo
from tests.support.branch import in_branch, log_path, put_files
from tests.support.real import Repo

A, B = (b"11111111-1111-4111-8111-%012d" % n for n in (1, 2))
PATH = b"123/456/WORM-s1-m1--a.log"

# A log, in which A and B stand for uuids, and who has the content. The real git-annex is asked below.
READ = [
    (b"5s 1 A\n", "A"),
    (b"5s 0 A\n", ""),
    (b"5s X A\n", ""),
    (b"5s 1 A\n6s 0 A\n", ""),
    (b"6s 1 A\n5s 0 A\n", "A"),
    (b"6s X A\n5s 1 A\n", ""),
    (b"5s X A\n6s 1 A\n", "A"),
    (b"5s 1 B\n6s 1 A\n", "A B"),
    # Of equal time stamps the first line wins, however they are written.
    (b"5s 0 A\n5s 1 A\n", ""),
    (b"5s 1 A\n5s 0 A\n", "A"),
    (b"5 1 A\n5.0s 0 A\n", "A"),
    (b"0005s 0 A\n5s 1 A\n", ""),
    (b"10s 1 A\n9s 0 A\n", "A"),
    (b"5.25s 1 A\n5.3s 0 A\n", ""),
    (b"5.25s 1 A\n5.09s 0 A\n", "A"),
    (b"5.123456789012s 0 A\n5.123456789013s 1 A\n", "A"),
    (b"5.1234567890121s 0 A\n5.1234567890122s 1 A\n", ""),
    # Before the epoch
    (b"-1.5s 0 A\n-1.25s 1 A\n", "A"),
    (b"-2s 0 A\n-1.75s 1 A\n", "A"),
    (b"-1.75s 0 A\n-2s 1 A\n", ""),
    (b"-0.5s 0 A\n0s 1 A\n", ""),
    (b"0s 0 A\n-0.5s 1 A\n", "A"),
    (b"+5s 1 A\n4s 0 A\n", "A"),
    # Beyond all times
    (b"9" * 1000 + b"s 1 A\n8s 0 A\n", "A"),
    (b"9" * 1000 + b"s 1 A\n1" + b"0" * 1000 + b"s 0 A\n", ""),
    (b"8" * 5000 + b"s 1 A\n" + b"0" * 10 + b"8" * 4999 + b"9s 0 A\n", ""),
    (b"-" + b"8" * 5000 + b"s 1 A\n-" + b"9" * 5000 + b"s 0 A\n", "A"),
    # Ends of lines
    (b"5s 1 A", "A"),
    (b"5s 1 A\n7s 0 A", ""),
    (b"5s 1 A\n7s 0", "A"),
    (b"5s 1 A\r6s 0 A\r\n", ""),
    (b"5s 1 A\r\r\n\n6s 1 B\n", "A B"),
    # Lines that are none
    (b"5. 1 A\n", ""),
    (b".5 1 A\n", ""),
    (b"5ss 1 A\n", ""),
    (b"1e3s 1 A\n", ""),
    (b" 5s 1 A\n", ""),
    (b"5s  1 A\n", ""),
    (b"5s 2 A\n", ""),
    (b"5s 11 A\n", ""),
    (b"--5s 1 A\n", ""),
    (b"5s 1\n", ""),
    (b"junk\n5s 1 A\n", "A"),
    (b"9s 2 A\n5s 1 A\n", "A"),
]


def uuids(text: bytes) -> bytes:
    return text.replace(b"A", A).replace(b"B", B)


def present(text: bytes) -> str:
    found = sorted(PresenceLog(text).with_status(PRESENT))
    return " ".join({A: "A", B: "B"}[uuid] for uuid in found)


@pytest.mark.parametrize(("text", "expected"), READ)
def test_who_has_it(text: bytes, expected: str) -> None:
    assert present(uuids(text)) == expected


@pytest.mark.parametrize("info", [b"", b" ", b"two words", b"blank behind ", b"\xff\x00"])
def test_info_is_taken_as_it_is(info: bytes) -> None:
    log = PresenceLog(b"5s 1 %b\n" % info)
    assert log.with_status(PRESENT) == [info]
    assert log.text() == b"5s 1 %b\n" % info


def test_statuses() -> None:
    log = PresenceLog(b"1s 1 a\n1s 0 b\n1s X c\n")
    assert [log.status(info) for info in (b"a", b"b", b"c", b"d")] == [PRESENT, MISSING, DEAD, None]
    assert log.with_status(MISSING) == [b"b"]


# Time stamps


def worth(text: bytes) -> Fraction | None:
    """A time stamp as a number: a second way to the same, in picoseconds."""
    if parse_clock(text) is None:
        return None
    whole, _, fraction = text.rstrip(b"s").decode().partition(".")
    part = Fraction(int(fraction or 0), 10 ** len(fraction)) // Fraction(1, 10**12) * Fraction(1, 10**12)
    return int(whole) - part if int(whole) < 0 else int(whole) + part


stamps = st.from_regex(rb"[-+]?[0-9]{1,3}(\.[0-9]{1,14})?s?", fullmatch=True)


@given(stamps, stamps)
def test_clocks_compare_as_numbers(one: bytes, other: bytes) -> None:
    clocks: list[Any] = [parse_clock(one), parse_clock(other)]
    numbers: list[Any] = [worth(one), worth(other)]
    assert None not in clocks
    assert (clocks[0] < clocks[1]) == (numbers[0] < numbers[1])
    assert (clocks[0] == clocks[1]) == (numbers[0] == numbers[1])


@given(st.binary(max_size=12))
def test_no_text_is_too_odd_for_a_clock(text: bytes) -> None:
    clock = parse_clock(text)
    if clock is not None:
        assert not text.rstrip(b"s").strip(b"+-.0123456789")


@pytest.mark.parametrize("text", [b"", b"s", b"-", b"+", b"1_0", b"1 ", b"1.", b"1.5.5", b"1.-5", b"9" * 1001 + b"x"])
def test_what_is_no_clock(text: bytes) -> None:
    assert parse_clock(text) is None


@given(st.integers(0, 100), st.lists(stamps))
def test_a_new_fact_wins(now: int, existing: list[bytes]) -> None:
    clocks = [clock for clock in map(parse_clock, existing) if clock is not None]
    new = parse_clock(next_clock(now, clocks))
    assert new is not None
    now_clock = parse_clock(b"%d" % now)
    assert now_clock is not None
    assert new >= now_clock
    assert all(new > clock for clock in clocks)
    assert new == now_clock or whole_seconds(new) == (whole_seconds(max(clocks)) or 0) + 1


@pytest.mark.parametrize(
    ("existing", "expected"),
    [
        (b"9" * 1000, b"1" + b"0" * 1000),
        (b"8" * 5000 + b".25", b"8" * 4999 + b"9.25"),
        (b"1" + b"9" * 100_000, b"2" + b"0" * 100_000),
        (b"-" + b"9" * 5000, b"7"),
        (b"007", b"8"),
        (b"006.5", b"7"),
        (b"-0.5", b"7"),
    ],
)
def test_time_stamps_have_no_largest(existing: bytes, expected: bytes) -> None:
    clock = parse_clock(existing)
    assert clock is not None
    assert next_clock(7, [clock]) == expected + b"s"
    for log, line in ((PresenceLog(), b"%bs 0 a\n"), (MapLog(), b"%bs a 0\n"), (UuidLog(), b"a 0 timestamp=%bs\n")):
        log.add(line % existing)
        log.set(b"a", b"1", 7)
        log.add(line % existing)
        assert expected + b"s" in log.text()


@given(st.integers(-(10**30), 10**30), st.integers(-(10**30), 10**30))
def test_large_clocks_compare_as_numbers(one: int, other: int) -> None:
    clocks: list[Any] = [parse_clock(b"%d" % number) for number in (one, other)]
    assert (clocks[0] < clocks[1]) == (one < other)


@pytest.mark.parametrize("text", ["0", "-1", "1795164790", "-" + "9" * 18, "9" * 18])
def test_seconds_of_clocks(text: str) -> None:
    clock = parse_clock(text.encode() + b"s")
    assert clock is not None
    assert whole_seconds(clock) == int(text)


def test_there_is_no_date_for_every_clock() -> None:
    clock = parse_clock(b"9" * 5000)
    assert clock is not None
    assert whole_seconds(clock) is None
    assert parse_metadata(b"%bs f +v\n" % (b"9" * 5000))["f"] == {"v"}


def test_many_lines_need_little_memory() -> None:
    """Somebody may have pushed a log of nothing but ends of lines."""
    text = b"\n\r" * 1_000_000 + b"1s 1 a\n"
    tracemalloc.start()
    try:
        assert PresenceLog(text).with_status(PRESENT) == [b"a"]
        assert tracemalloc.get_traced_memory()[1] < 4 * len(text)
    finally:
        tracemalloc.stop()


# Merging


infos = st.sampled_from([b"a", b"b", b"c"])
lines = st.builds(
    lambda clock, status, info: b"%b %b %b\n" % (clock, status, info),
    st.from_regex(rb"[0-9]{1,2}(\.[0-9]{1,2})?s?", fullmatch=True),
    st.sampled_from([PRESENT, MISSING, DEAD]),
    infos,
)
texts = st.lists(lines | st.sampled_from([b"\n", b"junk\n", b"5s 2 a\n"]), max_size=8).map(b"".join)


def has_ties(*logs: bytes) -> bool:
    """Whether two lines about the same have the same time: which of them wins then depends on the order."""
    fields = [line.split(b" ", 2) for line in {line for log in logs for line in log.split(b"\n")}]
    keys = [(parse_clock(words[0]), words[2]) for words in fields if len(words) == 3]
    return len(set(keys)) != len(keys)


@given(texts, texts, texts)
def test_location_logs_merge_in_any_grouping(a: bytes, b: bytes, c: bytes) -> None:
    assert merge(PATH, merge(PATH, a, b), c) == merge(PATH, a, merge(PATH, b, c)) == merge(PATH, a, b, c)


@given(texts, texts)
def test_location_logs_merge_in_any_order(a: bytes, b: bytes) -> None:
    if not has_ties(a, b):
        assert merge(PATH, a, b) == merge(PATH, b, a)


@given(texts, texts)
def test_merging_again_changes_nothing(a: bytes, b: bytes) -> None:
    merged = merge(PATH, a, b)
    assert merge(PATH, merged, b) == merge(PATH, merged, a) == merge(PATH, merged, merged) == merged


@given(texts, texts)
def test_a_union_says_the_same_as_a_merge(a: bytes, b: bytes) -> None:
    """What git-annex makes of two versions means what we make of them."""
    if not has_ties(a, b):
        assert PresenceLog(union(a, b)).text() == merge(PATH, a, b)


def line_set(text: bytes) -> set[bytes]:
    return set(text.split(b"\n")) - {b""}


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=4))
def test_a_union_has_all_lines_and_no_others(versions: list[bytes]) -> None:
    merged = union(*versions)
    assert line_set(merged) == set().union(*map(line_set, versions))
    complete = [text for text in versions if line_set(text) == line_set(merged)]
    if complete:
        assert merged == complete[0]  # a file that need not change stays as it is
    else:
        assert merged.endswith(b"\n")
        assert merged.split(b"\n")[:-1] == sorted(line_set(merged))


def test_other_files_are_merged_line_by_line() -> None:
    assert merge(b"uuid.log", b"a x\nb y\n", b"a x\na z\n") == b"a x\na z\nb y\n"
    assert merge(PATH, b"1s 1 a\n", b"2s 0 a\n") == b"2s 0 a\n"


@given(texts)
def test_what_is_written_reads_the_same(text: bytes) -> None:
    written = PresenceLog(text).text()
    assert PresenceLog(written).text() == written


@given(texts, infos, st.sampled_from([PRESENT, MISSING, DEAD]), st.integers(0, 100))
def test_setting_a_status(text: bytes, info: bytes, status: bytes, now: int) -> None:
    log, before = PresenceLog(text), PresenceLog(text)
    changed = log.set(info, status, now)
    assert log.status(info) == status
    assert changed == (before.status(info) != status)
    assert (log.text() == before.text()) != changed
    # Whoever has the old lines as well comes to the same result.
    assert PresenceLog(text + log.text()).status(info) == status
    assert PresenceLog(log.text() + text).status(info) == status


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"123/abc/SHA256-s1--x.log", True),
        (b"123/WORM--x.log", True),
        (b"123/abc/SHA256-s1--x.log.web", False),
        (b"123/abc/SHA256-s1--x.log.met", False),
        (b"uuid.log", False),
        (b"a--b.log", False),
        (b"1234/abc/SHA256-s1--x.log", False),
        (b"remote/web/123/abc/SHA256-s1--x.log", False),
        (b"123/abc/x.log", False),
    ],
)
def test_location_logs_by_their_paths(path: bytes, expected: bool) -> None:
    assert is_location_log(path) == expected


# The real git-annex


def random_log(source: random.Random) -> bytes:
    """Few infos and few times, so that ties are frequent."""
    stamp = [
        "1s",
        "1.5s",
        "2s",
        "1.50",
        "-1.5s",
        "+2s",
        "2.0000000000001s",
        "99999999999s",
        "3.",
        "1 s",
        "",
        "9" * 1000,
    ]
    log = [
        f"{source.choice(stamp)} {source.choice('01X?')} {uuid.decode()}"
        for uuid in (source.choice([A, B]) for _ in range(source.randrange(6)))
    ]
    return source.choice(["\n", "\r\n", "\n\n"]).join(log).encode() + source.choice([b"", b"\n"])


def parsed(text: bytes) -> dict[bytes, tuple[object, bytes]]:
    fields = (line.split(b" ", 2) for line in text.splitlines())
    return {info: (parse_clock(clock), status) for clock, status, info in fields}


def test_git_annex_reads_and_writes_the_same(tmp_path: Path) -> None:
    keys = [f"WORM-s1-m1--key{number}" for number in range(200)]
    repo = make_repo(tmp_path / "repo")
    source = random.Random(1)
    logs = [*(uuids(text) for text, _ in READ), *(random_log(source) for _ in range(200))][: len(keys)]
    paths = [log_path(key) for key in keys]
    put_files(repo, dict(zip(paths, logs)))

    asked = ask(repo, "whereis", "--json", "--batch", "--batch-keys", lines=keys)
    for key, log, answer in zip(keys, logs, map(json.loads, asked)):
        theirs = sorted(os.fsencode(found["uuid"]) for found in answer["whereis"] + answer["untrusted"])
        assert theirs == sorted(PresenceLog(log).with_status(PRESENT)), (key, log)

    statuses = [source.choice("01") for _ in keys]
    ask(repo, "setpresentkey", "--batch", lines=[f"{key} {A.decode()} {s}" for key, s in zip(keys, statuses)])
    for path, log, status in zip(paths, logs, statuses):
        ours = PresenceLog(log)
        changed = ours.set(A, status.encode(), 3)
        journal = repo.annex_dir / "journal" / path.replace("/", "_")
        assert journal.exists() == changed, (log, status)
        if changed:
            assert parsed(journal.read_bytes()) == parsed(ours.text()), (log, status)


def ask(repo: Repo, *command: str, lines: list[str]) -> list[str]:
    done = subprocess.run(
        ["git", "annex", *command],
        cwd=repo.path,
        input="".join(f"{line}\n" for line in lines).encode(),
        capture_output=True,
        env={**os.environ, "GIT_ANNEX_VECTOR_CLOCK": "3"},
    )
    assert len(done.stdout.splitlines()) == len(lines), done.stderr
    return os.fsdecode(done.stdout).splitlines()


def test_git_annex_merges_the_same(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo")
    source = random.Random(2)
    mine, theirs = ({f"test{n}.log": random_log(source) + b"common\n" for n in range(60)} for _ in range(2))
    put_files(repo, mine)
    put_files(repo, theirs, "refs/remotes/other/git-annex", parent=None)
    repo.annex("merge", "-q")
    for path, text in mine.items():
        assert line_set(in_branch(repo, path)) == line_set(union(text, theirs[path]))
