"""Logs with one value for each of something, as git-annex reads and writes them."""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annexshell.annexlog.lines import parse_clock, union
from annexshell.annexlog.logs import (
    MapLog,
    UuidLog,
    format_proxied,
    is_legal_remote_name,
    parse_proxied,
    parse_remote_config,
)
from tests.repo.places import make_repo
from tests.support.branch import in_branch, put_files

A, B = (b"11111111-1111-4111-8111-%012d" % n for n in (1, 2))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"1s a x\n", {b"a": b"x"}),
        (b"1s a x\n2s a y\n", {b"a": b"y"}),
        (b"2s a x\n1s a y\n", {b"a": b"x"}),
        (b"1s a x\n1s a y\n", {b"a": b"y"}),  # of equal times the last: the other way round than in location logs
        (b"1s a \n", {b"a": b""}),
        (b"1s a  two  words \n", {b"a": b" two  words "}),
        (b"1s a x", {b"a": b"x"}),
        (b"1s a x\r2s b y\r\n", {b"a": b"x", b"b": b"y"}),
        (b"1s a\n", {}),
        (b"1s\n", {}),
        (b"one a x\n", {}),
        (b"a x timestamp=1s\n", {}),
        (b"1s  x\n", {b"": b"x"}),
    ],
)
def test_reads_map_logs(text: bytes, expected: dict[bytes, bytes]) -> None:
    assert dict(MapLog(text).items()) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"u x timestamp=1s\n", {b"u": b"x"}),
        (b"u two  words timestamp=1s\n", {b"u": b"two  words"}),
        (b"u x timestamp=1s\nu y timestamp=2s\n", {b"u": b"y"}),
        (b"u x timestamp=2s\nu y timestamp=1s\n", {b"u": b"x"}),
        (b"u x timestamp=1s\nu y timestamp=1s\n", {b"u": b"y"}),
        (b"u x\n", {b"u": b"x"}),
        (b"u x timestamp=1s\nu y\n", {b"u": b"x"}),
        (b"u x timestamp=-9s\nu y\n", {b"u": b"x"}),
        (b"u x\nu y\n", {b"u": b"y"}),
        (b"u\n", {b"u": b""}),
        (b"u timestamp=1s\n", {b"u": b""}),
        (b"u x timestamp=broken\n", {b"u": b"x timestamp=broken"}),
        (b"u x timestamp=1s behind\n", {b"u": b"x timestamp=1s behind"}),
        (b"u x timestamp=1s timestamp=2s\n", {b"u": b"x timestamp=1s"}),
        (b" x timestamp=1s\n\n", {}),
    ],
)
def test_reads_uuid_logs(text: bytes, expected: dict[bytes, bytes]) -> None:
    assert dict(UuidLog(text).items()) == expected


def test_what_was_never_set() -> None:
    assert MapLog(b"1s a x\n").get(b"b") is None
    assert UuidLog().get(b"b") is None


def test_a_log_without_times_is_written_without_them() -> None:
    log = UuidLog(b"b nots\na x timestamp=1.50\n")
    assert log.text() == b"a x timestamp=1.50\nb nots\n"
    log.set(b"b", b"now", 7)
    assert log.text() == b"a x timestamp=1.50\nb now timestamp=7s\n"


@pytest.mark.parametrize("kind", [MapLog, UuidLog])
def test_a_new_value_is_newer_than_all(kind: type[MapLog] | type[UuidLog]) -> None:
    log = kind()
    for now, value in [(7, b"one"), (7, b"two"), (5, b"three"), (20, b"four")]:
        log.set(b"field", value, now)
        assert log.get(b"field") == value
        assert kind(log.text()).get(b"field") == value
    stamps = [b"7s", b"8s", b"9s", b"20s"]
    assert (
        log.text()
        == {
            MapLog: b"%b field four\n" % stamps[-1],
            UuidLog: b"field four timestamp=%b\n" % stamps[-1],
        }[kind]
    )


fields = st.sampled_from([b"a", b"b", b"c"])
values = st.sampled_from([b"", b"x", b"two words", b" y", b"x timestamp=2s"])
clocks = st.from_regex(rb"[0-9]{1,2}(\.[0-9]{1,2})?s?", fullmatch=True)
map_texts = st.lists(st.builds(lambda c, f, v: b"%b %b %b\n" % (c, f, v), clocks, fields, values), max_size=8)


@given(map_texts, map_texts)
def test_merging_line_by_line_is_enough(one: list[bytes], other: list[bytes]) -> None:
    """git-annex merges versions as sets of lines. Whatever was set and is newest is the value afterwards."""
    newest: dict[bytes, tuple[Any, bytes]] = {}
    for line in sorted({*one, *other}):
        stamp, field, value = line[:-1].split(b" ", 2)
        clock = parse_clock(stamp)
        if field not in newest or newest[field][0] <= clock:
            newest[field] = (clock, value)
    merged = MapLog(b"".join(sorted(union(b"".join(one), b"".join(other)).splitlines(keepends=True))))
    assert dict(merged.items()) == {field: value for field, (_, value) in newest.items()}


@given(map_texts)
def test_what_is_written_reads_the_same(lines: list[bytes]) -> None:
    log = MapLog(b"".join(lines))
    assert list(MapLog(log.text()).items()) == list(log.items())
    assert MapLog(log.text()).text() == log.text()


# Proxies


