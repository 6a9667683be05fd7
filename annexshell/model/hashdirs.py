"""The directories that keys are spread over, by a hash of the key's name. Pure. Upstream: Annex/DirHashes.hs."""

from __future__ import annotations

try:
    from _md5 import md5  # type: ignore[import-not-found]  # a few milliseconds cheaper to import than all of hashlib
except ImportError:
    from hashlib import md5

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.model.key import Key

_MIXED = b"0123456789zqjxkmvwgpfZQJXKMVWGPF"


def hash_lower(key: Key, levels: int = 2) -> bytes:
    """The hash directories of bare repositories and of the git-annex branch: `495/b95`, or `495` with one level."""
    digest: bytes = md5(key.hashed_text).hexdigest().encode()
    return digest[:3] if levels == 1 else digest[:3] + b"/" + digest[3:6]


def hash_mixed(key: Key, levels: int = 2) -> bytes:
    """The hash directories of repositories with a work tree: `x9/5Z`, or `x9` with one level."""
    word = int.from_bytes(md5(key.hashed_text).digest()[:4], "little")
    c = [_MIXED[(word >> 6 * i) & 31] for i in range(4)]
    first = bytes((c[1], c[0]))
    return first if levels == 1 else b"%b/%b" % (first, bytes((c[3], c[2])))
