"""Checks that bytes are the content of a key, and which keys can be trusted to name only one content.

Upstream: Backend/Hash.hs, Backend/GitRemoteAnnex.hs, Backend/VURL.hs, Annex/Verify.hs, and experiments with
git-annex 10.20261026. A hash key is checked by its hash alone: a wrong size field does no harm when the hash matches.
Every other key is checked by its size field, if it has one. So is a hash key whose hash can't be computed on this
machine: BLAKE2SP224 always, BLAKE3_256 without the package blake3, XXH3 without xxhash, SKEIN without pyskein.

A VURL key is checked and trusted by its equivalent keys, which stand in its `.log.ek` on the git-annex branch; the
caller reads them and passes them on. No other key's equivalents are looked at.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import hashlib
    from collections.abc import Callable, Iterable, Sequence
    from typing import Protocol

    from annexshell.model.key import Key

    class Hasher(Protocol):
        """What hashlib's objects can do, as far as we need it."""

        def update(self, data: bytes | bytearray | memoryview, /) -> None: ...

        def hexdigest(self) -> str: ...

    Blake2 = hashlib.blake2b | hashlib.blake2s


def hasher_for(key: Key, equivalents: Iterable[Key] = ()) -> Hasher | None:
    """A fresh hasher for the key's content; None if only its size can be checked."""
    if key.variety == b"VURL":
        return _equivalents_hasher(_usable(equivalents))
    return _new_hasher(key.variety)


def matches(key: Key, hasher: Hasher | None, length: int) -> bool:
    """Whether `length` bytes, all fed to `hasher`, which is from `hasher_for`, are the content of the key."""
    fits = key.size is None or key.size == length
    if hasher is None:
        return fits
    if isinstance(hasher, _EquivalentsHasher):
        return any(_proves(equivalent, part, fits) for equivalent, part in hasher.parts)
    return _proves(key, hasher, fits)


def is_secure(key: Key, equivalents: Iterable[Key] = ()) -> bool:
    """Whether annex.securehashesonly lets the key through. A VURL key is as secure as the least secure of its
    equivalents; without any it passes, because the first download records one."""
    if key.variety == b"VURL":
        return all(is_secure(equivalent) for equivalent in _usable(equivalents))
    return key.variety in _MAKERS and key.variety.removesuffix(b"E") not in _INSECURE


def computable(variety: bytes) -> bool:
    """Whether keys of this variety can be checked by hash on this machine."""
    return _new_hasher(variety) is not None


def _new_hasher(variety: bytes) -> Hasher | None:
    make = _MAKERS.get(variety)
    return None if make is None else make()


def _proves(key: Key, hasher: Hasher, fits: bool) -> bool:
    if not fits and key.variety in _HASHED_AFTERWARDS:
        return False
    return hasher.hexdigest().encode() == _expected_digest(key)


def _expected_digest(key: Key) -> bytes:
    if key.variety == b"GITBUNDLE":
        return key.name.rpartition(b"-")[2]  # comes after the uuid of a special remote
    return key.name.partition(b".")[0].removeprefix(b"\\")  # git-annex wrote the backslash once, by mistake


def _usable(equivalents: Iterable[Key]) -> list[Key]:
    return [key for key in equivalents if key.variety != b"VURL"]


def _equivalents_hasher(keys: list[Key]) -> Hasher | None:
    """The hashes that can be computed decide. Where there are equivalents but none has a hash, nothing matches."""
    parts = [(key, hasher) for key in keys if (hasher := _new_hasher(key.variety)) is not None]
    if not parts and (not keys or any(key.variety in _MAKERS for key in keys)):
        return None
    return _EquivalentsHasher([part for part in parts if part[0].variety not in _HASHED_AFTERWARDS] or parts)


class _EquivalentsHasher:
    """The hashers of several keys as one: the content belongs to a VURL key if it belongs to any of them."""

    def __init__(self, parts: Sequence[tuple[Key, Hasher]]) -> None:
        self.parts = parts

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        for _, hasher in self.parts:
            hasher.update(data)

    def hexdigest(self) -> str:
        return " ".join(hasher.hexdigest() for _, hasher in self.parts)


