"""The conversation of a client and a server, as a table: who may say what in each state, and which state follows
(upstream: P2P/Protocol.hs serveAuthed).

In a state it is either the client's turn or the server's. A session says and hears nothing that the table does not
have: what comes out of turn gets an ERROR, and what we would say out of turn is a mistake of ours that never leaves.
Payload follows its DATA and is not in the table.
"""

from __future__ import annotations

from annexshell.errors import InternalError, UnexpectedMessage
from annexshell.wire.messages import MESSAGES

TYPE_CHECKING = False
if TYPE_CHECKING:
    Steps = dict[str, dict[bytes, str]]

# States in which the client speaks
REQUEST = "request"
LOCKED = "locked"  # and will be until UNLOCKCONTENT, or the end of the connection
UPLOAD = "upload"
VALIDITY = "validity"  # of what was uploaded
RECEIVED = "received"  # what the client makes of a download
# States in which the server does
AGREEMENT = "agreement"
CLOCK = "clock"
PRESENCE = "presence"
LOCK = "lock"
OUTCOME = "outcome"
CONTENT = "content"
SENT = "sent"  # and now called valid or not
OFFER = "offer"
GIT = "git"  # which has the connection to itself
NEWS = "news"

_ENDED = {b"SUCCESS": REQUEST, b"SUCCESS-PLUS": REQUEST, b"FAILURE": REQUEST, b"FAILURE-PLUS": REQUEST}

CLIENT_SAYS: Steps = {
    REQUEST: {
        b"VERSION": AGREEMENT,
        b"BYPASS": REQUEST,
        b"GETTIMESTAMP": CLOCK,
        b"CHECKPRESENT": PRESENCE,
        b"LOCKCONTENT": LOCK,
        b"REMOVE": OUTCOME,
        b"REMOVE-BEFORE": OUTCOME,
        b"GET": CONTENT,
        b"PUT": OFFER,
        b"CONNECT": GIT,
        b"NOTIFYCHANGE": NEWS,
    },
    LOCKED: {b"UNLOCKCONTENT": REQUEST},
    UPLOAD: {b"DATA": VALIDITY, b"DATA-PRESENT": OUTCOME},
    VALIDITY: {b"VALID": OUTCOME, b"INVALID": OUTCOME},
    RECEIVED: _ENDED,
}

SERVER_SAYS: Steps = {
    AGREEMENT: {b"VERSION": REQUEST},
    CLOCK: {b"TIMESTAMP": REQUEST, b"FAILURE": REQUEST},
    PRESENCE: {b"SUCCESS": REQUEST, b"FAILURE": REQUEST},
    LOCK: {b"SUCCESS": LOCKED, b"FAILURE": REQUEST},
    OUTCOME: _ENDED,
    CONTENT: {b"DATA": SENT},
    SENT: {b"VALID": RECEIVED, b"INVALID": RECEIVED},
    OFFER: {b"PUT-FROM": UPLOAD, b"ALREADY-HAVE": REQUEST, b"ALREADY-HAVE-PLUS": REQUEST},
    GIT: {},
    NEWS: {b"CHANGED": REQUEST},
}

_IN_ANY_VERSION = (REQUEST, CLOCK)  # requests are served in versions that do not have them, too
UNEXPECTED = "unexpected command"
_MAY_GIVE_UP = (UPLOAD, RECEIVED)  # by an ERROR of the client's own, which needs no answer
_COMPLAINTS = {
    REQUEST: UNEXPECTED,
    LOCKED: "expected UNLOCKCONTENT",
    UPLOAD: "expected DATA",
    VALIDITY: "expected VALID or INVALID",
    RECEIVED: "expected SUCCESS or SUCCESS-PLUS or FAILURE or FAILURE-PLUS",
}
_COMPLAINT_WITHOUT_PLUS = "expected SUCCESS or FAILURE"
_WITHOUT = {VALIDITY: OUTCOME}  # the content is here, and may prove to be good; otherwise nothing goes on


class Conversation:
    """The state of one conversation. `version` is the one agreed on; a client may even agree on less than 0, which is
    like 0."""

    __slots__ = ("_heard", "_said", "_version", "state")

    def __init__(self) -> None:
        self.version = 0
        self.state = REQUEST

    @property
    def version(self) -> int:
        return self._version

    @version.setter
    def version(self, version: int) -> None:
        self._version = version
        self._heard, self._said = _steps(max(version, 0))

    def allows(self, word: bytes) -> bool:
        """Whether the client may say a word now."""
        return word in self._heard.get(self.state, ())

    def hear(self, word: bytes) -> None:
        """The client says a word. Raises UnexpectedMessage if it may not."""
        try:
            self.state = self._heard[self.state][word]
        except KeyError:
            raise UnexpectedMessage(self.complaint) from None

    @property
    def complaint(self) -> str:
        """What is wrong with all that the client may not say now."""
        if self.state == RECEIVED and not self.allows(b"SUCCESS-PLUS"):
            return _COMPLAINT_WITHOUT_PLUS
        return _COMPLAINTS.get(self.state, UNEXPECTED)

    @property
    def may_give_up(self) -> bool:
        """Whether the client may end the operation by an ERROR."""
        return self.state in _MAY_GIVE_UP

    @property
    def may_fail(self) -> bool:
        """Whether we may say FAILURE now."""
        return b"FAILURE" in SERVER_SAYS.get(self.state, ())

    def end(self) -> None:
        """An ERROR ends what is under way."""
        self.state = REQUEST

    def go_without(self) -> None:
        """What the client should have said now does not come."""
        self.state = _WITHOUT.get(self.state, REQUEST)

    def say(self, word: bytes) -> None:
        """We say a word. Raises InternalError if we may not."""
        try:
            self.state = self._said[self.state][word]
        except KeyError:
            text = f"internal error, please report it: {word.decode()} is no answer to {self.state}"
            raise InternalError(text) from None


def _steps(version: int) -> tuple[Steps, Steps]:
    """What the client and the server may say in a version, and the state that really follows."""
    if version not in _made:
        _made[version] = _steps_of(CLIENT_SAYS, version), _steps_of(SERVER_SAYS, version)
    return _made[version]


def _steps_of(table: Steps, version: int) -> Steps:
    return {
        state: {
            word: _after(following, version)
            for word, following in words.items()
            if state in _IN_ANY_VERSION or _knows(version, word)
        }
        for state, words in table.items()
    }


def _after(state: str, version: int) -> str:
    """The next state in which somebody has a word to say in this version."""
    words = CLIENT_SAYS.get(state) or SERVER_SAYS[state]
    while words and state not in _IN_ANY_VERSION and not any(_knows(version, word) for word in words):
        state = next(iter(words.values()))
        words = CLIENT_SAYS.get(state) or SERVER_SAYS[state]
    return state


def _knows(version: int, word: bytes) -> bool:
    return MESSAGES[word][1] <= version


_made: dict[int, tuple[Steps, Steps]] = {}
