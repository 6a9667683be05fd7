"""What may be said when."""

from __future__ import annotations

import pytest

from annexshell.wire import grammar
from annexshell.wire.messages import CLIENT, MAX_VERSION, MESSAGES, SERVER


def test_requests_are_messages_of_a_client() -> None:
    for word in grammar.REQUESTS:
        assert word in MESSAGES
        assert MESSAGES[word][2] != SERVER


def test_no_message_is_newer_than_the_newest_version() -> None:
    assert max(version for _, version, _ in MESSAGES.values()) == MAX_VERSION


@pytest.mark.parametrize(
    ("moment", "word", "since"),
    [
        (grammar.UPLOAD, b"DATA", 0),
        (grammar.UPLOAD, b"DATA-PRESENT", 4),
        (grammar.VALIDITY, b"VALID", 1),
        (grammar.VALIDITY, b"INVALID", 1),
        (grammar.LOCKED, b"UNLOCKCONTENT", 0),
        (grammar.RECEIVED, b"SUCCESS", 0),
        (grammar.RECEIVED, b"FAILURE", 0),
        (grammar.RECEIVED, b"SUCCESS-PLUS", 2),
        (grammar.RECEIVED, b"FAILURE-PLUS", 2),
    ],
)
def test_moments_allow_their_words_from_a_version_on(moment: grammar.Moment, word: bytes, since: int) -> None:
    for version in range(-1, MAX_VERSION + 1):
        # A client may agree on a version below 0, which is like 0.
        assert moment.allows(word, version) == (max(version, 0) >= since)


@pytest.mark.parametrize(
    "moment", [grammar.UPLOAD, grammar.VALIDITY, grammar.LOCKED, grammar.RECEIVED, grammar.RECEIVED_PLAIN]
)
def test_moments_allow_nothing_else(moment: grammar.Moment) -> None:
    allowed = {word for word in MESSAGES if moment.allows(word, MAX_VERSION)}
    assert allowed == set(moment.words)
    assert not allowed & grammar.REQUESTS


@pytest.mark.parametrize(
    ("version", "complaint"),
    [
        (0, "expected SUCCESS or FAILURE"),
        (1, "expected SUCCESS or FAILURE"),
        (2, "expected SUCCESS or SUCCESS-PLUS or FAILURE or FAILURE-PLUS"),
        (4, "expected SUCCESS or SUCCESS-PLUS or FAILURE or FAILURE-PLUS"),
    ],
)
def test_the_end_of_a_download_depends_on_the_version(version: int, complaint: str) -> None:
    assert grammar.received(version).complaint == complaint


def test_every_message_knows_who_sends_it() -> None:
    senders = {sender for _, _, sender in MESSAGES.values()}
    assert {CLIENT, SERVER} < senders
