"""Logs that somebody pushed: whatever they hold, all who read them go on, and what we write into them counts."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annexshell.annexlog.facts import _sets
from annexshell.annexlog.lines import MISSING, PRESENT, PresenceLog, merge
from annexshell.annexlog.logs import MapLog, UuidLog, parse_proxied, parse_remote_config
from annexshell.annexlog.metadata import parse_metadata
from annexshell.annexlog.sizes import _key_size, _present
from annexshell.errors import BadKey
from annexshell.model.key import parse_key
from annexshell.policy.preferred import explain_failure, wants
from annexshell.policy.snapshot import SnapshotSource, Subject
from annexshell.repo.gateway.preferredcontent import _LOGS, _snapshot
from annexshell.repo.initialization.initialize import _adopted, _wants_secure_hashes

A, B = (b"11111111-1111-4111-8111-%012d" % n for n in (1, 2))
CLUSTER = b"ac111111-1111-8111-8111-111111111111"
PATH = b"123/456/WORM-s1-m1--a.log"
_DIGITS = [b"0", b"7", b"1795164790", b"9" * 18, b"9" * 19, b"9" * 308, b"9" * 1000, b"9" * 4301, b"0" * 5000 + b"5"]
_NUMBERS = [
    *(sign + digits for sign in (b"", b"-", b"+") for digits in _DIGITS),
    *(b"1e999", b"inf", b"nan", b"NaN", b"Infinity", b"0x" + b"f" * 400, b"1.", b".5", b"1_0", "\u0663".encode(), b""),
]
_WORDS = [
    A,
    B,
    CLUSTER,
    b"",
    b" ",
    b"web",
    b"\xff\xfe",
    b"\0",
    b"\r",
    b"X",
    b"0",
    b"1",
    b"=",
    b"&",
    b"&9999999999;",
    b"+",
    b"-",
]
_VALUES = [
    b"include=* and largerthan=%b", b"copies=%b", b"metadata=year>%b", b"not (present", b"groupwanted", b"standard",
    b"balanced=a:%b", b"sizebalanced=a", b"approxlackingcopies=%b", b"type=web name=%b encryption=none", b"%b:node",
    b"+!%b", b"-%b", b"+%b",
]  # fmt: skip
numbers = st.sampled_from(_NUMBERS)
words = st.sampled_from(_WORDS) | numbers | st.binary(max_size=6)
values = st.builds(lambda value, number: value.replace(b"%b", number), st.sampled_from(_VALUES), numbers) | words
stamps = st.builds(lambda number, end: number + end, numbers, st.sampled_from([b"s", b"", b".5s", b".999999999999s"]))
lines = st.one_of(
    st.builds(lambda *parts: b"%b %b %b" % parts, stamps, words, values),
    st.builds(lambda *parts: b"%b %b timestamp=%b" % parts, words, values, stamps),
    st.builds(lambda *parts: b"%b %b" % parts, stamps, values),
    st.binary(max_size=20),
)
logs = st.lists(lines, max_size=6).map(b"\n".join)


class Nothing(SnapshotSource):
    """Knows nothing more of any key."""

    def locations(self, _key: object) -> list[bytes]:
        return [A]

    def sizes(self) -> dict[bytes, int]:
        return {A: 10**30, B: 0}

    def copies_wanted(self, _file: str) -> None:
        return None

    def metadata(self, _key: object) -> dict[str, list[str]]:
        return {"year": ["1999", "9" * 5000, "nan", "1e999"]}

    def urls(self, _key: object) -> list[str]:
        return []

    def is_secure(self, _key: object) -> bool:
        return True

    def is_unused(self, _key: object) -> bool:
        return False


@given(logs)
def test_everything_can_be_read(text: bytes) -> None:
    parse_metadata(text)
    _present(text)
    _sets([text, text])
    _adopted(text)
    _wants_secure_hashes(text)
    for _, value in [*MapLog(text).items(), *UuidLog(text).items()]:
        parse_proxied(value)
        parse_remote_config(value)
        explain_failure(os.fsdecode(value))


@given(st.lists(logs, min_size=len(_LOGS), max_size=len(_LOGS)), st.sampled_from([A, B]))
@settings(max_examples=200)
def test_expressions_are_evaluated(texts: list[bytes], uuid: bytes) -> None:
    """To an answer, whatever rules and numbers there are."""
    snapshot = _snapshot(Nothing(), texts, {}, 0.9, False)
    for key in (b"SHA256-s1000--abc", b"WORM-s" + b"9" * 999 + b"-m1--a"):
        assert wants(Subject(snapshot, parse_key(key), "dir/file"), uuid) in (True, False)


@pytest.mark.parametrize("maximum", _NUMBERS)
@pytest.mark.parametrize("term", ["balanced", "sizebalanced", "fullybalanced", "fullysizebalanced"])
def test_repositories_of_any_size(term: str, maximum: bytes) -> None:
    """Somebody wants the content, whoever says to be how large."""
    texts = dict.fromkeys(_LOGS, b"")
    texts[b"group.log"] = b"%b a timestamp=1s\n%b a timestamp=1s\n" % (A, B)
    texts[b"maxsize.log"] = b"1s %b %b\n1s %b 100000\n" % (A, maximum, B)
    texts[b"preferred-content.log"] = b"".join(b"%b %b=a timestamp=1s\n" % (uuid, term.encode()) for uuid in (A, B))
    snapshot = _snapshot(Nothing(), list(texts.values()), {}, 0.9, False)
    subject = Subject(snapshot, parse_key(b"SHA256-s1000--abc"), "file", [])
    assert wants(subject, A) or wants(subject, B)


@given(logs, st.sampled_from([PRESENT, MISSING]), st.sampled_from([PRESENT, MISSING]))
def test_what_we_write_is_newer(text: bytes, was: bytes, status: bytes) -> None:
    text = b"%b\n%bs %b %b\n" % (text, b"9" * 1000, was, A)
    log = PresenceLog(text)
    log.set(A, status, 1795164790)
    for merged in (merge(PATH, text, log.text()), merge(PATH, log.text(), text)):
        assert PresenceLog(merged).status(A) == status
    assert PresenceLog(log.text()).text() == log.text()


@pytest.mark.parametrize("kind", [MapLog, UuidLog])
@given(text=logs, value=st.sampled_from([b"new", b"", b"two words"]))
def test_values_that_we_set_are_newer(kind: type[MapLog] | type[UuidLog], text: bytes, value: bytes) -> None:
    log = kind(text)
    log.set(A, value, 1795164790)
    for other in (log.text(), text + b"\n" + log.text(), log.text() + text):
        assert kind(other).get(A) == value


@given(words, numbers)
def test_names_of_keys(word: bytes, number: bytes) -> None:
    name = b"SHA256-s%b-m%b-S%b-C%b--%b" % (number, number, number, number, word)
    assert _key_size(b"123/456/" + name + b".log") >= 0
    try:
        assert parse_key(name).serialized == name
    except BadKey:
        pass
