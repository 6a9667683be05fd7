"""Who may do what (upstream: Command/P2PHttp.hs mkGetServerMode, P2P/Http/Server.hs)."""

from __future__ import annotations

import hmac
from base64 import b64decode

from annexshell.errors import AccessDenied, BadRequest, BadUsage, NeedsLogin
from annexshell.model.access import APPEND_ONLY, READ_ONLY, READ_WRITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

READ, LOCK, WRITE, REMOVE = "read", "lock", "write", "remove"

# What each request of the API is.
ACTIONS = {
    "key": READ,
    "checkpresent": READ,
    "gettimestamp": READ,
    "lockcontent": LOCK,
    "keeplocked": LOCK,
    "putoffset": WRITE,
    "put": WRITE,
    "remove": REMOVE,
    "remove-before": REMOVE,
}

# What users may do. One who may only read may not lock: he could keep others from dropping.
_USERS = {
    READ_ONLY: (READ,),
    APPEND_ONLY: (READ, LOCK, WRITE),
    READ_WRITE: (READ, LOCK, WRITE, REMOVE),
}
_PERMISSIONS = {b"readonly": READ_ONLY, b"appendonly": APPEND_ONLY}
_PASSWORD, _PERMISSION = b"GIT_ANNEX_P2PHTTP_PASSWORD_", b"GIT_ANNEX_P2PHTTP_PERMISSIONS_"

CHALLENGE = (("WWW-Authenticate", 'Basic realm="git-annex", charset="UTF-8"'),)


class Access:
    """The rules of one server. `anonymous` is the mode of those who don't log in, None if they may do nothing;
    `users` maps names to (password, mode), and counts over TLS with `over_tls`, without it with `over_http`."""

    def __init__(
        self,
        anonymous: str | None = None,
        anonymous_locking: bool = True,
        users: Mapping[bytes, tuple[bytes, str]] | None = None,
        over_tls: bool = False,
        over_http: bool = False,
    ) -> None:
        self._anonymous: tuple[str, ...] = ()
        if anonymous is not None:
            # Unlike a user who may only read, anonymous readers may lock unless that is forbidden.
            locking = (LOCK,) if anonymous_locking or anonymous == READ_WRITE else ()
            self._anonymous = tuple(action for action in _USERS[anonymous] if action != LOCK) + locking
        self._users = dict(users or {})
        self._over_tls = over_tls
        self._over_http = over_http
        self._everything = anonymous == READ_WRITE

    def check(self, authorization: bytes, secure: bool, action: str) -> bytes:
        """Returns the name of the user, empty without one. Raises NeedsLogin, AccessDenied, BadRequest."""
        offered = self._over_tls if secure else self._over_http
        credentials = decode_basic(authorization) if authorization else None
        if credentials is not None and offered:
            mode = self._mode(*credentials)
            if mode is not None:
                if action in _USERS[mode]:
                    return credentials[0]
                raise AccessDenied("this user may not do that")
        if action in self._anonymous:
            return b""
        if offered and not self._everything:
            raise NeedsLogin("a user name and a password are needed for that")
        raise AccessDenied("this server does not allow that")

    def _mode(self, name: bytes, password: bytes) -> str | None:
        expected, mode = self._users.get(name, (b"", ""))
        matches = hmac.compare_digest(password, expected)  # made for unknown users too, who take as long
        return mode if matches and mode else None


def decode_basic(value: bytes) -> tuple[bytes, bytes]:
    """User and password of an Authorization header. git-annex writes base64 in the alphabet of urls, all others in the
    standard one; padding may be missing. Raises BadRequest."""
    scheme, _, text = value.partition(b" ")
    text = text.strip(b" ").rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
    if scheme.lower() != b"basic":
        raise BadRequest("only Basic is known here as a way to log in")
    try:
        decoded = b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise BadRequest("the Authorization header is not base64") from None
    user, _, password = decoded.partition(b":")
    return user, password


def users_from_environment(environment: Mapping[bytes, bytes]) -> dict[bytes, tuple[bytes, str]]:
    """Users from GIT_ANNEX_P2PHTTP_PASSWORD_user, and what they may do from GIT_ANNEX_P2PHTTP_PERMISSIONS_user. Raises
    BadUsage for permissions that don't exist, which would otherwise allow everything."""
    users = {}
    for name, value in environment.items():
        if name.startswith(_PERMISSION) and value not in _PERMISSIONS:
            text = name.decode("utf-8", "replace")
            raise BadUsage(f"{text} has to be readonly or appendonly; leave it away for a user who may do everything")
    for name, value in environment.items():
        if name.startswith(_PASSWORD):
            user = name[len(_PASSWORD) :]
            permission = environment.get(_PERMISSION + user)
            users[user] = (value, READ_WRITE if permission is None else _PERMISSIONS[permission])
    return users
