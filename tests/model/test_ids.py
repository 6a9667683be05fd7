"""Uuids and associated files."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annexshell.errors import BadUuid
from annexshell.model.ids import (
    decode_associated_file,
    encode_associated_file,
    is_cluster_uuid,
    parse_associated_file,
    parse_client,
    parse_uuid,
    uuid_directory,
)


@pytest.mark.parametrize(
    ("wire", "name"),
    [
        (b"", b""),
        (b"foo", b"foo"),
        (b"foo%bar", b"foo_bar"),
        (b"a%%b", b"a%b"),
        (b"a%%%b", b"a%_b"),
        (b"a%%%%b", b"a%%b"),
        (b"%", b"_"),
        (b"../up", b"../up"),
        (b"a\\b", b"a\\b"),
        ("é".encode(), "é".encode()),
        (b"a\x00b\x1f\x7f", b"a_b__"),
        (b"a\nb", b"a_b"),
        (b"\xff\xfe", b"\xff\xfe"),
        (b"/abs/path", None),
        (b"/", None),
    ],
)
def test_decodes_associated_files(wire: bytes, name: bytes | None) -> None:
    assert decode_associated_file(wire) == name


@pytest.mark.parametrize(
    ("name", "wire"),
    [(b"", b""), (b"a b", b"a%b"), (b"a%b", b"a%%b"), (b"a\tb\nc\rd\ve\ff", b"a%b%c%d%e%f"), (b"a % b", b"a%%%%b")],
)
def test_encodes_associated_files(name: bytes, wire: bytes) -> None:
    assert encode_associated_file(name) == wire


@given(st.binary(max_size=40))
@settings(derandomize=True, deadline=None, max_examples=500)
def test_encoded_files_are_one_word(name: bytes) -> None:
    wire = encode_associated_file(name)
    assert not set(wire) & set(b" \t\n\r\v\f")
    decoded = decode_associated_file(wire)
    assert decoded is None or not any(c < 32 or c == 127 for c in decoded)


@given(st.binary(max_size=40).filter(lambda name: not name.startswith(b"/")))
@settings(derandomize=True, deadline=None, max_examples=500)
def test_names_without_blanks_survive(name: bytes) -> None:
    plain = bytes(c for c in name if c > 32 and c != 127)
    if not plain.startswith(b"/"):
        assert decode_associated_file(encode_associated_file(plain)) == plain


@pytest.mark.parametrize(
    "uuid",
    [b"", b"..", b".", b"/", b"./", b"../..", b"lck", b"l/ck", b"\0", b".\0.", b"a" * 256, b"a" * 10000, b"/../"],
)
def test_absurd_uuids_name_a_harmless_directory(uuid: bytes) -> None:
    directory = uuid_directory(uuid)
    assert directory not in (b"", b".", b"..", b"lck")
    assert b"/" not in directory
    assert b"\0" not in directory
    assert len(directory) <= 255


@pytest.mark.parametrize(
    ("uuid", "directory"),
    [
        (b"11111111-1111-4111-8111-111111111111", b"11111111-1111-4111-8111-111111111111"),
        (b"a/b/c", b"abc"),
        (b"...", b"..."),
        (b"\xff \n", b"\xff \n"),
        (b"a" * 255, b"a" * 255),
    ],
)
def test_other_uuids_name_their_directory(uuid: bytes, directory: bytes) -> None:
    assert uuid_directory(uuid) == directory


@pytest.mark.parametrize(
    "text", [b"a", b"11111111-1111-4111-8111-111111111111", b"-", b"../..", "\xe9".encode(), b"\xff", b"a:b", b"a%b&c"]
)
def test_words_are_uuids(text: bytes) -> None:
    assert parse_uuid(text) == text
    assert parse_client(text) == text


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"a b",
        b"a\n",
        b"\r",
        b"\0",
        b"\x1b[m",
        b"\x7f",
        b"a\tb",
        b"\xc2\xa0",
        b"\xc2\x85",
        b"\xe2\x80\xae",
        b"\xff ",
    ],
)
def test_other_texts_are_not(text: bytes) -> None:
    with pytest.raises(BadUuid):
        parse_uuid(text)


@pytest.mark.parametrize("text", [b"a\nb", b"\0", b"a\r", b"\x1b[m", b"\x7f", b"\t"])
def test_clients_have_no_control_characters(text: bytes) -> None:
    with pytest.raises(BadUuid):
        parse_client(text)


@pytest.mark.parametrize("text", [b"", b"my laptop", b"/", b"\xff", "\xe9".encode()])
def test_clients_may_call_themselves_much(text: bytes) -> None:
    assert parse_client(text) == text


@pytest.mark.parametrize(
    ("name", "file"), [(b"/etc/passwd", b""), (b"/", b""), (b"a/b c", b"a/b c"), (b"a\nb\0\x1b", b"a_b__"), (b"", b"")]
)
def test_files_of_web_clients(name: bytes, file: bytes) -> None:
    assert parse_associated_file(name) == file


@pytest.mark.parametrize(
    ("uuid", "is_cluster"),
    [
        (b"ac000000-0000-8000-8000-000000000000", True),
        (b"ac000000-0000-4000-8000-000000000000", False),
        (b"bc000000-0000-8000-8000-000000000000", False),
        (b"ac000000-0000-8000-8000-00000000000", False),
        (b"", False),
    ],
)
def test_recognises_clusters(uuid: bytes, is_cluster: bool) -> None:
    assert is_cluster_uuid(uuid) == is_cluster
