"""Text of others, as it is shown: readable in any script, harmless to terminals, without paths or hosts for clients."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annexshell.model.show import for_client, visible, without_hosts

NAMES = [
    "plain.txt",
    "Größe é ñ.jpg",
    "文件 ファイル 파일",
    "ملف قائمة",
    "می‌خواهم",  # with a zero-width non-joiner
    "क्‍ष",
    "👩‍👩‍👧 family",
    "a\N{NO-BREAK SPACE}b\N{IDEOGRAPHIC SPACE}c",
    "e\N{COMBINING ACUTE ACCENT}",
    'quotes " and \\ backslash',
]


@pytest.mark.parametrize("name", NAMES)
def test_names_stay_as_they_are(name: str) -> None:
    assert visible(name) == name
    assert visible(name.encode()) == name
    assert for_client(name) == name


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (b"\x1b[2J", r"\x1b[2J"),
        (b"a\r\nb\tc\0", r"a\x0d\x0ab\x09c\x00"),
        (b"\x7f", r"\x7f"),
        ("\x9b2J", r"\x9b2J"),
        (b"\xffa\xc3", r"\xffa\xc3"),
        ("a\N{RIGHT-TO-LEFT OVERRIDE}gpj", r"a\u202egpj"),
        ("\N{FIRST STRONG ISOLATE}\N{POP DIRECTIONAL ISOLATE}\N{RIGHT-TO-LEFT MARK}", r"\u2068\u2069\u200f"),
        ("\N{LINE SEPARATOR}\N{ZERO WIDTH SPACE}\N{BYTE ORDER MARK}", r"\u2028\u200b\ufeff"),
        ("\U000e0041", r"\U000e0041"),
        ("\udcff\ud800", r"\xff\ud800"),
        ("", ""),
    ],
)
def test_the_rest_is_escaped(text: str | bytes, shown: str) -> None:
    assert visible(text) == shown


def test_long_texts_are_cut() -> None:
    assert visible("a" * 1000) == "a" * 1000
    assert visible("a" * 1001) == "a" * 999 + "…"
    assert len(visible(b"\x1b" * 100_000)) == 1000
    assert visible("a" * 5000, None) == "a" * 5000


def test_some_characters_may_be_kept() -> None:
    assert visible("a\nb\tc\r", None, "\n\t") == "a\nb\tc\\x0d"


@given(st.one_of(st.text(), st.binary()))
@settings(derandomize=True, deadline=None, max_examples=500)
def test_nothing_that_is_shown_moves_a_terminal(text: str | bytes) -> None:
    shown = visible(text)
    assert not set(shown) & {*map(chr, range(32)), *map(chr, range(127, 160))}
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u2028\u2029")
    shown.encode()
    assert len(shown) <= 1000
    assert visible(shown) == shown


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/srv/annex/x is not a git-annex repository", "… is not a git-annex repository"),
        ("[Errno 2] No such file or directory: '/srv/my annex/.git/x'", "[Errno 2] No such file or directory: '…'"),
        ("fatal: cannot open /srv/x/.git/config: Permission denied", "fatal: cannot open …: Permission denied"),
        ("its socket /run/a can't be used: no such file", "its socket … can't be used: no such file"),
        ("error:/srv/x", "error:…"),
        ("see (/srv/x), and </srv/y>.", "see (…), and <…>."),
        ("it is at /srv/x.", "it is at …."),
        ("--git-dir=/srv/x", "--git-dir=…"),
        ("a/b and 5 MB/s, and/or text/plain", "a/b and 5 MB/s, and/or text/plain"),
        ("https://example.com/a", "https://example.com/a"),
        ("/ alone", "/ alone"),
        ("/", "/"),
        ("'/srv/x", "'…"),
    ],
)
def test_clients_see_no_paths(text: str, told: str) -> None:
    assert for_client(text) == told


@given(st.text(st.sampled_from("/ab '\"`:. ,()[]=<>\n"), max_size=30))
@settings(derandomize=True, deadline=None, max_examples=500)
def test_any_text_can_be_told(text: str) -> None:
    assert "'/a" not in for_client(text)
    assert " /b" not in for_client(text)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("ssh: connect to host store.lan port 22: refused", "ssh: connect to host node port 22: refused"),
        ("me@store.lan: Permission denied (publickey).", "me@node: Permission denied (publickey)."),
        ("Connection closed by 10.0.0.5 port 22", "Connection closed by … port 22"),
        ("Connection reset by fe80::1:2 port 22", "Connection reset by … port 22"),
        ("kex_exchange: 3.14 and 12:30 are no addresses", "kex_exchange: 3.14 and 12:30 are no addresses"),
    ],
)
def test_clients_see_no_hosts(said: str, told: str) -> None:
    assert without_hosts(said, "store.lan", "node") == told
