"""Passwords of users, from a file as `htpasswd -B` writes it, and from the environment.

Only bcrypt is taken: all else that such files can hold is too easy to guess by whoever gets hold of one.
"""

from __future__ import annotations

import hmac
import re

from annexshell.errors import BadUsage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

_HASH = re.compile(rb"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_COST = 10  # of new hashes: each one more takes twice as long
_MOST = 16  # cost; each one more takes twice as long, and that one takes seconds
_LONGEST = 72  # bytes of a password that bcrypt looks at


def parse_htpasswd(data: bytes, taken: Collection[bytes] = ()) -> dict[bytes, bytes]:
    """The hashes by user in a file, of which none may be `taken`. Raises BadUsage, which names the line, and never says
    what is in it."""
    hashes: dict[bytes, bytes] = {}
    for number, line in enumerate(map(bytes.strip, data.split(b"\n")), 1):
        if not line or line.startswith(b"#"):
            continue
        user, separator, hashed = line.partition(b":")
        if not separator or not user:
            raise BadUsage(f"line {number}: it has to be user:hash")
        match = _HASH.fullmatch(hashed)
        if match is None:
            raise BadUsage(f"line {number}: only bcrypt hashes are accepted; `htpasswd -B` makes them")
        if not 4 <= int(match[1]) <= _MOST:
            raise BadUsage(f"line {number}: the cost of the hash has to be between 4 and {_MOST}")
        if user in hashes:
            raise BadUsage(f"line {number}: this user has another line already")
        if user in taken:
            raise BadUsage(f"line {number}: the environment has a password of the same user")
        hashes[user] = hashed
    if not hashes:
        raise BadUsage("there are no users in it")
    return hashes


def require_bcrypt() -> None:
    """Raises BadUsage if it is not installed."""
    try:
        import bcrypt  # noqa: F401
    except ImportError:
        raise BadUsage('--htpasswd needs the Python package bcrypt: pip install "annexshell[http]"') from None


class Passwords:
    """`plain` are passwords by user, `hashes` gives the bcrypt hashes of others."""

    def __init__(self, plain: Mapping[bytes, bytes], hashes: Callable[[], Mapping[bytes, bytes]] | None = None) -> None:
        self._plain = plain
        self._hashes = hashes

    @property
    def any(self) -> bool:
        """Whether anybody can log in."""
        return bool(self._plain) or self._hashes is not None

    def is_plain(self, user: bytes, password: bytes) -> bool:
        """Whether it is right, as far as that can be known at once."""
        expected = self._plain.get(user)
        matches = hmac.compare_digest(_fixed(password), _fixed(expected or b""))  # made for unknown users too
        return matches and expected is not None

    def hash_of(self, user: bytes) -> bytes:
        """The hash of a user's password, empty if there is none."""
        return self._hashes().get(user, b"") if self._hashes is not None else b""

    def hash_by_lot(self, lot: int) -> bytes:
        """Some user's hash, chosen by `lot`, to check the password of an unknown user against: so that the time of the
        answer does not tell which users exist. Empty if there are none."""
        hashes = list(self._hashes().values()) if self._hashes is not None else []
        return hashes[lot % len(hashes)] if hashes else b""


def hash_password(password: bytes) -> bytes:
    """A new hash. Takes tenths of seconds."""
    from bcrypt import gensalt, hashpw

    hashed: bytes = hashpw(password[:_LONGEST], gensalt(_COST))
    return hashed


def matches_hash(password: bytes, hashed: bytes) -> bool:
    """Takes tenths of seconds, for which it lets other threads run."""
    from bcrypt import checkpw

    return checkpw(password[:_LONGEST], hashed)


def _fixed(password: bytes) -> bytes:
    """Something of a length that says nothing."""
    return hmac.digest(b"length", password, "sha256")
