"""Random conversations with a session on a repository in memory: it never crashes, every request gets exactly the
answers that the protocol allows, and nothing that was begun is left open."""

from __future__ import annotations

import os
from hashlib import sha256

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from annexshell.errors import (
    AccessDenied,
    AnnexshellError,
    ClosedByPeer,
    ContentLocked,
    DiskError,
    LineTooLong,
    NotPresent,
    PeerGone,
    Refused,
    TooLate,
    TransferBusy,
    VerificationFailed,
)
from annexshell.model import access
from annexshell.model.key import Key, parse_key
from annexshell.repo.guard import GuardedRepository
from annexshell.repo.memory import MemoryRepository
from annexshell.serve.session import Session
from annexshell.stream.memory import MemoryStream
from annexshell.wire.messages import MESSAGES
from tests.fuzz.conversation import Broken, Conversation

CONTENTS = [b"", b"x", b"hello world\n", b"VALID\nSUCCESS\n", bytes(range(256)) * 20]
KEYS = [b"SHA256-s%d--%b" % (len(content), sha256(content).hexdigest().encode()) for content in CONTENTS]
ODD_KEYS = [b"WORM--a b", b"WORM-s5--x", b"SHA256E-s001--" + b"0" * 64, b"notakey", b"", b"URL--http://x/../y"]
PRESENT = {parse_key(KEYS[2]): CONTENTS[2], parse_key(KEYS[4]): CONTENTS[4]}

# More than the usual few conversations, and other ones each time: FUZZ_EXAMPLES=20000 python -m pytest tests/fuzz
EXAMPLES = os.environ.get("FUZZ_EXAMPLES")
FUZZED = settings(derandomize=EXAMPLES is None, deadline=None, max_examples=int(EXAMPLES or 400))

FATAL = (PeerGone, LineTooLong, ClosedByPeer)
FAILURES: list[AnnexshellError] = [
    ContentLocked("content is locked"),
    DiskError("Input/output error while storing the content"),
    NotPresent("the content is not present"),
    Refused("not here"),
    TooLate("too late"),
    TransferBusy("busy"),
    VerificationFailed("verification of content failed"),
    AccessDenied("this repository is read-only; write access denied"),
]
OPERATIONS = ["present", "lock", "remove", "timestamp", "get", "put", "send", "read_small", "is_valid"]
OPERATIONS += ["begin", "write", "finish", "finish_present"]

key = st.one_of(st.sampled_from(KEYS), st.sampled_from(KEYS), st.sampled_from(ODD_KEYS))
number = st.sampled_from([b"0", b"1", b"4", b"6", b"12", b"999", b"1e9", b"-1", b"x", b"", b"9" * 30, b"9" * 2000])
file = st.sampled_from([b"", b"f", b"a%b", b"../f", b"/f", b"\xff"])
noise = st.binary(max_size=20)
reply = st.sampled_from(
    [b"SUCCESS", b"FAILURE", b"SUCCESS-PLUS a b", b"VALID", b"INVALID", b"UNLOCKCONTENT", b"ERROR x", b"ERROR", b"FOO"]
)


@st.composite
def line(draw: st.DrawFn) -> bytes:
    """A message of any word with fields that may not fit it, or what only looks like one."""
    word = draw(st.one_of(st.sampled_from(sorted(MESSAGES)), noise))
    fields = draw(st.lists(st.one_of(key, number, file, noise), max_size=3))
    return b" ".join([word, *fields])


@st.composite
def upload(draw: st.DrawFn) -> bytes:
    """A PUT and what follows it: mostly as it should be."""
    which = draw(st.integers(0, len(KEYS) - 1))
    content = draw(st.sampled_from([CONTENTS[which], CONTENTS[which], CONTENTS[which][:3], b"wrong", b""]))
    announced = draw(st.sampled_from([len(content), len(content), len(content), len(content) + 2]))
    validity = draw(st.sampled_from([b"VALID\n", b"VALID\n", b"INVALID\n", b"ERROR x\n", b"CHECKPRESENT\n", b""]))
    start = b"PUT %b %b\n" % (draw(file), KEYS[which])
    return start + b"DATA %d\n" % announced + content + validity


@st.composite
def exchange(draw: st.DrawFn) -> bytes:
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(noise)
    if kind <= 2:
        return draw(line()) + b"\n"
    if kind <= 4:
        return draw(upload())
    request = draw(
        st.sampled_from(
            [
                b"GET 0  %b",
                b"GET 3 f %b",
                b"GET 999999999999  %b",
                b"GET -1  %b",
                b"PUT  %b",
                b"CHECKPRESENT %b",
                b"LOCKCONTENT %b",
                b"REMOVE %b",
                b"REMOVE-BEFORE 2000 %b",
                b"REMOVE-BEFORE 1000 %b",
            ]
        )
    )
    lines = [request % draw(key), *draw(st.lists(reply, max_size=2))]
    return b"".join(text + b"\n" for text in lines)


@st.composite
def conversation(draw: st.DrawFn) -> bytes:
    version = draw(
        st.sampled_from([b"", b"VERSION 0\n", b"VERSION 1\n", b"VERSION 2\n", b"VERSION 4\n", b"VERSION 9\n"])
    )
    return version + b"".join(draw(st.lists(exchange(), max_size=12)))


def serve(stream: MemoryStream, repository: MemoryRepository, mode: str = access.READ_WRITE) -> AnnexshellError | None:
    """What ended the session, if it was not the end of the stream."""
    reported: list[AnnexshellError] = []
    served = repository if mode == access.READ_WRITE else GuardedRepository(repository, mode)
    try:
        Session(stream, served, reported.append, mode).serve()
    except FATAL as error:
        return error
    finally:
        assert not repository.unfinished
        assert all(str(error) for error in reported)
    return None


