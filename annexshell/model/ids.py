"""Identifiers that are plain text on the wire: repository uuids and associated files.

Uuids are kept as bytes, exactly as they came; upstream treats any text as a uuid (Types/UUID.hs).
"""

from __future__ import annotations

NO_UUID = b""


def is_cluster_uuid(uuid: bytes) -> bool:
    """Whether a uuid has the form that names a cluster (Types/Cluster.hs)."""
    return len(uuid) == 36 and uuid[:2] == b"ac" and uuid[14:15] == b"8"


def to_cluster_uuid(uuid: bytes) -> bytes:
    """A uuid that names a cluster, made from a random one (Types/Cluster.hs: genClusterUUID)."""
    return b"ac%b8%b" % (uuid[2:14], uuid[15:])


def is_recordable(uuid: bytes) -> bool:
    """Whether a uuid can be a word in a log. Other text counts as a uuid too, but would be read back as something
    else."""
    return bool(uuid) and not any(c <= 32 or c in b"\x7f:" for c in uuid)


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
    if any(c < 32 or c == 127 for c in text):
        text = bytes(95 if c < 32 or c == 127 else c for c in text)
    if b"%" in text:
        text = text.replace(b"%%", b"\0").replace(b"%", b"_").replace(b"\0", b"%")
    return text


def encode_associated_file(name: bytes) -> bytes:
    """The inverse, for a peer: the result holds no whitespace."""
    text = name.replace(b"%", b"%%")
    for space in (b" ", b"\t", b"\n", b"\r", b"\v", b"\f"):
        text = text.replace(space, b"%")
    return text
