"""Public keys, and lines of authorized_keys, as sshd(8) reads them. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib

from annexshell.errors import BadUsage

# The strings that a key of each kind consists of, by their least lengths in bytes (RFC 4253, 5656, 8709).
_ECDSA = (8, 65)
_KINDS = {
    "ssh-ed25519": (32,),
    "ssh-rsa": (1, 128),
    "ecdsa-sha2-nistp256": _ECDSA,
    "ecdsa-sha2-nistp384": _ECDSA,
    "ecdsa-sha2-nistp521": _ECDSA,
    "sk-ssh-ed25519@openssh.com": (32, 1),
    "sk-ecdsa-sha2-nistp256@openssh.com": (*_ECDSA, 1),
}
_BLANKS = " \t"


class PublicKey:
    """A public key. Two are the same if they have the same `blob`, which is in base64."""

    __slots__ = ("blob", "comment", "kind")

    def __init__(self, kind: str, blob: str, comment: str) -> None:
        self.kind = kind
        self.blob = blob
        self.comment = comment

    @property
    def fingerprint(self) -> str:
        """The fingerprint, as ssh-keygen -l prints it."""
        digest = hashlib.sha256(base64.b64decode(self.blob)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

    def text(self) -> str:
        return f"{self.kind} {self.blob} {self.comment}".rstrip()


class KeyEntry:
    """A line for one key. `options` are pairs of a name in lower case and a value, None for an option without one."""

    __slots__ = ("key", "options")

    def __init__(self, options: list[tuple[str, str | None]], key: PublicKey) -> None:
        self.options = options
        self.key = key

    def option(self, name: str) -> str | None:
        """The first value of an option; sshd ignores further ones."""
        return next((value for known, value in self.options if known == name), None)

    def has(self, name: str) -> bool:
        return any(known == name for known, _ in self.options)

    def text(self) -> str:
        """The line, without a newline."""
        options = ",".join(name if value is None else f"{name}={_quoted(value)}" for name, value in self.options)
        return f"{options} {self.key.text()}".lstrip()


def looks_like_key(text: str) -> bool:
    """Whether a text begins like a public key."""
    return text.split(" ", 1)[0] in _KINDS


def parse_public_key(text: str) -> PublicKey:
    """Reads a public key from a text that has one line besides comments. Raises BadUsage."""
    if "PRIVATE KEY" in text:
        raise BadUsage("that is a private key, which must stay with its owner: the public one ends in .pub")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if len(lines) != 1:
        raise BadUsage(f"one public key is needed, in one line, and not {len(lines) or 'nothing'}")
    kind, _, rest = lines[0].partition(" ")
    blob, _, comment = rest.strip().partition(" ")
    if kind not in _KINDS:
        raise BadUsage(f"that is not a public key: it should begin with one of {', '.join(_KINDS)}")
    if not _is_sound(kind, blob):
        raise BadUsage(f"that is not a complete public key: what follows {kind} is not its text")
    if any(c < " " or c == "\x7f" for c in comment):
        raise BadUsage("the comment of the public key has control characters")
    return PublicKey(kind, blob, comment.strip())


def _is_sound(kind: str, blob: str) -> bool:
    """Whether a blob is a key of this kind: strings, each after its length, the first of which is the kind."""
    try:
        rest = base64.b64decode(blob, validate=True)
    except (binascii.Error, ValueError):
        return False
    strings = []
    while rest:
        length = int.from_bytes(rest[:4], "big")
        if len(rest) < 4 + length:
            return False
        strings.append(rest[4 : 4 + length])
        rest = rest[4 + length :]
    least = (len(kind), *_KINDS[kind])
    return len(strings) == len(least) and strings[0] == kind.encode() and all(map(_reaches, strings, least))


def _reaches(string: bytes, least: int) -> bool:
    return len(string) >= least


def parse_line(line: str) -> KeyEntry | None:
    """Reads a line of authorized_keys; None for a comment or an empty line. Raises BadUsage for a line that sshd can't
    read, and ignores."""
    line = line.strip()
    if not line or line.startswith("#"):
        return None
    if looks_like_key(line.replace("\t", " ")):
        return KeyEntry([], parse_public_key(line.replace("\t", " ")))
    end = _end_of_options(line)
    return KeyEntry(parse_options(line[:end]), parse_public_key(line[end:].strip().replace("\t", " ")))


def _end_of_options(line: str) -> int:
    """The position of the first blank outside of quotes."""
    position, quoted = 0, False
    while position < len(line) and (quoted or line[position] not in _BLANKS):
        if line[position] == "\\" and line[position + 1 : position + 2] == '"':
            position += 1
        elif line[position] == '"':
            quoted = not quoted
        position += 1
    return position


def parse_options(text: str) -> list[tuple[str, str | None]]:
    """Reads the options before a key. Raises BadUsage where sshd would reject the line."""
    options: list[tuple[str, str | None]] = []
    position = 0
    while True:
        end = min(end for end in (text.find("=", position), text.find(",", position), len(text)) if end >= 0)
        name, value = text[position:end].lower(), None
        if text[end : end + 1] == "=":
            value, end = _unquoted(text, end + 1)
        if not name or '"' in name:
            raise BadUsage("its options are not separated by commas")
        options.append((name, value))
        if end == len(text):
            return options
        if text[end] != ",":
            raise BadUsage(f'the quotes inside {name}="..." have to be written as \\"')
        position = end + 1


def _unquoted(text: str, position: int) -> tuple[str, int]:
    """The value in quotes that begins at `position`, and the position behind it."""
    if text[position : position + 1] != '"':
        raise BadUsage("the value of an option is not in double quotes")
    value: list[str] = []
    position += 1
    while position < len(text):
        if text[position] == '"':
            return "".join(value), position + 1
        if text.startswith('\\"', position):
            position += 1
        value.append(text[position])
        position += 1
    raise BadUsage("a quote is not closed")


def _quoted(value: str) -> str:
    return '"' + value.replace('"', '\\"') + '"'
