"""Keys, which name the content of files.

Upstream: Types/Key.hs (grammar), Annex/Locations.hs (file names), Annex/DirHashes.hs (what the hash directories hash).
A key arrives as text from anywhere and is canonicalised by parsing: `SHA256E-s0100--x` is `SHA256E-s100--x`
in every path and log, so no path may ever be derived from the text as received.
"""

from __future__ import annotations

from annexshell.errors import BadKey

_MAX_EXTENSION = 64
_FIELDS = (b"s", b"m", b"S", b"C")
_FIXED_NAMES = (b"GITBUNDLE",)  # ends in E without being a kind that has an extension


class Key:
    """A parsed key. Sizes are in bytes, `mtime` in seconds since the epoch; what the key doesn't say is None.

    A key never holds a line break, since no line could hold it. (The original accepts one over HTTP, and then can't
    commit its journal.) As with the original, a key of the line protocol may hold every other byte: a CR, and even a
    NUL, although nobody can have such a key and no node is asked for it. Raises BadKey.
    """

    __slots__ = ("variety", "size", "mtime", "chunk_size", "chunk_number", "name", "serialized")

    def __init__(
        self,
        variety: bytes,
        name: bytes,
        size: int | None = None,
        mtime: int | None = None,
        chunk_size: int | None = None,
        chunk_number: int | None = None,
    ) -> None:
        self.variety = variety
        self.name = name
        self.size = size
        self.mtime = mtime
        self.chunk_size = chunk_size
        self.chunk_number = chunk_number
        self.serialized = text = self._serialize((size, mtime, chunk_size, chunk_number))
        if b"\n" in text:
            raise BadKey("not a key: it holds a line break")

    def _serialize(self, values: tuple[int | None, ...]) -> bytes:
        fields = b"".join(b"-%s%d" % (f, v) for f, v in zip(_FIELDS, values) if v is not None)
        return b"%s%s--%s" % (self.variety, fields, self.name)

    @property
    def file_name(self) -> bytes:
        """The key as one path component, wherever a file is named after it (upstream: keyFile)."""
        text = self.serialized
        if b"&" in text:
            text = text.replace(b"&", b"&a")
        if b"%" in text:
            text = text.replace(b"%", b"&s")
        if b":" in text:
            text = text.replace(b":", b"&c")
        if b"/" in text:
            text = text.replace(b"/", b"%")
        return text

    @property
    def hashed_text(self) -> bytes:
        """What the hash directories are made from: chunks lie beside the key they are part of."""
        if self.chunk_size is None and self.chunk_number is None:
            return self.serialized
        return self._serialize((self.size, self.mtime, None, None))

    def fits(self, size: int) -> bool:
        """Whether an object of that many bytes can belong to the key. The size in the key of a chunk is that of the
        whole object, and tells nothing."""
        return self.size is None or self.size == size or not (self.chunk_size is self.chunk_number is None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and other.serialized == self.serialized

    def __hash__(self) -> int:
        return hash(self.serialized)

    def __repr__(self) -> str:
        return f"Key({self.serialized!r})"


def parse_key(text: bytes) -> Key:
    """The key that `text` is. Raises BadKey."""
    head, separator, name = text.partition(b"--")
    variety, *fields = head.split(b"-")
    if not separator or not variety:
        raise BadKey("not a key")
    if has_extension(variety) and _extension_length(name) > _MAX_EXTENSION:
        raise BadKey("not a key: its extension is too long")
    if not fields:
        return Key(variety, name)
    return Key(variety, name, *_numbers(fields))


def key_from_file_name(name: bytes) -> Key:
    """The inverse of `Key.file_name`. Raises BadKey."""
    parts = name.replace(b"%", b"/").split(b"&")
    text = parts[0]
    rest = parts[1:]
    while rest:
        part = rest.pop(0)
        text += {b"c": b":", b"s": b"%", b"a": b"&"}.get(part[:1], part[:1]) + part[1:]
    return parse_key(text)


def has_extension(variety: bytes) -> bool:
    """Whether keys of this variety end in a file's extension, that isn't part of the hash."""
    return variety.endswith(b"E") and variety not in _FIXED_NAMES


def _extension_length(name: bytes) -> int:
    dot = name.find(b".")
    return 0 if dot < 0 else len(name) - dot


def _numbers(fields: list[bytes]) -> list[int | None]:
    """Sizes and times of `-s10-m5`: each at most once and in that order."""
    values: list[int | None] = [None, None, None, None]
    position = 0
    for field in fields:
        digits = field[1:]
        try:
            position = _FIELDS.index(field[:1], position)
        except ValueError:
            raise BadKey("not a key: unknown or misplaced field") from None
        if not digits.isdigit():
            raise BadKey("not a key: a field that is not a number")
        values[position] = _integer(digits)
        position += 1
    return values


def _integer(digits: bytes) -> int:
    if len(digits) > 1000:  # int() refuses over 4300 digits, and no file is that large
        raise BadKey("not a key: a number without end")
    return int(digits)
