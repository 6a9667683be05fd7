"""Who may do what, without a server: decisions, and how users log in."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable

import pytest

from annexshell.errors import AccessDenied, BadRequest, BadUsage, NeedsLogin, WrongRepository
from annexshell.green.tasks import Tasks
from annexshell.serve.http.access.auth import (
    Access,
    decode_basic,
    limits_from_environment,
    passwords_from_environment,
)
from annexshell.serve.http.access.htpasswd import Passwords
from annexshell.serve.http.access.logins import Logins, Throttle
from annexshell.serve.http.access.rules import APPEND, FULL, GIT, READ, Rights, parse_rules, same_everywhere

Tasks().offload(lambda: None)  # the hub and its threads have file descriptors of their own

PASSWORDS = {b"ro": b"pr", b"ao": b"pa", b"rw": b"pw:~~~?"}
LIMITS = {b"ro": frozenset((READ, GIT)), b"ao": APPEND}
ENVIRONMENT = {
    b"GIT_ANNEX_P2PHTTP_PASSWORD_ro": b"pr",
    b"GIT_ANNEX_P2PHTTP_PERMISSIONS_ro": b"readonly",
    b"GIT_ANNEX_P2PHTTP_PASSWORD_ao": b"pa",
    b"GIT_ANNEX_P2PHTTP_PERMISSIONS_ao": b"appendonly",
    b"GIT_ANNEX_P2PHTTP_PASSWORD_rw": b"pw:~~~?",
    b"PATH": b"/bin",
}
RULES = b"""
@staff = ann bob

[secret]
@staff = full

