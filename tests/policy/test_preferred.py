"""What expressions mean. That the real git-annex agrees is tested with it, in tests/oracle."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annexshell.model.key import Key, parse_key
from annexshell.policy.groups import STANDARD
from annexshell.policy.preferred import explain_failure, wants
from annexshell.policy.snapshot import (
    DEAD,
    TRUSTED,
    UNTRUSTED,
    Expressions,
    RepositoryLogs,
    Snapshot,
    SnapshotSource,
    Subject,
)

A, B, C, D = (b"%d0000000-0000-4000-8000-000000000000" % i for i in range(1, 5))
CLUSTER = b"ac000000-0000-8000-8000-000000000000"
KEY = parse_key(b"SHA256E-s1000--abc.txt")


def snapshot_of(
    source: SnapshotSource,
    groups: Mapping[bytes, Collection[str]] | None = None,
    preferred: Mapping[bytes, str] | None = None,
    required: Mapping[bytes, str] | None = None,
    group_wanted: Mapping[str, str] | None = None,
    **facts: Any,
) -> Snapshot:
    """From all that the logs say, by name."""
    said = {name: facts.pop(name) for name in ("trust", "maxima", "directories", "clusters") if name in facts}
    expressions = Expressions(preferred, required, group_wanted)
    return Snapshot(source, RepositoryLogs(groups, **said), expressions, **facts)


class Facts(SnapshotSource):
    def __init__(self, *locations: bytes, attribute: int | None = None) -> None:
        self.where = locations
        self.attribute = attribute

    def locations(self, _key: Key) -> Collection[bytes]:
        return self.where

    def sizes(self) -> Mapping[bytes, int]:
        return {A: 500, B: 100, C: 0}

    def copies_wanted(self, _file: str) -> int | None:
        return self.attribute

    def metadata(self, _key: Key) -> Mapping[str, Collection[str]]:
        return {"tag": ["Foo", "bar"], "year": ["1999"]}

    def urls(self, _key: Key) -> Collection[str]:
        return ["http://example.com/f"]

    def is_secure(self, key: Key) -> bool:
        return key.variety == b"SHA256E"

    def is_unused(self, _key: Key) -> bool:
        return True


def ask(
    expression: str | None,
    file: str | None = "dir/file.txt",
    where: Collection[bytes] = (),
    key: Key = KEY,
    default: bool = True,
    required: str | None = None,
    attribute: int | None = None,
    groups: Mapping[bytes, Collection[str]] | None = None,
    **logs: Any,
) -> bool:
    """Whether A wants the key. A and B are in the group g."""
    snapshot = snapshot_of(
        Facts(*where, attribute=attribute),
        {A: ["g"], B: ["g", "h"]} if groups is None else groups,
        preferred={} if expression is None else {A: expression},
        required={} if required is None else {A: required},
        **logs,
    )
    return wants(Subject(snapshot, key, file), A, default)


@pytest.mark.parametrize(
    "expression",
    [
        "include=*.txt",
        "exclude=*.mp3",
        "largerthan=999",
        "smallerthan=1.1kB",
        "not largerthan=1000",
        "inbackend=SHA256E",
        "securehash",
        "metadata=TAG=foo",
        "metadata=year<2000",
        "metadata=tag>=bar",
        "url=http://*",
        "lackingcopies=1",
        "approxlackingcopies=1",
        "not copies=1",
        "inallgroup=nobody",
        "not onlyingroup=nobody",
        "not unused",
        "nothing or anything",
        "fullybalanced=g:2",
        "balanced=g:2",
        "sizebalanced=g:2 or fullybalanced=g:2",
        "include=*.mp3 or include=dir/*",
        "anything or anything and anything",
    ],
)
def test_true_of_a_new_file(expression: str) -> None:
    assert ask(expression, default=False)


@pytest.mark.parametrize(
    "expression",
    [
        "include=*.mp3",
        "include=*",
        "include",
        "present",
        "mimetype=text/*",
        "in=here",
        "copies=x",
        "copies=1:2:3",
        "balanced=g:x",
        "balanced=g:1:2",
        "largerthan=much",
        "metadata=no field",
        "metadata=-x=1",
        "include=[a",
        "anything=1",
        "anything or not present",
        "not balanced=g",
        "not sizebalanced=g",
        "not standard",
        "( " * 100 + "anything",
        "unused and not unused",
        "inpreferreddir",
    ],
)
def test_false_without_a_file(expression: str) -> None:
    assert not ask(expression, file=None)


def test_what_can_not_be_understood_means_what_is_there() -> None:
    assert ask("bogus", where=[A], default=False)
    assert not ask("bogus or anything", where=[B])
    assert not ask("anything", required="bogus")


def test_nothing_said() -> None:
    for expression in (None, "", "()", "( and )"):
        assert ask(expression)
        assert not ask(expression, default=False)


def test_what_is_required_is_wanted() -> None:
    assert ask("nothing", required="anything")
    assert not ask("nothing", required="")
    assert ask(None, required="anything", default=False)
    assert not ask("anything", required="not present")


def test_without_a_file() -> None:
    assert ask("exclude=*", file=None)
    assert ask("unused", file=None)
    assert not ask("largerthan=0", key=parse_key(b"URL--x"))
    assert ask("smallerthan=0", key=parse_key(b"URL--x"), default=False)


@pytest.mark.parametrize(
    ("file", "expected"), [("public/x", True), ("a/public/x", True), ("public/a/x", False), ("x", False)]
)
def test_preferred_directory(file: str, expected: bool) -> None:
    assert ask("inpreferreddir", file=file) == expected
    assert ask("inpreferreddir", file=file.replace("public", "mine"), directories={A: "mine"}) == expected


def test_copies() -> None:
    trust = {B: TRUSTED, C: UNTRUSTED, D: DEAD}
    where = [A, B, C, D, CLUSTER]
    for expression, expected in {
        "copies=3": True,
        "copies=4": False,
        "copies=trusted:1": True,
        "copies=semitrusted:2": False,
        "copies=semitrusted+:2": True,
        "copies=dead+:3": True,
        "copies=dead:1": False,
        "copies=g:2": True,
        "copies=h:2": False,
        "lackingcopies=1": True,
        "lackingcopies=2": False,
        "inallgroup=g": True,
        "onlyingroup=g": False,
    }.items():
        assert ask(expression, where=where, trust=trust, copies=3, default=False) == expected, expression


def test_attributes_count_for_files_only() -> None:
    assert ask("lackingcopies=3", attribute=3)
    assert not ask("lackingcopies=3", attribute=3, file=None)
    assert not ask("approxlackingcopies=3", attribute=3)


def test_a_cluster_is_where_its_nodes_are() -> None:
    assert ask("onlyingroup=g", where=[A], default=False)
    assert not ask("onlyingroup=g", where=[A], clusters={A: [CLUSTER]})


def test_balanced_stays_where_it_is() -> None:
    assert ask("balanced=g", where=[A], default=False)
    assert not ask("balanced=g", where=[B])
    assert not ask("balanced=g:lackingcopies", where=[B])
    assert ask("balanced=g:lackingcopies", where=[B], copies=3, default=False)


def test_sizes_decide() -> None:
    groups = {A: ["g"], B: ["g"]}
    assert ask("sizebalanced=g", groups=groups, maxima={A: 2000, B: 1000}, default=False)
    assert not ask("sizebalanced=g", groups=groups, maxima={A: 2000, B: 9000})
    assert not ask("fullybalanced=g:2", groups=groups, maxima={A: 1499})


@pytest.mark.parametrize("group", STANDARD)
def test_standard_groups_parse(group: str) -> None:
    assert explain_failure(STANDARD[group]) is None


def test_standard_and_groupwanted() -> None:
    only = {A: ["backup", "other"]}
    assert ask("standard", groups=only, default=False)
    assert not ask("standard", groups={A: ["backup", "client"]})
    assert not ask("standard", groups={A: ["unwanted"]})
    assert ask("groupwanted", groups=only, group_wanted={"other": "standard"}, default=False)
    assert not ask("groupwanted", groups=only, group_wanted={"other": "anything", "backup": "anything"})
    assert not ask("groupwanted", groups=only, group_wanted={"other": ""})
    assert not ask("groupwanted", groups=only, group_wanted={"other": "groupwanted"})
    assert not ask("groupwanted", groups=only, group_wanted={"other": "bogus"})


def test_why_an_expression_can_not_be_used() -> None:
    assert explain_failure("anything and (standard or groupwanted)") is None
    assert explain_failure('foo and a"b=é') == 'Parse failure: near "foo" Parse failure: near "a\\"b=\\233"'
    assert explain_failure("copies=") == "Parse failure: bad number for copies"
    assert explain_failure("( " * 100) is not None


@given(st.text())
def test_nothing_breaks_it(text: str) -> None:
    assert ask(text) in (True, False)
    explain_failure(text)


def test_facts_are_looked_up_once() -> None:
    class Counting(SnapshotSource):
        calls = 0

        def metadata(self, _key: Key) -> Mapping[str, Collection[str]]:
            self.calls += 1
            return {}

    source = Counting()
    snapshot = snapshot_of(source, preferred=dict.fromkeys((A, B, C), "metadata=a=b or metadata=c=d"))
    subject = Subject(snapshot, KEY)
    assert not any(wants(subject, uuid) for uuid in (A, B, C))
    assert source.calls == 1


@pytest.mark.parametrize("term", ["largerthan", "smallerthan"])
def test_sizes_have_all_units_of_git_annex(term: str) -> None:
    for text in ("10k", "10K", "100G", "1.5Mi", "8kbit", "0x10k", "5%"):
        assert explain_failure(f"{term}={text}") is None, text
    for text in ("10kbb", "10bit", "10kilo", "5foo", "k"):
        assert explain_failure(f"{term}={text}") is not None, text


MANY = {b"%d" % n: {f"g{n % 1000}", "z"} for n in range(20_000)}
TOO_MUCH = {
    "globs": " or ".join("include=*" + "".join(f"[^{chr(200 + i + n)}]" for n in range(600)) for i in range(12)),
    "suffixes": " or ".join(f"include=*.{n:03}" for n in range(1500)),
    "balance": " or ".join(f"fullybalanced=z:{n}" for n in range(1, 1300)),
    "what the group wants": "groupwanted or " * 2000 + "nothing",
}


@pytest.mark.parametrize("expression", TOO_MUCH.values(), ids=list(TOO_MUCH))
def test_an_expression_that_takes_too_long_counts_as_not_understood(expression: str) -> None:
    """Only that one does: others are asked as ever."""
    snapshot = snapshot_of(
        SnapshotSource(),
        {A: {"q"}, **MANY},
        preferred={A: expression, B: "include=*", C: expression},
        group_wanted={"q": "nothing or " * 2900 + "nothing"},
    )
    file = "".join(map(chr, range(0x4E00, 0x4E00 + 4000)))
    subject = Subject(snapshot, KEY, file, {A})
    assert wants(subject, A)
    assert wants(subject, B)
    assert subject.too_much >= {A}
    assert not wants(Subject(snapshot, KEY, file, ()), A)
    assert snapshot.takes_long(file)


def test_all_expressions_together_take_no_longer_than_a_few() -> None:
    text = TOO_MUCH["suffixes"]
    wanted = {b"%d" % n: f"include={n} or {text}" for n in range(30)}
    subject = Subject(snapshot_of(SnapshotSource(), preferred=wanted), KEY, "x" * 4000, ())
    for uuid in wanted:
        assert not wants(subject, uuid)
    assert subject.too_much == set(wanted)
    assert subject._left_for_all <= 0


def test_an_expression_that_is_too_long_is_not_understood() -> None:
    text = "include=*.jpg or " * 2000
    assert explain_failure(text) == "Parse failure: an expression of over 32768 characters"
    assert not ask(text + "anything")
    assert ask(text + "anything", where={A})
    assert explain_failure(text[: 17 * 1900] + "anything") is None


def test_many_members_and_terms_are_no_obstacle() -> None:
    """What is said of groups is looked up once each."""
    terms = [f"copies=g{n}:1 or onlyingroup=g{n} or balanced=g{n}" for n in range(500)]
    snapshot = snapshot_of(SnapshotSource(), MANY, preferred={A: " or ".join(terms)})
    subject = Subject(snapshot, KEY, "x", {b"1"})
    assert wants(subject, A)
    assert not subject.too_much


def test_ordinary_wishes_take_no_time_worth_a_thread() -> None:
    wanted = {b"%d" % n: f"include=*.{n} or standard" for n in range(100)}
    assert not snapshot_of(SnapshotSource(), preferred=wanted).takes_long("photos/2020/picture.jpg")
    assert snapshot_of(SnapshotSource(), preferred={A: "lackingcopies=1"}).takes_long("x")
    assert not snapshot_of(SnapshotSource(), preferred={A: "approxlackingcopies=1"}).takes_long("x")
