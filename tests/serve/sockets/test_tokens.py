"""Tokens: which let in where, and what git-annex may know of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from annexshell.disk.perms import Perms
from annexshell.errors import Refused
from annexshell.model.access import APPEND_ONLY, READ_ONLY, READ_WRITE
from annexshell.model.p2p import TOR, P2PAddress
from annexshell.serve.sockets.credentials import Credentials
from annexshell.serve.sockets.tokens import Grant, Tokens

HERE, THERE, ONION = P2PAddress(b"net", b"here"), P2PAddress(b"net", b"there"), P2PAddress(TOR, b"abc.onion:1")
FULL = Grant(READ_WRITE, b"", "")


@pytest.fixture
def credentials(tmp_path: Path) -> Credentials:
    (tmp_path / "git").mkdir()
    return Credentials(os.fsencode(tmp_path / "git/annex"), Perms(None, False, False))


@pytest.fixture
def tokens(credentials: Credentials) -> Tokens:
    return Tokens(credentials)


def test_a_token_lets_in_where_it_is_for(tokens: Tokens) -> None:
    (here,) = tokens.make([HERE], FULL)
    (onion,) = tokens.make([ONION], FULL)
    assert len(here) == 128
    found = tokens.at(HERE).find(here.upper())
    assert found is not None
    assert found.mode == READ_WRITE
    assert tokens.at(THERE).find(here) is None
    assert tokens.at(ONION).find(here) is None
    assert tokens.at(ONION).find(onion) is not None
    assert tokens.at(HERE).find(onion) is None
    assert [tokens.at(HERE).find(wrong) for wrong in (b"", here[:-1], here + b"0", b"\n")] == [None] * 4


def test_git_annex_knows_those_that_allow_everything(tokens: Tokens, credentials: Credentials) -> None:
    here, there = tokens.make([HERE, THERE], FULL)
    (onion,) = tokens.make([ONION], Grant(READ_WRITE, b"", "phone"))
    assert credentials.read(b"p2pauth").splitlines() == [
        onion,
        there + b" p2p-annex::net:there",
        here + b" p2p-annex::net:here",
    ]
    assert next(iter(tokens.all())).called == "phone"


@pytest.mark.parametrize(
    "grant", [Grant(READ_ONLY, b"", ""), Grant(APPEND_ONLY, b"", "x"), Grant(READ_WRITE, b"u", "")]
)
def test_and_no_other(tokens: Tokens, credentials: Credentials, grant: Grant) -> None:
    """It would let them do everything. What is kept of them opens nothing."""
    (token,) = tokens.make([HERE], grant)
    assert credentials.read(b"p2pauth") == b""
    assert token not in credentials.read(b"p2pauth.annexshell")
    found = tokens.at(HERE).find(token)
    assert found is not None
    assert (found.mode, found.uuid, found.name) == (grant.mode, grant.uuid, grant.name)
    digest = credentials.read(b"p2pauth.annexshell").split(b"\t")[0]
    assert tokens.at(HERE).find(digest) is None


def test_files_are_their_owner_s(tokens: Tokens, credentials: Credentials) -> None:
    before = os.umask(0)
    try:
        tokens.make([HERE], Grant(READ_ONLY, b"", "x"))
        tokens.make([HERE], FULL)
    finally:
        os.umask(before)
    for name in (b"p2pauth", b"p2pauth.annexshell"):
        assert os.stat(credentials.path(name)).st_mode & 0o777 == 0o600


def test_a_token_that_git_annex_s_user_takes_out_of_its_file_is_gone(tokens: Tokens, credentials: Credentials) -> None:
    (token,) = tokens.make([HERE], Grant(READ_WRITE, b"", "laptop"))
    credentials.write(b"p2pauth", b"")
    assert tokens.at(HERE).find(token) is None
    assert tokens.all() == []


def test_tokens_that_git_annex_made(tokens: Tokens, credentials: Credentials) -> None:
    lines = [b"0aF1 p2p-annex::net:here", b"0b", b"0c p2p-annex:", b"not-one", b"", b"0d tor-annex::x.onion:1"]
    credentials.write(b"p2pauth", b"\n".join(lines))  # without an end, as by an editor
    assert tokens.at(HERE).find(b"0af1") is not None
    assert tokens.at(ONION).find(b"0b") is not None
    assert [tokens.at(place).find(b"0c") for place in (HERE, ONION)] == [None, None]
    tokens.make([HERE], FULL)
    assert tokens.at(HERE).find(b"0af1") is not None


def test_revoking(tokens: Tokens, credentials: Credentials) -> None:
    (keep,) = tokens.make([HERE], Grant(READ_WRITE, b"", "keep"))
    lose = tokens.make([HERE, THERE], Grant(READ_WRITE, b"", "lose"))
    (reader,) = tokens.make([HERE], Grant(READ_ONLY, b"", "lose"))
    (nameless,) = tokens.make([HERE], FULL)
    before = tokens.state()
    assert tokens.revoke("lose") == 3
    assert tokens.state() != before
    assert [tokens.at(HERE).find(token) for token in (*lose, reader)] == [None] * 3
    assert tokens.at(HERE).find(keep) is not None
    called = next(token.called for token in tokens.all() if not token.grant.name)
    assert tokens.revoke(called) == 1
    assert tokens.at(HERE).find(nameless) is None
    for name in ("lose", called, "", "p2p"):
        with pytest.raises(Refused, match="there is no token called"):
            tokens.revoke(name)


@pytest.mark.parametrize(
    "line",
    [
        b"\t" * 5,
        b"0" * 64 + b"\t1\tread-everything\t-\t\ttor",
        b"0" * 64 + b"\tx\tread-only\t-\t\ttor",
        b"0" * 64 + b"\t1\tread-only\t-\t\tnowhere",
        b"0" * 63 + b"\t1\tread-only\t-\t\ttor",
        b"\xff" * 64 + b"\t1\tread-only\t-\t\ttor",
        b"rubbish",
        b"",
    ],
)
def test_lines_of_our_file_that_mean_nothing_open_nothing(
    tokens: Tokens, credentials: Credentials, line: bytes
) -> None:
    credentials.write(b"p2pauth.annexshell", line + b"\n")
    assert tokens.all() == []