[*]
anonymous = read
bob = read write
"""


def basic(user: bytes, password: bytes, encode: Callable[[bytes], bytes] = urlsafe_b64encode) -> bytes:
    return b"Basic " + encode(b"%b:%b" % (user, password))


def logins(passwords: dict[bytes, bytes]) -> Logins:
    tasks = Tasks()
    return Logins(Passwords(passwords), tasks, Throttle(tasks, lambda _: None))


def access(rules: bytes | Rights, passwords: dict[bytes, bytes] = PASSWORDS, **options: bool) -> Access:
    parsed = parse_rules(rules) if isinstance(rules, bytes) else same_everywhere(rules)
    over = options or {"over_tls": True, "over_http": True}
    return Access(lambda: parsed, logins(passwords), LIMITS, [b"/srv"], **over)


STAFF = {b"ann": b"a", b"bob": b"b", b"eve": b"e"}


def verdict(access: Access, user: bytes, action: str, path: bytes, password: bytes | None = None) -> str:
    """What comes of a request, as the handlers ask: o, or f, u, n for 403, 401, 404."""
    password = STAFF.get(user, b"") if password is None else password
    visitor = access.visitor(basic(user, password) if user else b"", False, "")
    try:
        visitor.check_anywhere(action)
        if path == b"/srv/gone":
            raise visitor.not_found()
        visitor.check(action, path, b"some-uuid")
    except AccessDenied:
        return "f"
    except NeedsLogin:
        return "u"
    except WrongRepository:
        return "n"
    return "o"


@pytest.mark.parametrize(
    ("user", "secret", "other"),
    [(b"", "uuuu", "ouuu"), (b"ann", "oooo", "onnn"), (b"bob", "oooo", "ofof"), (b"eve", "nfff", "offf")],
)
def test_rules_by_repository(user: bytes, secret: str, other: str) -> None:
    def found(path: bytes) -> str:
        return "".join(verdict(allowed, user, action, path) for action in ("read", "lock", "write", "remove"))

    allowed = access(RULES, STAFF)
    assert found(b"/srv/secret") == secret
    if user != b"ann":
        assert found(b"/srv/other") == other


def test_what_is_hidden_looks_as_if_it_were_not_there() -> None:
    allowed = access(RULES, STAFF)
    for user in (b"", b"eve"):
        for action in ("read", "lock", "write", "remove"):
            assert verdict(allowed, user, action, b"/srv/secret") == verdict(allowed, user, action, b"/srv/gone")
    anonymous = access(RULES, {})
    assert verdict(anonymous, b"", "read", b"/srv/secret") == verdict(anonymous, b"", "read", b"/srv/gone") == "n"


def test_nobody_is_asked_to_log_in_where_that_is_of_no_use() -> None:
    allowed = access(b"[*]\nanonymous = read\nusers = append", STAFF)
    assert verdict(allowed, b"", "write", b"/srv/x") == "u"
    assert verdict(allowed, b"", "remove", b"/srv/x") == "f"
    assert verdict(access(frozenset((READ,)), {}), b"", "write", b"/srv/x") == "f"
    assert verdict(access(FULL), b"ro", "write", b"/srv/gone", b"pr") == "f"
    assert verdict(access(FULL), b"", "write", b"/srv/gone") == "n"


def test_a_limit_holds_whatever_the_rules_say() -> None:
    allowed = access(b"[a]\nro = full\n[b]\nro = remove", PASSWORDS)
    assert verdict(allowed, b"ro", "read", b"/srv/a", b"pr") == "o"
    assert verdict(allowed, b"ro", "write", b"/srv/a", b"pr") == "f"
    assert verdict(allowed, b"ro", "read", b"/srv/b", b"pr") == "n"


def test_logging_in_depends_on_the_connection() -> None:
    for over_tls, over_http in ((True, False), (False, True), (True, True), (False, False)):
        allowed = access(frozenset(), over_tls=over_tls, over_http=over_http)
        for secure in (True, False):
            visitor = allowed.visitor(basic(b"rw", b"pw:~~~?"), secure, "")
            assert visitor.user == (b"rw" if (over_tls if secure else over_http) else b"")
    plain = access(frozenset(), over_tls=True).visitor(b"", False, "")
    with pytest.raises(AccessDenied, match="https is needed to log in"):
        plain.check_anywhere("read")


def test_what_is_wrong_with_a_login_is_told() -> None:
    allowed = access(frozenset())
    for header, text in (
        (b"", "a user name and a password are needed"),
        (basic(b"rw", b"x"), "the user name or the password is wrong"),
        (basic(b"", b""), "a user name and a password are needed"),
        (basic(b"nobody", b""), "the user name or the password is wrong"),
    ):
        with pytest.raises(NeedsLogin, match=text):
            allowed.visitor(header, False, "").check_anywhere("read")


@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode, lambda data: b64encode(data).rstrip(b"=")])
def test_each_alphabet_will_do(encode: Callable[[bytes], bytes]) -> None:
    assert decode_basic(basic(b"rw", b"pw:~~~?", encode)) == (b"rw", b"pw:~~~?")
    assert decode_basic(b"bAsIc   " + encode(b"user")) == (b"user", b"")
    assert decode_basic(b"Basic") == (b"", b"")


@pytest.mark.parametrize("value", [b"Bearer x", b"Basic !", b"Basic YQ==YQ==", b"Basic Y", b"x" * 1000])
def test_what_is_no_login(value: bytes) -> None:
    with pytest.raises(BadRequest):
        access(FULL).visitor(value, True, "")
    assert access(FULL, {}).visitor(value, True, "").user == b""  # it may be meant for a proxy in front


def test_users_of_the_environment() -> None:
    assert passwords_from_environment(ENVIRONMENT) == PASSWORDS
    assert limits_from_environment(ENVIRONMENT) == LIMITS
    for value in (b"ReadOnly", b"", b"read-only"):
        with pytest.raises(BadUsage, match="GIT_ANNEX_P2PHTTP_PERMISSIONS_ro has to be"):
            limits_from_environment({**ENVIRONMENT, b"GIT_ANNEX_P2PHTTP_PERMISSIONS_ro": value})
