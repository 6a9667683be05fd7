"""Who may do what (upstream: Command/P2PHttp.hs mkGetServerMode, P2P/Http/Server.hs)."""

from __future__ import annotations

from base64 import b64decode

from annexshell.errors import AccessDenied, BadRequest, BadUsage, NeedsLogin, WrongRepository
from annexshell.serve.http.access.rules import APPEND, GIT, READ

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from annexshell.serve.http.access.logins import Logins
    from annexshell.serve.http.access.rules import Rights, Rules, Section

# What users may be limited to. Users who may only read may not lock: they could keep others from dropping.
_PERMISSIONS = {b"readonly": frozenset((READ, GIT)), b"appendonly": APPEND}
_PASSWORD, _PERMISSION = b"GIT_ANNEX_P2PHTTP_PASSWORD_", b"GIT_ANNEX_P2PHTTP_PERMISSIONS_"

_UNKNOWN = b"..."

CHALLENGE = (("WWW-Authenticate", 'Basic realm="git-annex", charset="UTF-8"'),)


class Access:
    """What a server allows. `rules` returns the rules that hold now, for repositories below `directories`; `limits` has
    what some users may do at most. Logins count over TLS with `over_tls`, and without it with `over_http`."""

    def __init__(
        self,
        rules: Callable[[], Rules],
        logins: Logins,
        limits: Mapping[bytes, Rights],
        directories: Sequence[bytes] = (),
        over_tls: bool = False,
        over_http: bool = False,
    ) -> None:
        self._rules = rules
        self._logins = logins
        self._limits = limits
        self._directories = directories
        self._over_tls = over_tls and logins.possible
        self._over_http = over_http and logins.possible

    def visitor(self, authorization: bytes, secure: bool, address: str) -> Visitor:
        """The visitor that a request comes from; `address` is the client's. Without a login, or with a wrong one or one
        that does not count, the visitor is anonymous. Raises BadRequest, TooManyLogins."""
        offered = self._over_tls if secure else self._over_http
        user = b""
        ask, deny = "", "this server does not allow that"
        if offered:
            name, password = decode_basic(authorization) if authorization else (b"", b"")
            if password == _UNKNOWN:  # what git-annex sends in place of a password that stands in a url
                name = b""
            if name and self._logins.check(name, password, address):
                user, deny = name, "this user may not do that"
            else:
                ask = "the user name or the password is wrong" if name else "a user name and a password are needed"
        elif self._over_tls:
            deny = "this server does not allow that, and https is needed to log in"
        return Visitor(user, self._rules(), self._limits.get(user), self._directories, ask, deny)

    def hurry(self) -> None:
        """The server is to stop: nobody is kept waiting any more."""
        self._logins.hurry()


class Visitor:
    """Somebody who sends a request, and what they may do. `ask` is the text that asks for a login, empty where logging
    in is not possible."""

    def __init__(
        self, user: bytes, rules: Rules, limit: Rights | None, directories: Sequence[bytes], ask: str, deny: str
    ) -> None:
        self.user = user
        self._rules = rules
        self._limit = limit
        self._directories = directories
        self._ask = ask
        self._deny = deny

    @property
    def may_log_in(self) -> bool:
        """Whether logging in might allow more."""
        return bool(self._ask)

    def check_anywhere(self, right: str) -> None:
        """Raises NeedsLogin or AccessDenied unless the visitor has the right in some repository. Ask this before
        looking for one: then a refusal tells nothing about which repositories exist."""
        if right not in self._limited(self._rules.anywhere(self.user)):
            self._refuse(right, self._rules.by_login)

    def check(self, right: str, path: bytes, uuid: bytes) -> None:
        """Raises NeedsLogin, AccessDenied or WrongRepository unless the visitor has the right in this repository."""
        section = self._rules.section(path, uuid, self._directories)
        if section is None:
            raise self.not_found()
        rights = self._rights(section)
        if right in rights:
            return
        if not rights:
            raise self.not_found()
        self._refuse(right, section.by_login())

    def may(self, right: str, path: bytes, uuid: bytes) -> bool:
        """Whether the visitor has the right in this repository."""
        section = self._rules.section(path, uuid, self._directories)
        return section is not None and right in self._rights(section)

    def check_login(self, action: str, path: bytes) -> None:
        """Raises NeedsLogin if somebody might do it there who logs in."""
        section = self._rules.section(path, b"", self._directories)
        if self._ask and section is not None and action in section.by_login():
            raise NeedsLogin(self._ask)

    def not_found(self) -> NeedsLogin | WrongRepository:
        """The error for a repository that does not exist, or that the visitor may not know of: whoever could tell these
        two apart could find out what others have."""
        if self._ask and self._rules.hide_some:
            return NeedsLogin(self._ask)
        return WrongRepository("no such repository here")

    def _rights(self, section: Section) -> Rights:
        return self._limited(section.rights(self.user, self._rules.groups(self.user)))

    def _limited(self, rights: Rights) -> Rights:
        return rights if self._limit is None else rights & self._limit

    def _refuse(self, right: str, by_login: Rights) -> None:
        if self._ask and right in by_login:
            raise NeedsLogin(self._ask)
        raise AccessDenied(self._deny)


def decode_basic(value: bytes) -> tuple[bytes, bytes]:
    """User and password of an Authorization header. git-annex writes base64 in the alphabet of urls, all others in the
    standard one; padding may be missing. Raises BadRequest."""
    scheme, _, text = value.partition(b" ")
    text = text.strip(b" ").rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
    if scheme.lower() != b"basic":
        raise BadRequest("Basic is the only supported way to log in")
    try:
        decoded = b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise BadRequest("the Authorization header is not base64") from None
    user, _, password = decoded.partition(b":")
    return user, password


def passwords_from_environment(environment: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Passwords by user, from GIT_ANNEX_P2PHTTP_PASSWORD_user."""
    return {name[len(_PASSWORD) :]: value for name, value in environment.items() if name.startswith(_PASSWORD)}


def limits_from_environment(environment: Mapping[bytes, bytes]) -> dict[bytes, Rights]:
    """What users may do at most, from GIT_ANNEX_P2PHTTP_PERMISSIONS_user. Raises BadUsage for permissions that don't
    exist, which would otherwise allow everything."""
    limits = {}
    for name, value in environment.items():
        if name.startswith(_PERMISSION):
            if value not in _PERMISSIONS:
                text = name.decode("utf-8", "replace")
                raise BadUsage(f"{text} has to be readonly or appendonly; unset it for a user who may do everything")
            limits[name[len(_PERMISSION) :]] = _PERMISSIONS[value]
    return limits
