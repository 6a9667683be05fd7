"""What may be said when."""

from __future__ import annotations

import pytest

from annexshell.errors import InternalError, UnexpectedMessage
from annexshell.serve.session import _HANDLERS
from annexshell.wire import grammar
from annexshell.wire.grammar import CLIENT_SAYS, SERVER_SAYS, Conversation
from annexshell.wire.messages import CLIENT, MAX_VERSION, MESSAGES, SERVER


def conversation(state: str, version: int = MAX_VERSION) -> Conversation:
    found = Conversation()
    found.state, found.version = state, version
    return found


def test_words_are_said_by_those_who_may_send_them() -> None:
    for words in CLIENT_SAYS.values():
        assert all(MESSAGES[word][2] != SERVER for word in words)
    for words in SERVER_SAYS.values():
        assert all(MESSAGES[word][2] != CLIENT for word in words)


def test_in_each_state_it_is_the_turn_of_one() -> None:
    assert not set(CLIENT_SAYS) & set(SERVER_SAYS)
    following = {state for table in (CLIENT_SAYS, SERVER_SAYS) for words in table.values() for state in words.values()}
    assert following == {*CLIENT_SAYS, *SERVER_SAYS}


def test_every_request_has_a_handler() -> None:
    assert set(_HANDLERS) == set(CLIENT_SAYS[grammar.REQUEST])


def test_every_message_is_somewhere_in_the_grammar() -> None:
    said = {word for table in (CLIENT_SAYS, SERVER_SAYS) for words in table.values() for word in words}
    assert set(MESSAGES) - said == {b"AUTH", b"AUTH-SUCCESS", b"AUTH-FAILURE", b"ERROR", b"CONNECTDONE"}


def test_no_message_is_newer_than_the_newest_version() -> None:
    assert max(version for _, version, _ in MESSAGES.values()) == MAX_VERSION


@pytest.mark.parametrize("state", CLIENT_SAYS)
@pytest.mark.parametrize("version", range(-1, MAX_VERSION + 1))
def test_clients_may_say_what_their_version_has(state: str, version: int) -> None:
    """Requests they may say in any version; one may agree on a version below 0, which is like 0."""
    allowed = {word for word in MESSAGES if conversation(state, version).allows(word)}
    assert allowed == {
        word for word in CLIENT_SAYS[state] if state == grammar.REQUEST or MESSAGES[word][1] <= max(version, 0)
    }
    for word in set(MESSAGES) - allowed:
        with pytest.raises(UnexpectedMessage):
            conversation(state, version).hear(word)


@pytest.mark.parametrize("state", [*CLIENT_SAYS, *SERVER_SAYS])
def test_nothing_is_said_out_of_turn(state: str) -> None:
    for word in set(MESSAGES) - set(SERVER_SAYS.get(state, ())):
        with pytest.raises(InternalError):
            conversation(state).say(word)


def test_nothing_is_said_that_the_client_does_not_know() -> None:
    for word, since in ((b"SUCCESS-PLUS", 2), (b"FAILURE-PLUS", 2)):
        conversation(grammar.OUTCOME, since).say(word)
        with pytest.raises(InternalError):
            conversation(grammar.OUTCOME, since - 1).say(word)


@pytest.mark.parametrize(
    ("version", "states"),
    [
        (-1, [grammar.CONTENT, grammar.RECEIVED, grammar.REQUEST]),
        (0, [grammar.CONTENT, grammar.RECEIVED, grammar.REQUEST]),
        (1, [grammar.CONTENT, grammar.SENT, grammar.RECEIVED, grammar.REQUEST]),
        (4, [grammar.CONTENT, grammar.SENT, grammar.RECEIVED, grammar.REQUEST]),
    ],
)
def test_a_download(version: int, states: list[str]) -> None:
    """In version 0 nobody says whether content is valid."""
    found = conversation(grammar.REQUEST, version)
    passed = []
    for word in (b"GET", b"DATA", b"VALID", b"SUCCESS"):
        if word == b"VALID" and found.state == grammar.RECEIVED:
            continue
        (found.hear if found.state in CLIENT_SAYS else found.say)(word)
        passed.append(found.state)
    assert passed == states


@pytest.mark.parametrize(("version", "state"), [(0, grammar.OUTCOME), (1, grammar.VALIDITY)])
def test_an_upload(version: int, state: str) -> None:
    found = conversation(grammar.REQUEST, version)
    found.hear(b"PUT")
    found.say(b"PUT-FROM")
    found.hear(b"DATA")
    assert found.state == state


@pytest.mark.parametrize(
    ("state", "version", "complaint"),
    [
        (grammar.REQUEST, 4, "unexpected command"),
        (grammar.UPLOAD, 4, "expected DATA"),
        (grammar.VALIDITY, 4, "expected VALID or INVALID"),
        (grammar.LOCKED, 0, "expected UNLOCKCONTENT"),
        (grammar.RECEIVED, 0, "expected SUCCESS or FAILURE"),
        (grammar.RECEIVED, 1, "expected SUCCESS or FAILURE"),
        (grammar.RECEIVED, 2, "expected SUCCESS or SUCCESS-PLUS or FAILURE or FAILURE-PLUS"),
        (grammar.RECEIVED, 4, "expected SUCCESS or SUCCESS-PLUS or FAILURE or FAILURE-PLUS"),
    ],
)
def test_what_is_said_of_all_else(state: str, version: int, complaint: str) -> None:
    assert conversation(state, version).complaint == complaint


def test_an_upload_may_go_on_without_a_word_on_it() -> None:
    for state in CLIENT_SAYS:
        found = conversation(state)
        found.go_without()
        assert found.state == (grammar.OUTCOME if state == grammar.VALIDITY else grammar.REQUEST)
        found.end()
        assert found.state == grammar.REQUEST


def test_every_message_knows_who_sends_it() -> None:
    senders = {sender for _, _, sender in MESSAGES.values()}
    assert {CLIENT, SERVER} < senders
