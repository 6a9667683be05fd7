"""The messages that a client may send at each moment, and the ERROR for any other (upstream: P2P/Protocol.hs
serveAuthed).

At the top level every request is allowed, and anything else is `unexpected command`. Inside an operation one answer is
awaited: for each such moment, the table has the words that fit and the text of the ERROR for all others. Where the
client may give up, its own ERROR fits too and needs no answer.
"""

from __future__ import annotations

from annexshell.wire.messages import MESSAGES

REQUESTS = frozenset(
    b"CHECKPRESENT GET PUT LOCKCONTENT REMOVE REMOVE-BEFORE GETTIMESTAMP VERSION BYPASS CONNECT NOTIFYCHANGE".split()
)

UNEXPECTED = "unexpected command"


class Moment:
    """A point inside an operation at which exactly one message is awaited."""

    __slots__ = ("words", "complaint", "may_give_up")

    def __init__(self, words: tuple[bytes, ...], complaint: str, may_give_up: bool = False) -> None:
        self.words = words
        self.complaint = complaint
        self.may_give_up = may_give_up

    def allows(self, word: bytes, version: int) -> bool:
        """Whether `word` fits here for a client of protocol `version`."""
        return word in self.words and MESSAGES[word][1] <= max(version, 0)


UPLOAD = Moment((b"DATA", b"DATA-PRESENT"), "expected DATA", may_give_up=True)
VALIDITY = Moment((b"VALID", b"INVALID"), "expected VALID or INVALID")
LOCKED = Moment((b"UNLOCKCONTENT",), "expected UNLOCKCONTENT")
RECEIVED_PLAIN = Moment((b"SUCCESS", b"FAILURE"), "expected SUCCESS or FAILURE", may_give_up=True)
RECEIVED = Moment(
    (b"SUCCESS", b"SUCCESS-PLUS", b"FAILURE", b"FAILURE-PLUS"),
    "expected SUCCESS or SUCCESS-PLUS or FAILURE or FAILURE-PLUS",
    may_give_up=True,
)


def received(version: int) -> Moment:
    """The moment after the data of a GET."""
    return RECEIVED if version >= 2 else RECEIVED_PLAIN
