"""Whom balancing picks: vectors from the real git-annex."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annexshell.model.key import parse_key
from annexshell.policy.balance import Fullness, picks, secret_of

MEMBERS = [
    b"0f3c9f1e-6f7a-4f0e-9d2b-1c2f3a4b5c6d",
    b"5d1f9a52-3a37-4a0b-8f5e-90d0f9b1a111",
    b"8a1bb2f0-77aa-4c1e-9c3f-0b9c6b0c2222",
]
SECRET = secret_of(MEMBERS)
FIVE = [*MEMBERS, b"c0ffee00-1234-4abc-8def-001122334455"]
KEYS = {
    100: b"SHA256E-s100--6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b.txt",
    200: b"SHA256E-s200--d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35.txt",
    300: b"SHA256E-s300--4e07408562bedb8b60ce05c1decfe3ad16b72230967de01f640b7e4729b49fce.txt",
    500: b"SHA256E-s500--ef2d127de37b942baad06145e54b0c619a1f22327b2ebbcfbec78f5564afe39d.txt",
    5: b"WORM-s5-m1700000000--a b",
    0: b"URL--http&c%%example.com",
}


@pytest.mark.parametrize(("size", "index"), [(100, 2), (200, 2), (300, 0), (500, 1), (5, 1), (0, 0)])
def test_picks_of_the_real_one(size: int, index: int) -> None:
    key = parse_key(KEYS[size])
    assert picks(SECRET, MEMBERS, key, 1) == [MEMBERS[index]]
    assert picks(SECRET, MEMBERS, key, 2) == [MEMBERS[index], MEMBERS[(index + 1) % 3]]


def test_how_many_are_picked() -> None:
    key = parse_key(KEYS[100])
    assert picks(SECRET, [], key, 1) == []
    assert picks(SECRET, MEMBERS, key, 0) == []
    assert picks(SECRET, MEMBERS, key, -(1 << 70)) == []
    assert sorted(picks(SECRET, MEMBERS, key, 1 << 70)) == MEMBERS


def test_space() -> None:
    one, two, three = MEMBERS
    fullness = Fullness({one: 901, two: 901, three: 1001}, {one: 1000, two: 1000, three: 1000})
    key = parse_key(KEYS[100])
    assert fullness.with_space(MEMBERS, key, ()) == []
    assert fullness.with_space(MEMBERS, key, {two, three}) == [two]
    assert Fullness({one: 900}, {one: 1000, two: 0}).with_space(MEMBERS, key, ()) == MEMBERS


def test_emptiest() -> None:
    one, two, three = MEMBERS
    key = parse_key(KEYS[100])
    fullness = Fullness({one: 500, two: 500, three: 0}, {one: 1000, two: 1000, three: 0})
    assert fullness.emptiest(MEMBERS, key, (), 1) == [two], "of equals the one with the higher uuid"
    assert fullness.emptiest(MEMBERS, key, {one}, 1) == [one], "one that has it counts as without it"
    assert fullness.emptiest(MEMBERS, key, (), 5) == [one, two], "a maximum of 0 is full"
    assert fullness.emptiest(MEMBERS, key, (), -1) == []


@given(st.integers(0, 10**999), st.integers(-(10**320), 10**999))
def test_no_size_is_too_large(size: int, maximum: int) -> None:
    key = parse_key(b"WORM-s%d--x" % size)
    Fullness({MEMBERS[0]: size}, dict.fromkeys(MEMBERS, maximum)).emptiest(MEMBERS, key, MEMBERS, 2)