class _ParallelBlake2:
    """BLAKE2bp and BLAKE2sp (https://www.blake2.net/blake2.pdf): blocks are dealt to a row of leaves in turn, and a
    root hashes the digests of the leaves."""

    def __init__(self, make: Callable[..., Blake2], leaves: int) -> None:
        size, block = make().digest_size, make().block_size
        self._block = block
        self._row = block * leaves
        self._leaves = [
            make(fanout=leaves, depth=2, inner_size=size, node_offset=i, last_node=i == leaves - 1)
            for i in range(leaves)
        ]
        self._root = make(fanout=leaves, depth=2, inner_size=size, node_depth=1, last_node=True)
        self._rest = bytearray()  # the part of a row that has come

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        view = memoryview(data)
        if self._rest:
            missing = self._row - len(self._rest)
            self._rest += view[:missing]
            view = view[missing:]
            if len(self._rest) < self._row:
                return
            self._deal(self._leaves, self._rest)
            self._rest.clear()
        whole = len(view) - len(view) % self._row
        self._deal(self._leaves, view[:whole])
        self._rest += view[whole:]

    def hexdigest(self) -> str:
        leaves = [leaf.copy() for leaf in self._leaves]
        self._deal(leaves, self._rest)
        root = self._root.copy()
        for leaf in leaves:
            root.update(leaf.digest())
        return root.hexdigest()

    def _deal(self, leaves: Sequence[Blake2], data: bytearray | memoryview) -> None:
        """One update for each leaf: large ones let other threads run."""
        block = self._block
        for i, leaf in enumerate(leaves):
            leaf.update(b"".join([data[at : at + block] for at in range(i * block, len(data), self._row)]))


def _plain(name: str) -> Hasher:
    import hashlib

    return hashlib.new(name, usedforsecurity=False)  # or a machine in FIPS mode refuses MD5


def _blake2b(bits: int) -> Hasher:
    import hashlib

    return hashlib.blake2b(digest_size=bits // 8)


def _blake2s(bits: int) -> Hasher:
    import hashlib

    return hashlib.blake2s(digest_size=bits // 8)


def _blake2bp() -> Hasher:
    import hashlib

    return _ParallelBlake2(hashlib.blake2b, 4)


def _blake2sp() -> Hasher:
    import hashlib

    return _ParallelBlake2(hashlib.blake2s, 8)


def _optional(module: str, name: str) -> Hasher | None:
    """A hasher from a package that needn't be installed."""
    try:
        hasher: Hasher = getattr(__import__(module), name)()
    except (ImportError, AttributeError):  # AttributeError: PyPI has an unrelated package that is imported as skein
        return None
    return hasher


_INSECURE = (b"MD5", b"SHA1", b"XXH3")

# Upstream does not compute these while it receives, and its check afterwards begins with the size. Of several
# equivalents they count only where there are no others.
_HASHED_AFTERWARDS = (b"XXH3", b"XXH3E")

_HASHES: dict[bytes, Callable[[], Hasher | None]] = {
    b"MD5": lambda: _plain("md5"),
    b"SHA1": lambda: _plain("sha1"),
    b"SHA224": lambda: _plain("sha224"),
    b"SHA256": lambda: _plain("sha256"),
    b"SHA384": lambda: _plain("sha384"),
    b"SHA512": lambda: _plain("sha512"),
    b"SHA3_224": lambda: _plain("sha3_224"),
    b"SHA3_256": lambda: _plain("sha3_256"),
    b"SHA3_384": lambda: _plain("sha3_384"),
    b"SHA3_512": lambda: _plain("sha3_512"),
    b"SKEIN256": lambda: _optional("skein", "skein256"),  # Skein-256-256
    b"SKEIN512": lambda: _optional("skein", "skein512"),  # Skein-512-512
    b"BLAKE2B160": lambda: _blake2b(160),
    b"BLAKE2B224": lambda: _blake2b(224),
    b"BLAKE2B256": lambda: _blake2b(256),
    b"BLAKE2B384": lambda: _blake2b(384),
    b"BLAKE2B512": lambda: _blake2b(512),
    b"BLAKE2BP512": _blake2bp,
    b"BLAKE2S160": lambda: _blake2s(160),
    b"BLAKE2S224": lambda: _blake2s(224),
    b"BLAKE2S256": lambda: _blake2s(256),
    b"BLAKE2SP224": lambda: None,  # its leaves say 28 bytes in their parameters and give 32: hashlib can't
    b"BLAKE2SP256": _blake2sp,
    b"BLAKE3_256": lambda: _optional("blake3", "blake3"),
    b"XXH3": lambda: _optional("xxhash", "xxh3_64"),
}

HASHES = tuple(_HASHES)
"""Every variety that names a hash; each has a second one, with an E appended, for keys with a file's extension."""

_MAKERS = {variety + suffix: make for variety, make in _HASHES.items() for suffix in (b"", b"E")}
_MAKERS[b"GITBUNDLE"] = _HASHES[b"SHA256"]
