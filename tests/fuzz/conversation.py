"""Reads both sides of a finished conversation and says where the server broke the protocol.

Written from the protocol's description alone, as a second opinion on `serve.session`: it goes through what the client
sent, and takes from what the server sent the answers that are allowed at each point. Which of them came decides how the
client's next bytes are understood, as it does on the wire. It also remembers what must be stored by now.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from annexshell.errors import UnknownCommand
from annexshell.model.key import Key
from annexshell.stream.port import MAX_LINE
from annexshell.wire.codec import parse
from annexshell.wire.messages import Message

PLAIN_RESULTS = rb"SUCCESS|FAILURE|ERROR .*"
PLUS_RESULTS = rb"SUCCESS|FAILURE|(?:SUCCESS|FAILURE)-PLUS( \S+)*|ERROR .*"


class Broken(AssertionError):
    """The server said what it may not say."""


class Ended(Exception):
    """The conversation is over: the client's side has ended, or the server has to close it."""


class Conversation:
    """`sent` is all that came from the client, `answered` all that the server wrote. `trusted` says that no operation
    was made to fail, so that what is stored follows from the answers."""

    def __init__(self, sent: bytes, answered: bytes, contents: dict[Key, bytes], trusted: bool) -> None:
        self._sent = sent
        self._answered = answered
        self._contents = dict(contents)
        self._trusted = trusted
        self._version = 0
        self._forgiving = False

    def check(self) -> None:
        """Raises Broken where the server said something wrong, too much or too little."""
        try:
            while True:
                self._request()
        except Ended:
            pass
        if self._answered:
            raise Broken(f"unasked: {self._answered[:200]!r}")

    # The client's side

    def _line(self) -> bytes:
        end = self._sent.find(b"\n")
        if end >= MAX_LINE or (end < 0 and len(self._sent) >= MAX_LINE) or end < 0:
            raise Ended
        line, self._sent = self._sent[:end], self._sent[end + 1 :]
        return line.removesuffix(b"\r")

    def _message(self) -> Message | None:
        try:
            return parse(self._line())
        except UnknownCommand:
            return None

    def _payload(self, length: int) -> bytes | None:
        data, self._sent = self._sent[:length], self._sent[length:]
        return data if len(data) == length else None

    # The server's side

    def _answer(self, allowed: bytes) -> bytes:
        line, newline, rest = self._answered.partition(b"\n")
        if not newline or not re.fullmatch(allowed, line):
            raise Broken(f"{line[:200]!r} instead of {allowed!r}")
        self._answered = rest
        return line

    def _last_words(self) -> Ended:
        """The end in the middle of an upload, of which the client may be told."""
        if self._answered == b"FAILURE\n":
            self._answered = b""
        return Ended()

    # The protocol

    def _request(self) -> None:
        message = self._message()
        forgiving, self._forgiving = self._forgiving, False
        if message is None:
            self._answer(b"ERROR unknown command")
            return
        if message.word == b"ERROR":
            if not forgiving:
                raise Ended
            return
        handler = HANDLERS.get(message.word)
        if handler is None:
            self._answer(b"ERROR unexpected command")
        else:
            handler(self, *message.args)

    def _set_version(self, number: int) -> None:
        self._version = min(number, 4)
        self._answer(b"VERSION %d" % self._version)

    def _bypass(self, uuids: list[bytes]) -> None:
        pass

    def _timestamp(self) -> None:
        self._answered_request(rb"TIMESTAMP \d+|ERROR .*|FAILURE")

    def _answered_request(self, allowed: bytes) -> bytes:
        """The answer to a request, after an ERROR in which the client may say one too."""
        answer = self._answer(allowed)
        self._forgiving = answer.startswith(b"ERROR")
        return answer

    def _check_present(self, key: Key) -> None:
        answer = self._answer(PLAIN_RESULTS)
        self._expect(answer == b"SUCCESS", key in self._contents)

    def _expect(self, found: bool, expected: bool) -> None:
        if self._trusted and found != expected:
            raise Broken(f"found {found} where {expected} follows from what was said before")

    def _lock(self, key: Key) -> None:
        answer = self._answered_request(PLAIN_RESULTS)
        self._expect(answer == b"SUCCESS", key in self._contents)
        if answer == b"SUCCESS":
            message = self._message()
            if message is None or message.word != b"UNLOCKCONTENT":
                self._answer(b"ERROR expected UNLOCKCONTENT")

    def _remove(self, key: Key) -> None:
        answer = self._result()
        self._expect(answer.startswith(b"SUCCESS"), True)
        self._contents.pop(key, None)

    def _remove_before(self, before: int, key: Key) -> None:
        answer = self._result()
        if answer.startswith(b"SUCCESS"):
            self._contents.pop(key, None)

    def _result(self) -> bytes:
        return self._answered_request(PLUS_RESULTS if self._version >= 2 else PLAIN_RESULTS)

    def _get(self, offset: int, file: bytes, key: Key) -> None:
        if offset < 0:
            self._answer(b"ERROR unknown command")
            return
        answer = self._answered_request(rb"DATA \d+|ERROR .*")
        if answer.startswith(b"ERROR"):
            self._expect(False, True)
            return
        length = int(answer.split()[1])
        data, self._answered = self._answered[:length], self._answered[length:]
        if len(data) < length:
            raise Ended  # the server could not read all of it, and has to close
        if self._trusted and data != self._contents.get(key, b"")[offset:]:
            raise Broken("other content than was stored")
        if self._version >= 1:
            self._expect(self._answer(b"VALID|INVALID") == b"VALID", key in self._contents)
        message = self._message()
        fitting = {b"SUCCESS", b"FAILURE", b"ERROR"}
        if self._version >= 2:
            fitting |= {b"SUCCESS-PLUS", b"FAILURE-PLUS"}
        if message is None or message.word not in fitting:
            plus = b"SUCCESS or SUCCESS-PLUS or FAILURE or FAILURE-PLUS"
            self._answer(b"ERROR expected " + (plus if self._version >= 2 else b"SUCCESS or FAILURE"))

    def _put(self, file: bytes, key: Key) -> None:
        plus = b"|ALREADY-HAVE-PLUS( \\S+)*" if self._version >= 2 else b""
        answer = self._answered_request(rb"ERROR .*|ALREADY-HAVE|PUT-FROM \d+" + plus)
        self._expect(answer.startswith(b"ALREADY-HAVE"), key in self._contents)
        if answer.startswith(b"PUT-FROM"):
            self._upload(key, int(answer.split()[1]))

    def _upload(self, key: Key, offset: int) -> None:
        try:
            message = self._message()
        except Ended:
            raise self._last_words() from None
        if message is not None and message.word == b"DATA-PRESENT" and self._version >= 4:
            self._expect(self._result().startswith(b"SUCCESS"), False)
        elif message is not None and message.word == b"DATA" and message.args[0] >= 0:
            self._data(key, offset, message.args[0])
        elif message is None or message.word != b"ERROR":
            self._answer(b"ERROR expected DATA")

    def _data(self, key: Key, offset: int, length: int) -> None:
        data = self._payload(length)
        if data is None:
            raise self._last_words()
        if self._version >= 1:
            try:
                message = self._message()
            except Ended:
                # Without the client's word the content may still prove to be good.
                if self._answered:
                    self._result()
                raise
            if message is None or message.word not in (b"VALID", b"INVALID"):
                self._answer(b"ERROR expected VALID or INVALID")
        if self._result().startswith(b"SUCCESS"):
            if offset == 0:
                self._contents[key] = data
            else:
                self._trusted = False  # what was there before is not known here

    def _connect(self, service: bytes) -> None:
        raise Ended

    def _notify_change(self) -> None:
        raise Ended


HANDLERS: dict[bytes, Callable[..., None]] = {
    b"VERSION": Conversation._set_version,
    b"BYPASS": Conversation._bypass,
    b"GETTIMESTAMP": Conversation._timestamp,
    b"CHECKPRESENT": Conversation._check_present,
    b"LOCKCONTENT": Conversation._lock,
    b"REMOVE": Conversation._remove,
    b"REMOVE-BEFORE": Conversation._remove_before,
    b"GET": Conversation._get,
    b"PUT": Conversation._put,
    b"CONNECT": Conversation._connect,
    b"NOTIFYCHANGE": Conversation._notify_change,
}
