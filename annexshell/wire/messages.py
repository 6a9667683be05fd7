"""The messages of the P2P protocol, as a table (upstream: P2P/Protocol.hs, doc/design/p2p_protocol).

A message is its word and its arguments, already parsed. The table says for each word which fields follow it; the
codec reads it to parse and to format, the tests to generate.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_VERSION = 4
MAX_LINE = 32768  # bytes with the newline; nobody reads a longer one

# Kinds of fields. The last field of a message is the rest of its line, blanks included.
KEY = "key"
FILE = "associated file"
NUMBER = "number"
UUID = "uuid"  # or nothing
TEXT = "text"
TOKEN = "token"
SERVICE = "service"
WORDS = "words"

SERVER, CLIENT, BOTH = "server", "client", "both"

# word: (fields, first version, who sends it)
MESSAGES: dict[bytes, tuple[tuple[str, ...], int, str]] = {
    b"AUTH": ((UUID, TOKEN), 0, CLIENT),
    b"AUTH-SUCCESS": ((TEXT,), 0, SERVER),
    b"AUTH-FAILURE": ((), 0, SERVER),
    b"VERSION": ((NUMBER,), 0, BOTH),
    b"BYPASS": ((WORDS,), 2, CLIENT),
    b"CHECKPRESENT": ((KEY,), 0, CLIENT),
    b"LOCKCONTENT": ((KEY,), 0, CLIENT),
    b"UNLOCKCONTENT": ((), 0, CLIENT),
    b"REMOVE": ((KEY,), 0, CLIENT),
    b"REMOVE-BEFORE": ((NUMBER, KEY), 3, CLIENT),
    b"GETTIMESTAMP": ((), 3, CLIENT),
    b"TIMESTAMP": ((NUMBER,), 3, SERVER),
    b"GET": ((NUMBER, FILE, KEY), 0, CLIENT),
    b"PUT": ((FILE, KEY), 0, CLIENT),
    b"PUT-FROM": ((NUMBER,), 0, SERVER),
    b"ALREADY-HAVE": ((), 0, SERVER),
    b"ALREADY-HAVE-PLUS": ((WORDS,), 2, SERVER),
    b"SUCCESS": ((), 0, BOTH),
    b"SUCCESS-PLUS": ((WORDS,), 2, BOTH),
    b"FAILURE": ((), 0, BOTH),
    b"FAILURE-PLUS": ((WORDS,), 2, BOTH),
    b"DATA": ((NUMBER,), 0, BOTH),
    b"VALID": ((), 1, BOTH),
    b"INVALID": ((), 1, BOTH),
    b"DATA-PRESENT": ((), 4, CLIENT),
    b"ERROR": ((TEXT,), 0, BOTH),
    b"CONNECT": ((SERVICE,), 0, CLIENT),
    b"CONNECTDONE": ((NUMBER,), 0, BOTH),
    b"NOTIFYCHANGE": ((), 0, CLIENT),
    b"CHANGED": ((WORDS,), 0, SERVER),
}

SERVICES = (b"git-upload-pack", b"git-receive-pack")


class Message:
    """One message: its word and its parsed arguments, in the order of the table."""

    __slots__ = ("word", "args")

    def __init__(self, word: bytes, *args: Any) -> None:
        self.word = word
        self.args = args

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Message) and (other.word, other.args) == (self.word, self.args)

    def __hash__(self) -> int:
        return hash((self.word, self.args))

    def __repr__(self) -> str:
        return f"Message{(self.word, *self.args)!r}"
