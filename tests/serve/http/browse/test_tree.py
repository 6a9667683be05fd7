"""What git says of trees, with names of any bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from annexshell.serve.http.browse.tree import (
    DIRECTORY,
    LINK,
    Branches,
    TreeEntry,
    parse_contents,
    parse_sizes,
    parse_tree,
)
from annexshell.store.worktree.files import LARGEST_POINTER

ID = b"a" * 40
KEY = b"SHA256E-s5--" + b"0" * 64 + b".bin"
names = st.binary(min_size=1, max_size=30).filter(lambda name: b"\0" not in name and b"/" not in name)


@given(st.lists(names, unique=True))
def test_names_of_any_bytes(given_names: list[bytes]) -> None:
    listing = b"".join(b"100644 blob %b\t%b\0" % (ID, name) for name in given_names)
    assert [entry.name for entry in parse_tree(listing)] == sorted(given_names)


@given(st.binary())
def test_any_listing_is_taken(listing: bytes) -> None:
    parse_tree(listing)
    Branches(listing)
    parse_sizes([ID], listing)
    parse_contents([ID, ID], listing)


def test_directories_come_first_and_a_cut_line_is_left_out() -> None:
    listing = b"\0".join([b"100644 blob 1\ta", b"040000 tree 2\tb", b"100644 blob 3\tc"])
    assert [(entry.name, entry.is_directory) for entry in parse_tree(listing)] == [(b"b", True), (b"a", False)]


def test_the_branch_that_is_shown_first() -> None:
    lines = [b"1  refs/heads/a", b"2  refs/heads/git-annex", b"3 *refs/heads/x/y", b"4  refs/heads/synced/git-annex"]
    branches = Branches(b"\n".join(lines) + b"\n")
    assert (branches.head, branches.names) == (b"x/y", [b"a", b"x/y"])
    assert branches.commits[b"git-annex"] == b"2"
    assert Branches(b"1  refs/heads/a\n2  refs/heads/master\n").head == b"master"
    assert Branches(b"1  refs/heads/git-annex\n").head == b""


def test_contents_up_to_where_they_are_cut_off() -> None:
    answer = b"3\nabc\n" + b"missing missing\n" + b"0\n\n" + b"5\nab"
    assert parse_contents([b"1", b"2", b"3", b"4"], answer) == {b"1": b"abc", b"3": b""}
    assert parse_sizes([b"1", b"2", b"3"], b"3\nx missing\n0\n") == {b"1": 3, b"3": 0}


def test_annexed_files_are_links_and_pointers() -> None:
    target = b"../.git/annex/objects/aa/bb/" + KEY + b"/" + KEY
    for mode, content in ((LINK, target), (b"100644", b"/annex/objects/" + KEY + b"\n")):
        entry = TreeEntry(mode, ID, b"x")
        entry.size = len(content)
        assert entry.may_be_annexed
        entry.look_into(content)
        assert entry.key is not None
        assert (entry.key.serialized, entry.size, entry.is_file) == (KEY, 5, True)
    entry = TreeEntry(LINK, ID, b"x")
    entry.look_into(b"/etc/passwd")
    assert (entry.key, entry.target, entry.is_file) == (None, b"/etc/passwd", False)
    entry = TreeEntry(b"100644", ID, b"x")
    entry.size = LARGEST_POINTER + 1
    assert not entry.may_be_annexed
    assert not TreeEntry(DIRECTORY, ID, b"x").may_be_annexed
