"""Parts of objects and conditions on them, for other clients than git-annex (RFC 9110). A key always has the same
content, so the key is the validator.
"""

from __future__ import annotations

import hashlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.model.key import Key
    from annexshell.serve.http.http1.heads import Head

_LONGEST = 18  # digits


def entity_tag(key: Key) -> str:
    """The key's content as an ETag."""
    return f'"{hashlib.sha256(key.serialized).hexdigest()}"'


def is_known(head: Head, tag: str) -> bool:
    """Whether the client has the content already (If-None-Match)."""
    value = head.header(b"if-none-match").decode("latin-1")
    return any(word.strip().removeprefix("W/") in (tag, "*") for word in value.split(",") if word.strip())


def wanted_range(head: Head, tag: str) -> tuple[int | None, int | None] | None:
    """The first and last byte that the client wants. If the first is None, the last is a number of bytes at the end; if
    the last is None, everything from the first on. None stands for the whole object, even if the client wants several
    parts or something we don't understand, or has a part of another object."""
    unit, _, text = head.header(b"range").decode("latin-1").partition("=")
    first, dash, last = text.strip().partition("-")
    if unit.strip() != "bytes" or not dash or head.header(b"if-range").decode("latin-1") not in ("", tag):
        return None
    if not all(not word or (word.isascii() and word.isdigit() and len(word) <= _LONGEST) for word in (first, last)):
        return None
    if not first and not last:
        return None
    wanted = (int(first) if first else None, int(last) if last else None)
    if wanted[0] is not None and wanted[1] is not None and wanted[0] > wanted[1]:
        return None
    return wanted


def resolve(wanted: tuple[int | None, int | None], size: int) -> tuple[int, int] | None:
    """Offset and length of a wanted range in an object of `size` bytes; None if none of it exists."""
    first, last = wanted
    if first is None:
        length = min(last or 0, size)
        return (size - length, length) if length else None
    if first >= size:
        return None
    end = size if last is None else min(last + 1, size)
    return first, end - first