@pytest.mark.parametrize(
    ("name", "legal"),
    [
        ("node1", True),
        ("a.b-c_d", True),
        ("é", True),
        ("٣", True),
        ("x.", True),
        ("", False),
        (".hidden", False),
        ("-option", False),
        ("a/b", False),
        ("a:b", False),
        ("a@b", False),
        ("\x1b[31m", False),
        ("a\u200bb", False),
        ("\udcff", False),
    ],
)
def test_names_of_remotes(name: str, legal: bool) -> None:
    assert is_legal_remote_name(os.fsencode(name)) == legal


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", []),
        (b"u:n", [(b"u", b"n")]),
        (b"u:n v:m", [(b"u", b"n"), (b"v", b"m")]),
        (b"u:n u:m", [(b"u", b"n"), (b"u", b"m")]),
        (b"u:-n v:m", [(b"v", b"m")]),
        (b"u:n:m", []),
        (b"u:", []),
        (b":n", []),
        (b"u:n ", [(b"u", b"n")]),
    ],
)
def test_what_a_gateway_proxies_for(value: bytes, expected: list[tuple[bytes, bytes]]) -> None:
    assert parse_proxied(value) == expected


def test_proxies_are_written_in_order() -> None:
    pairs = [(b"v", b"m"), (b"u", b"n"), (b"u", b"a")]
    assert format_proxied(pairs) == b"u:a u:n v:m"
    assert parse_proxied(format_proxied(pairs)) == sorted(pairs)
    assert format_proxied([]) == b""


# Special remotes


def test_the_configuration_of_a_special_remote() -> None:
    line = b"name=a&32;b type=directory empty= odd=x=y quoted=&38;38; broken=&x;&&9999999999; high=&8232;"
    assert parse_remote_config(line) == {
        b"name": b"a b",
        b"type": b"directory",
        b"empty": b"",
        b"odd": b"x=y",
        b"quoted": b"&38;",
        b"broken": b"&x;&&9999999999;",
        b"high": "\u2028".encode(),
    }


# The real git-annex


def random_stamp(source: random.Random) -> str:
    return source.choice(["1s", "1.5s", "2s", "1.50", "-1.5s", "2.0000000000001s", "99999999999s", "3."])


def random_value(source: random.Random) -> str:
    return source.choice(["", "x", "two words", "  blanks  ", "timestamp=2s", "x timestamp=oops", "é", "a:b"])


def annex(directory: Path, *command: str) -> None:
    env = {**os.environ, "GIT_ANNEX_VECTOR_CLOCK": "3"}
    subprocess.run(["git", "annex", *command], cwd=directory, env=env, check=True, capture_output=True)


def test_git_annex_reads_and_writes_the_same(tmp_path: Path) -> None:
    """It is made to rewrite logs full of oddities, with a change of one field."""
    repo = make_repo(tmp_path / "repo")
    source = random.Random(3)
    names = [f"field{n}" for n in range(60)]
    old, new = [f"{repo.uuid} me timestamp=1s"], ["1s annex.synccontent false", "1s  unnamed"]
    for _ in range(200):
        stamp, name, value = random_stamp(source), source.choice(names), random_value(source)
        old.append(f"{name} {value} timestamp={stamp}" if source.random() < 0.8 else f"{name} {value}")
        new.append(f"{stamp} {name} {value}" if source.random() < 0.9 else f"{stamp} {name}")
    texts = {"uuid.log": "\n".join(old).encode(), "config.log": "\r\n".join(new).encode() + b"\n"}
    put_files(repo, texts)

    annex(repo.path, "describe", "here", "new words")
    annex(repo.path, "config", "--set", "annex.synccontent", "true")

    uuid_log, config_log = UuidLog(texts["uuid.log"]), MapLog(texts["config.log"])
    uuid_log.set(repo.uuid.encode(), b"new words", 3)
    config_log.set(b"annex.synccontent", b"true", 3)
    written = in_branch(repo, "uuid.log")
    assert list(UuidLog(written).items()) == list(uuid_log.items())
    assert sorted(line.split(b" ")[0] for line in written.splitlines()) == [field for field, _ in uuid_log.items()]
    assert written.count(b" timestamp=3s\n") == uuid_log.text().count(b" timestamp=3s\n")
    written = in_branch(repo, "config.log")
    assert list(MapLog(written).items()) == list(config_log.items())
    assert [line.split(b" ")[1] for line in written.splitlines()] == [field for field, _ in config_log.items()]


def test_git_annex_knows_the_same_proxied_remotes(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo")
    gateway = "22222222-2222-4222-8222-222222222222"
    for name, value in {"url": "ssh://nowhere.example/repo", "annex-uuid": gateway}.items():
        repo.git("config", f"remote.gw.{name}", value)
    names = "n1 a.b é -x .x a@b x:y ² \x1b[31m b_c a% e\u0301 \u2167".split(" ")
    pairs = [(b"11111111-1111-4111-8111-%012d" % n, os.fsencode(name)) for n, name in enumerate(names)]
    put_files(repo, {"proxy.log": b"1s %b %b\n" % (gateway.encode(), format_proxied(pairs))})
    known = json.loads(repo.annex("info", "--fast", "--json"))
    kinds = ("trusted repositories", "semitrusted repositories", "untrusted repositories")
    described = {found["uuid"]: found["description"] for kind in kinds for found in known[kind]}
    theirs = {uuid for uuid, name in pairs if described.get(uuid.decode()) == f"gw-{os.fsdecode(name)}"}
    assert theirs == {uuid for uuid, _ in parse_proxied(format_proxied(pairs))}
    assert len(theirs) > 3
