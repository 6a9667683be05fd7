"""Identifiers that are plain text on the wire: repository uuids and associated files.

Uuids are kept as bytes, exactly as they came. Upstream treats any text as a uuid (Types/UUID.hs); here it has to be a
word, since logs and messages have other words beside it.
"""

from __future__ import annotations

from annexshell.errors import BadUuid

NO_UUID = b""
WIDE_BLANKS = "\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"


def is_cluster_uuid(uuid: bytes) -> bool:
    """Whether a uuid has the form that names a cluster (Types/Cluster.hs)."""
    return len(uuid) == 36 and uuid[:2] == b"ac" and uuid[14:15] == b"8"


def to_cluster_uuid(uuid: bytes) -> bytes:
    """A uuid that names a cluster, made from a random one (Types/Cluster.hs: genClusterUUID)."""
    return b"ac%b8%b" % (uuid[2:14], uuid[15:])


def is_word(text: bytes) -> bool:
    """Whether a text is one word to programs that split lines at blanks, and has nothing invisible in it. The original
    also splits at blanks that are not ASCII, such as the no-break space, if its locale is UTF-8."""
    if text.isascii():
        return text.decode("ascii").isprintable() and b" " not in text and bool(text)
    shown = text.decode("utf-8", "surrogateescape")
    return " " not in shown and all(c.isprintable() or "\udc80" <= c <= "\udcff" for c in shown)


def parse_uuid(text: bytes) -> bytes:
    """The uuid that `text` is. Raises BadUuid."""
    if not is_word(text):
        raise BadUuid("a UUID holds no blanks or control characters" if text else "empty UUID")
    return text


def parse_client(text: bytes) -> bytes:
    """The uuid that a client of the HTTP API gives for itself. Raises BadUuid.

    git-annex gives its annex.uuid, and the original's servers take any text, here as in the parameter of p2pstdio: it
    names a directory of transfers, and stands in logs, and nothing else. Blanks are let through, control characters
    are not.
    """
    if any(c < 32 or c == 127 for c in text):
        raise BadUuid("a UUID holds no control characters")
    return text


def is_recordable(uuid: bytes) -> bool:
    """Whether a uuid can be a word in a log. Other text counts as a uuid too, but would be read back as something
    else."""
    return is_word(uuid) and b":" not in uuid


def uuid_directory(uuid: bytes) -> bytes:
    """A uuid as one path component below AD/transfer (Logs/Transfer.hs drops slashes).

    Unlike upstream a name that would be special to the file system, or too long for it, becomes a neutral one.
    """
    name = uuid.replace(b"/", b"").replace(b"\0", b"")
    return name if name not in (b"", b".", b"..", b"lck") and len(name) <= 255 else b"unknown"


def decode_associated_file(text: bytes) -> bytes | None:
    """The file name in a GET or PUT, or None for text that is no such name (P2P/Protocol.hs).

    A sender writes whitespace as `%` and `%` as `%%`; the name that results is for display and matching only and is
    never used as a path.
    """
    if text.startswith(b"/"):
        return None
    text = _visible(text)
    if b"%" in text:
        text = text.replace(b"%%", b"\0").replace(b"%", b"_").replace(b"\0", b"%")
    return text


def parse_associated_file(name: bytes) -> bytes:
    """The file name in a parameter of the HTTP API, like one in a line: control characters become `_`. An absolute
    path, which the line protocol refuses, is no name; the original's HTTP server takes it and answers as usual."""
    return b"" if name.startswith(b"/") else _visible(name)


def encode_associated_file(name: bytes) -> bytes:
    """The inverse, for a peer: the result holds no whitespace, that of Unicode included."""
    text = name.replace(b"%", b"%%")
    for space in (b" ", b"\t", b"\n", b"\r", b"\v", b"\f"):
        text = text.replace(space, b"%")
    if not text.isascii():
        shown = text.decode("utf-8", "surrogateescape")
        text = "".join("%" if c in WIDE_BLANKS else c for c in shown).encode("utf-8", "surrogateescape")
    return _visible(text)


def _visible(name: bytes) -> bytes:
    if not any(c < 32 or c == 127 for c in name):
        return name
    return bytes(95 if c < 32 or c == 127 else c for c in name)
