"""The tokens that let clients in, and what each allows.

Those that allow everything are in git-annex's own file, AD/creds/p2pauth, and count for both programs (upstream:
P2P/Auth.hs). git-annex knows no others: what is limited is in a file of ours, which it does not read, and which holds
digests in place of tokens. It also has the names of tokens of either kind.
"""

from __future__ import annotations

import hmac
import os
import secrets
import time
from hashlib import sha256

from annexshell.disk.files import written
from annexshell.errors import Refused
from annexshell.model.access import APPEND_ONLY, READ_ONLY, READ_WRITE
from annexshell.model.p2p import TOR, P2PAddress, parse_p2p_url, parse_token

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from annexshell.serve.sockets.credentials import Credentials

_MODES = [mode.encode() for mode in (READ_ONLY, APPEND_ONLY, READ_WRITE)]
_OURS, _THEIRS = b"p2pauth.annexshell", b"p2pauth"
_SHOWN = 8  # digits of a digest by which people call a token that has no name


class Grant:
    """What a token allows: `mode` as in model.access, on the repository with `uuid`, which may be one behind this
    gateway; empty for the one that is served. `name` is what people call it."""

    __slots__ = ("mode", "name", "uuid")

    def __init__(self, mode: str, uuid: bytes, name: str) -> None:
        self.mode = mode
        self.uuid = uuid
        self.name = name

    def allows_as_much_as(self, other: Grant) -> bool:
        return (self.mode, self.uuid) == (other.mode, other.uuid)


class Token:
    """One token, by its digest in hex. `address` is where it lets in, None for tor; `since` is when it was made, in
    seconds of the epoch, 0 if that is not known."""

    __slots__ = ("address", "digest", "grant", "since")

    def __init__(self, digest: str, address: P2PAddress | None, grant: Grant, since: int) -> None:
        self.digest = digest
        self.address = address
        self.grant = grant
        self.since = since

    def is_for(self, address: P2PAddress) -> bool:
        return address.network == TOR if self.address is None else self.address == address

    @property
    def called(self) -> str:
        return self.grant.name or self.digest[:_SHOWN]

    def line(self) -> bytes:
        url = b"tor" if self.address is None else self.address.url
        words = [self.digest.encode(), b"%d" % self.since, self.grant.mode.encode(), self.grant.uuid or b"-"]
        return b"\t".join([*words, os.fsencode(self.grant.name), url]) + b"\n"


class Tokens:
    """Those of one repository. All calls raise OSError."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def all(self) -> list[Token]:
        """As they are now, the newest of each file first."""
        full, limited = self._theirs(), self._ours()
        known = {token.digest: token for token in limited}
        found = [known.get(digest) or Token(digest, address, Grant(READ_WRITE, b"", ""), 0)
                 for digest, address in full.items()]  # fmt: skip
        return found + [token for token in limited if token.digest not in full and _is_limited(token.grant)]

    def at(self, address: P2PAddress) -> TokensAt:
        """Those that let in at one of the addresses."""
        return TokensAt(self, address)

    def state(self) -> object:
        """Changes when any of them does."""
        return [written(self._credentials.path(name)) for name in (_THEIRS, _OURS)]

    def make(self, addresses: Iterable[P2PAddress], grant: Grant) -> list[bytes]:
        """A new token for each address."""
        made = []
        with self._credentials.lock():
            for address in addresses:
                text = secrets.token_hex(64).encode()
                where = None if address.network == TOR else address
                token = Token(_digest(text), where, grant, int(time.time()))
                if not _is_limited(grant):
                    line = text + (b" " + where.url if where else b"") + b"\n"
                    self._credentials.write(_THEIRS, line + self._read(_THEIRS))
                if _is_limited(grant) or grant.name:
                    self._credentials.write(_OURS, token.line() + self._read(_OURS))
                made.append(text)
        return made

    def revoke(self, called: str) -> int:
        """Has all tokens of that name let nobody in any more; how many those were. Raises Refused if there are none."""
        with self._credentials.lock():
            gone = {token.digest for token in self.all() if called in (token.grant.name, token.called)}
            if not gone:
                raise Refused(f"there is no token called {called}; annexshell p2p --tokens lists them")
            theirs, ours = self._read(_THEIRS).splitlines(keepends=True), self._read(_OURS).splitlines(keepends=True)
            self._credentials.write(_THEIRS, b"".join(line for line in theirs if _of_theirs(line)[0] not in gone))
            self._credentials.write(_OURS, b"".join(line for line in ours if os.fsdecode(line[:64]) not in gone))
        return len(gone)

    def _read(self, name: bytes) -> bytes:
        data = self._credentials.read(name)
        return data if not data or data.endswith(b"\n") else data + b"\n"

    def _theirs(self) -> dict[str, P2PAddress | None]:
        """What git-annex accepts: addresses by digest, None for those of tor. One with an address that can't be read
        is none."""
        found: dict[str, P2PAddress | None] = {}
        for line in self._read(_THEIRS).splitlines():
            digest, address, is_one = _of_theirs(line)
            if is_one:
                found.setdefault(digest, address)
        return found

    def _ours(self) -> list[Token]:
        return [token for token in map(_parse, self._read(_OURS).splitlines()) if token is not None]


class TokensAt:
    """The tokens that let in at an address."""

    def __init__(self, tokens: Tokens, address: P2PAddress) -> None:
        self._tokens = tokens
        self._address = address

    def find(self, token: bytes) -> Grant | None:
        """What a token allows, None if it is not one of them. It takes as long for wrong ones as for right ones. Raises
        OSError."""
        digest = _digest(parse_token(token))
        found = None
        for each in self._tokens.all():
            if hmac.compare_digest(each.digest, digest) and each.is_for(self._address):
                found = each.grant
        return found if token else None

    def state(self) -> object:
        """Changes when what is found may have changed."""
        return self._tokens.state()


def _is_limited(grant: Grant) -> bool:
    """Whether it allows less than git-annex would think."""
    return grant.mode != READ_WRITE or bool(grant.uuid)


def _digest(token: bytes) -> str:
    return sha256(token).hexdigest()


def _of_theirs(line: bytes) -> tuple[str, P2PAddress | None, bool]:
    """(digest, address, whether it lets in anybody) of a line in git-annex's file. Other tokens than for tor have an
    address; git-annex takes one whose address it can't read for one of tor's, and we don't."""
    text, blank, url = line.rstrip(b"\n").partition(b" ")
    token, address = parse_token(text), parse_p2p_url(url)
    return _digest(token), address, bool(token) and (address is not None or not blank)


def _parse(line: bytes) -> Token | None:
    try:
        digest, since, mode, uuid, name, url = line.split(b"\t")
        address = None if url == b"tor" else parse_p2p_url(url)
        if len(digest) != 64 or (address is None and url != b"tor") or mode not in _MODES:
            return None
        grant = Grant(mode.decode(), b"" if uuid == b"-" else uuid, os.fsdecode(name))
        return Token(digest.decode("ascii"), address, grant, int(since))
    except ValueError:
        return None