def repository(plus: bool = False) -> MemoryRepository:
    made = MemoryRepository(b"here", plus=(b"there", b"elsewhere") if plus else ())
    made.contents.update(PRESENT)
    return made


@given(conversation(), st.integers(1, 100), st.booleans())
@FUZZED
@example(b"PUT  %b\nDATA 1\nxERROR y\n" % KEYS[1], 1, False)
@example(b"VERSION 4\nPUT  %b\nDATA 1\nxERROR y\n" % KEYS[1], 1, False)
@example(b"LOCKCONTENT %b\nERROR x\nREMOVE %b\n" % (KEYS[2], KEYS[2]), 1, False)
@example(b"CHECKPRESENT WORM--" + b"a" * 40000, 1, False)
def test_every_request_gets_the_answers_that_are_allowed(sent: bytes, piece: int, plus: bool) -> None:
    stream = MemoryStream(sent, piece)
    repo = repository(plus)
    serve(stream, repo)
    Conversation(sent, bytes(stream.outgoing), PRESENT, trusted=True).check()


@given(conversation(), st.dictionaries(st.sampled_from(OPERATIONS), st.sampled_from(FAILURES), max_size=4))
@FUZZED
def test_so_it_does_when_operations_fail(sent: bytes, failing: dict[str, AnnexshellError]) -> None:
    stream = MemoryStream(sent)
    repo = repository()
    for operation, error in failing.items():
        repo.fail(operation, error)
    serve(stream, repo)
    Conversation(sent, bytes(stream.outgoing), PRESENT, trusted=False).check()


@given(conversation(), st.sampled_from([access.READ_ONLY, access.APPEND_ONLY]))
@FUZZED
def test_modes_hold_whatever_is_said(sent: bytes, mode: str) -> None:
    stream = MemoryStream(sent)
    repo = repository()
    serve(stream, repo, mode)
    Conversation(sent.replace(b"CONNECT", b"XONNECT"), bytes(stream.outgoing), PRESENT, trusted=False)
    assert PRESENT.keys() <= repo.contents.keys()
    if mode == access.READ_ONLY:
        assert repo.contents == PRESENT
        assert not repo.partial


@given(conversation(), st.integers(0, 400), st.integers(1, 50))
@FUZZED
def test_nothing_stays_open_when_the_client_stops_reading(sent: bytes, breaks_after: int, piece: int) -> None:
    repo = repository()
    stream = MemoryStream(sent, piece, breaks_after)
    ended = serve(stream, repo)
    assert (len(stream.outgoing) > breaks_after) <= isinstance(ended, PeerGone)
    for stored, content in repo.contents.items():
        assert stored.name == sha256(content).hexdigest().encode() or stored.variety != b"SHA256"


@given(conversation(), st.data())
@FUZZED
def test_the_connection_may_be_cut_anywhere(sent: bytes, data: st.DataObject) -> None:
    cut = sent[: data.draw(st.integers(0, len(sent)))]
    stream = MemoryStream(cut)
    repo = repository()
    serve(stream, repo)
    Conversation(cut, bytes(stream.outgoing), PRESENT, trusted=True).check()


@given(st.lists(st.binary(max_size=30), max_size=20))
@FUZZED
def test_noise_changes_nothing(lines: list[bytes]) -> None:
    sent = b"\n".join(lines)
    stream = MemoryStream(sent)
    repo = repository()
    serve(stream, repo)
    Conversation(sent, bytes(stream.outgoing), PRESENT, trusted=True).check()
    assert repo.contents == PRESENT


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"CHECKPRESENT %b\n" % KEYS[2], b"FAILURE\n"),
        (b"CHECKPRESENT %b\n" % KEYS[2], b"SUCCESS\nSUCCESS\n"),
        (b"CHECKPRESENT %b\n" % KEYS[2], b""),
        (b"REMOVE %b\nCHECKPRESENT %b\n" % (KEYS[2], KEYS[2]), b"SUCCESS\nSUCCESS\n"),
        (b"REMOVE %b\n" % KEYS[2], b"SUCCESS-PLUS a\n"),
        (b"GET 0  %b\nSUCCESS\n" % KEYS[2], b"DATA 12\nhello-world\n"),
        (b"GET 0  %b\nSUCCESS\n" % KEYS[2], b"DATA 12\nhello world\nVALID\n"),
        (b"FOO\n", b"ERROR unexpected command\n"),
        (b"SUCCESS\n", b"ERROR unknown command\n"),
        (b"PUT  %b\nFOO\n" % KEYS[1], b"PUT-FROM 0\nERROR unknown command\n"),
        (b"ERROR x\nFOO\n", b"ERROR unknown command\n"),
        (b"LOCKCONTENT %b\nFOO\nERROR x\nFOO\n" % KEYS[1], b"ERROR x\n" + b"ERROR unknown command\n" * 2),
    ],
)
def test_the_judge_finds_faults(sent: bytes, answered: bytes) -> None:
    with pytest.raises(Broken):
        Conversation(sent, answered, PRESENT, trusted=True).check()


def test_the_repository_in_memory_is_strict() -> None:
    repo = repository()
    held = repo.lock(parse_key(KEYS[2]))
    assert len(repo.unfinished) == 1
    with pytest.raises(ContentLocked):
        repo.remove(parse_key(KEYS[2]))
    held.abandon()
    with pytest.raises(AssertionError, match="twice"):
        held.release()
    with pytest.raises(ContentLocked):
        repo.remove(parse_key(KEYS[2]))
    repo.now += 600
    assert repo.remove(parse_key(KEYS[2])) == []
    repo.close()
    with pytest.raises(AssertionError, match="closed"):
        repo.present(Key(b"WORM", b"x"))
