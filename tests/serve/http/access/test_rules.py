"""Rules as an administrator writes them."""

from __future__ import annotations

import pytest

from annexshell.errors import BadUsage
from annexshell.serve.http.access.rules import APPEND, FULL, NOTHING, Rights, Rules, parse_rules

UUID = b"7c3a1c0e-35b8-4bd5-a4ef-2a6d2f1c9a11"
EXAMPLE = (
    b"""\
# Groups, of users and of groups that are defined above.
@staff = ann bob
@all = @staff carl

[secret/*]
@staff = full
mallory = nothing

[%b]
carl = read, lock

[/mnt/disk/annex.git]
users = append

[photos]
anonymous = read lock
users = append
@all = read
@staff = write
bob carl = full

[*]
anonymous = read
"""
    % UUID
)


def rights(rules: Rules, user: bytes, path: bytes, uuid: bytes = b"other") -> Rights:
    section = rules.section(path, uuid, [b"/srv/annex", b"/srv", b"/mnt/"])
    return section.rights(user, rules.groups(user)) if section else NOTHING


@pytest.mark.parametrize(
    ("user", "path", "expected"),
    [
        (b"", b"/srv/annex/photos", {"read", "lock"}),
        (b"someone", b"/srv/annex/photos", APPEND),
        (b"ann", b"/srv/annex/photos", {"read", "write"}),
        (b"bob", b"/srv/annex/photos", FULL),
        (b"carl", b"/srv/annex/photos", FULL),
        (b"users", b"/srv/annex/photos", APPEND),
        (b"ann", b"/srv/annex/secret/a/b.git", FULL),
        (b"ann", b"/srv/secret/a", FULL),
        (b"mallory", b"/srv/annex/secret/a", NOTHING),
        (b"", b"/srv/annex/secret/a", NOTHING),
        (b"ann", b"/srv/annex/secret", {"read"}),
        (b"", b"/srv/annex/photos2", {"read"}),
        (b"", b"/mnt/disk/annex.git", NOTHING),
        (b"ann", b"/mnt/disk/annex.git", APPEND),
    ],
)
def test_who_may_do_what(user: bytes, path: bytes, expected: Rights) -> None:
    assert rights(parse_rules(EXAMPLE), user, path) == expected


def test_a_repository_by_its_uuid() -> None:
    rules = parse_rules(EXAMPLE)
    assert rights(rules, b"carl", b"/srv/annex/x", UUID) == {"read", "lock"}
    assert rights(rules, b"ann", b"/srv/annex/x", UUID) == NOTHING
    assert rights(rules, b"ann", b"/srv/annex/" + UUID) == NOTHING  # so may a directory be called


def test_without_a_section_nobody_may_do_anything() -> None:
    rules = parse_rules(b"[a]\nanonymous = full\r\n[b*c*]\nanonymous = read\n")
    assert rights(rules, b"", b"/srv/b") == NOTHING
    assert rights(rules, b"", b"/srv/b/c") == {"read"}
    assert rules.hide_some
    assert rights(rules, b"", b"/elsewhere/a") == NOTHING
    assert rules.section(b"/here", b"u", [b"/here"]) is None
    assert parse_rules(b"[.]\nanonymous = read").section(b"/here", b"u", [b"/here"]) is not None


def test_what_may_be_done_somewhere() -> None:
    rules = parse_rules(EXAMPLE)
    assert rules.anywhere(b"") == {"read", "lock"}
    assert rules.anywhere(b"ann") == FULL
    assert rules.by_login == FULL
    assert parse_rules(b"[*]\nusers = append\nx = nothing").by_login == APPEND
    assert not parse_rules(b"[a]\nanonymous = read\n[*]\nanonymous = full").hide_some
    assert parse_rules(b"[a]\nann = read\n[*]\nanonymous = full").hide_some


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "there is no \\[repository\\] in it"),
        ("# nothing\n@a = b\n", "there is no \\[repository\\] in it"),
        ("[x]\nann = reed", "line 2: 'reed' is not one of nothing, read, lock, write, remove, git, push, create, "),
        ("[x]\nann = Read", "line 2: 'Read' is not one of"),
        ("[x]\nann = read # all", "line 2: '#' is not one of"),
        ("[x]\nann = nothing read", "line 2: the word nothing can't be combined"),
        ("[x]\n\nann read", "line 3: it has to be a \\[repository\\], or somebody = "),
        ("[x]\nann =", "line 2: it has to be"),
        ("[x]\n= read", "line 2: it has to be"),
        ("[x\nann = read", "line 1: a repository has to stand between"),
        ("[]", "line 1: a repository has to stand between"),
        ("[x]\n[y]\n[x]", "line 3: \\[x\\] is there twice"),
        ("[x]\nann = read\nbob ann = full", "line 3: there is already a line for ann above"),
        ("[x]\nanonymous = read\nanonymous = full", "line 3: there is already a line for anonymous"),
        ("[x]\n@staff = read", "line 2: there is no group @staff above"),
        ("@a = @b\n@b = c\n[x]", "line 1: there is no group @b above"),
        ("@a = b\n@a = c\n[x]", "line 2: @a is there twice"),
        ("ann = full\n[x]", "line 1: before the first \\[repository\\] there are only groups"),
        ("\ufeff[x]\nann = full", "line 1"),
    ],
)
def test_lines_that_make_no_sense(text: str, told: str) -> None:
    with pytest.raises(BadUsage, match=told):
        parse_rules(text.encode())
