"""Files of passwords."""

from __future__ import annotations

import pytest

from annexshell.errors import BadUsage
from annexshell.serve.http.access.htpasswd import Passwords, matches_hash, parse_htpasswd

bcrypt = pytest.importorskip("bcrypt")


def hashed(password: bytes, kind: bytes = b"2b") -> bytes:
    made: bytes = bcrypt.hashpw(password[:72], bcrypt.gensalt(4))
    return made.replace(b"2b", kind, 1)


def test_users_and_hashes() -> None:
    ann, bob = hashed(b"one", b"2y"), hashed(b"two", b"2a")
    assert parse_htpasswd(b"# users\n\nann:%b\r\nbob@example.org:%b" % (ann, bob)) == {
        b"ann": ann,
        b"bob@example.org": bob,
    }


def test_hashes_of_every_kind() -> None:
    # A vector of OpenBSD's.
    assert matches_hash(b"U*U*U", b"$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a")
    for kind in (b"2a", b"2b", b"2y"):
        assert matches_hash(b"secret", hashed(b"secret", kind))
        assert not matches_hash(b"Secret", hashed(b"secret", kind))
    assert matches_hash(b"x" * 100, hashed(b"x" * 100))  # what is too long for bcrypt is cut by all programs
    assert not matches_hash(b"a\0b", hashed(b"a"))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("ann", "line 2: it has to be user:hash"),
        (":x", "line 2: it has to be user:hash"),
        ("ann:secret", "line 2: only bcrypt"),
        ("ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "line 2: only bcrypt"),
        ("ann:$apr1$salt$0123456789012345678901", "line 2: only bcrypt"),
        ("ann:$2x$05$" + "x" * 53, "line 2: only bcrypt"),
        ("ann:$2b$05$" + "x" * 52, "line 2: only bcrypt"),
        ("ann:$2b$05$" + "x" * 53 + ":more", "line 2: only bcrypt"),
        ("ann:$2b$17$" + "x" * 53, "line 2: the cost of the hash"),
        ("ann:$2b$03$" + "x" * 53, "line 2: the cost of the hash"),
        ("first:$2b$05$" + "x" * 53, "line 2: this user has another line already"),
        ("taken:$2b$05$" + "x" * 53, "line 2: the environment has a password of the same user"),
    ],
)
def test_lines_that_are_refused(line: str, told: str) -> None:
    data = b"first:%b\n%b\n" % (hashed(b"x"), line.encode())
    with pytest.raises(BadUsage, match=told) as raised:
        parse_htpasswd(data, {b"taken"})
    assert line.partition(":")[2][:8] not in str(raised.value) or ":" not in line


def test_an_empty_file_is_one_that_is_being_written() -> None:
    with pytest.raises(BadUsage, match="there are no users in it"):
        parse_htpasswd(b"# nobody\n")


def test_who_does_not_exist_is_checked_against_somebody_elses_hash() -> None:
    hashes = {b"ann": hashed(b"a"), b"bob": hashed(b"b")}
    passwords = Passwords({b"env": b"e"}, lambda: hashes)
    assert passwords.hash_of(b"ann") == passwords.hash_by_lot(6) == hashes[b"ann"]
    assert passwords.hash_by_lot(7) == hashes[b"bob"]
    assert passwords.hash_of(b"eve") == passwords.hash_of(b"env") == b""
    assert Passwords({}).hash_of(b"eve") == Passwords({}).hash_by_lot(1) == b""
    assert passwords.is_plain(b"env", b"e")
    assert not passwords.is_plain(b"env", b"f")
    assert not passwords.is_plain(b"eve", b"")
