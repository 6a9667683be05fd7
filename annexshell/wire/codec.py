"""Lines to messages and back. Pure: no I/O, and payload never comes here.

Upstream: Utility/SimpleProtocol.hs (splitting) and P2P/Protocol.hs (fields).
"""

from __future__ import annotations

from annexshell.errors import BadKey, NotEncodable, UnknownCommand
from annexshell.model.ids import decode_associated_file, encode_associated_file, is_word
from annexshell.model.key import Key, parse_key
from annexshell.wire.messages import (
    FILE,
    KEY,
    MAX_LINE,
    MESSAGES,
    NUMBER,
    SERVICE,
    SERVICES,
    TOKEN,
    UUID,
    WORDS,
    Message,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_BLANKS = b" \t\v\f\r\n"
_LIMIT = 10**999  # numbers have less digits than 1000


def parse(line: bytes) -> Message:
    """The message in `line`, which has no newline. Raises UnknownCommand for anything that is not exactly one."""
    word, rest = _split(line)
    row = MESSAGES.get(word)
    if row is None:
        raise UnknownCommand("unknown message")
    kinds = row[0]
    if not kinds:
        if rest:
            raise UnknownCommand("a parameter where none belongs")
        return Message(word)
    texts = []
    for _ in kinds[1:]:
        text, rest = _split(rest)
        texts.append(text)
    texts.append(rest)
    return Message(word, *[_PARSERS[kind](text) if kind in _PARSERS else text for kind, text in zip(kinds, texts)])


def encode(word: bytes, *args: Any) -> bytes:
    """The line, newline included, of a message that we send. Raises NotEncodable if it would be read as another
    message, or as several."""
    kinds = MESSAGES[word][0]
    if len(kinds) != len(args):
        raise NotEncodable(f"{word.decode()} has {len(kinds)} parameters, not {len(args)}")
    if not kinds:
        return word + b"\n"
    texts = [_FORMATTERS[kind](arg) if kind in _FORMATTERS else arg for kind, arg in zip(kinds, args)]
    line = b" ".join((word, *texts)) + b"\n"
    if line.endswith(b"\r\n"):
        line = line[:-1] + b"\r\n"  # of which readers drop one CR
    if line.find(b"\n") != len(line) - 1 or len(line) > MAX_LINE:
        raise NotEncodable("a line of the protocol can't hold a line break or over 32 kB of text")
    return line


def _split(text: bytes) -> tuple[bytes, bytes]:
    """The part before the first blank and the part after it: exactly one blank is consumed."""
    head, _, rest = text.partition(b" ")
    if b"\t" not in head and b"\v" not in head and b"\f" not in head and b"\r" not in head:
        return head, rest
    end = min(i for i in (text.find(c) for c in (b" ", b"\t", b"\v", b"\f", b"\r")) if i >= 0)
    return text[:end], text[end + 1 :]


def _key(text: bytes) -> Key:
    try:
        return parse_key(text)
    except BadKey as error:
        raise UnknownCommand(str(error)) from None


def _file(text: bytes) -> bytes:
    name = decode_associated_file(text)
    if name is None:
        raise UnknownCommand("an absolute path as associated file")
    return name


def _number(text: bytes) -> int:
    if text.isdigit() and len(text) < 1000:
        return int(text)
    value = _lenient_number(text)
    if value is None:
        raise UnknownCommand("not a number")
    return value


def _lenient_number(text: bytes) -> int | None:
    """A number as Haskell's `reads` finds it: what follows the number is ignored.

    Real peers send plain digits; the rest (` 3`, `((3))`, `0x2`, `- 1`) is here because upstream answers it.
    """
    text = text.lstrip(_BLANKS)
    depth = 0
    while text.startswith(b"("):
        depth += 1
        text = text[1:].lstrip(_BLANKS)
    negative = text.startswith(b"-")
    if negative:
        text = text[1:].lstrip(_BLANKS)
    base, digits = 10, b"0123456789"
    if text[:2].lower() == b"0x" and text[2:3] in _each(b"0123456789abcdefABCDEF"):
        base, digits, text = 16, b"0123456789abcdefABCDEF", text[2:]
    elif text[:2].lower() == b"0o" and text[2:3] in _each(b"01234567"):
        base, digits, text = 8, b"01234567", text[2:]
    end = len(text) - len(text.lstrip(digits))
    if not 0 < end < 1000 or _is_fraction(text[end:]) or not _closes(text[end:], depth):
        return None
    value = int(text[:end], base)
    if value >= _LIMIT:
        return None
    return -value if negative else value


def _is_fraction(rest: bytes) -> bool:
    """Whether the digits were the start of a number like 1.5 or 1e2, which is no integer at all."""
    if rest[:1] in (b"e", b"E") and rest[1:2] in (b"+", b"-"):
        return rest[2:3].isdigit()
    return rest[:1] in (b".", b"e", b"E") and rest[1:2].isdigit()


def _closes(rest: bytes, depth: int) -> bool:
    """Whether the parentheses around a number are closed behind it."""
    for _ in range(depth):
        rest = rest.lstrip(_BLANKS)
        if not rest.startswith(b")"):
            return False
        rest = rest[1:]
    return True


def _each(characters: bytes) -> tuple[bytes, ...]:
    return tuple(characters[i : i + 1] for i in range(len(characters)))


def _token(text: bytes) -> bytes:
    if text and not text.isalnum():
        raise UnknownCommand("a token that is not alphanumeric")
    return text


def _service(text: bytes) -> bytes:
    if text not in SERVICES:
        raise UnknownCommand("no such git service")
    return text


def _uuid(text: bytes) -> bytes:
    if text and not is_word(text):
        raise UnknownCommand("a uuid with control characters in it")
    return text


def _words(text: bytes) -> list[bytes]:
    words = text.split()
    if not all(map(is_word, words)):
        raise UnknownCommand("a word with control characters in it")
    return words


_PARSERS: dict[str, Callable[[bytes], Any]] = {
    KEY: _key,
    FILE: _file,
    NUMBER: _number,
    UUID: _uuid,
    TOKEN: _token,
    SERVICE: _service,
    WORDS: _words,
}


def _format_key(key: Key) -> bytes:
    if b"\0" in key.serialized:  # nobody has it, and the original's session ends when it tries to store it
        raise NotEncodable("a key can't hold a NUL")
    return key.serialized


def _format_file(name: bytes) -> bytes:
    if name.startswith(b"/"):
        raise NotEncodable("an associated file can't be an absolute path")
    return encode_associated_file(name)


def _format_number(number: int) -> bytes:
    if not -_LIMIT < number < _LIMIT:
        raise NotEncodable("a number without end")
    return b"%d" % number


def _format_uuid(uuid: bytes) -> bytes:
    return _format_words([uuid]) if uuid else uuid


def _format_token(token: bytes) -> bytes:
    if token and not token.isalnum():
        raise NotEncodable("a token that is not alphanumeric")
    return token


def _format_service(service: bytes) -> bytes:
    if service not in SERVICES:
        raise NotEncodable("no such git service")
    return service


def _format_words(words: list[bytes]) -> bytes:
    if not all(map(is_word, words)):
        raise NotEncodable("a uuid has blanks or control characters in it")
    return b" ".join(words)


_FORMATTERS: dict[str, Callable[[Any], bytes]] = {
    KEY: _format_key,
    FILE: _format_file,
    NUMBER: _format_number,
    UUID: _format_uuid,
    TOKEN: _format_token,
    SERVICE: _format_service,
    WORDS: _format_words,
}
