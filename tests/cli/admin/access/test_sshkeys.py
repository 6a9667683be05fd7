"""Public keys and lines of authorized_keys, as OpenSSH understands them."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from annexshell.cli.admin.access.sshkeys import KeyEntry, parse_line, parse_options, parse_public_key
from annexshell.errors import BadUsage

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHguK60dW6K2OqU6D3n+G6baFUyuWeAyYALo7AmbsgjP"


def packed(*strings: bytes) -> str:
    return base64.b64encode(b"".join(len(string).to_bytes(4, "big") + string for string in strings)).decode()


@pytest.mark.parametrize("kind", [["ed25519"], ["rsa", "-b", "2048"], ["ecdsa", "-b", "256"], ["ecdsa", "-b", "521"]])
def test_keys_of_openssh(kind: list[str], tmp_path: Path) -> None:
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-C", "some  body", "-t", *kind, "-f", path], check=True)
    text = path.with_suffix(".pub").read_text()
    key = parse_public_key("# a comment\n\n" + text)
    assert key.text() == text.strip()
    assert key.comment == "some  body"
    listed = subprocess.run(["ssh-keygen", "-l", "-f", path], capture_output=True, text=True, check=True).stdout
    assert key.fingerprint == listed.split()[1]
    with pytest.raises(BadUsage, match="that is a private key"):
        parse_public_key(path.read_text())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n# nothing\n",
        "ssh-ed25519",
        "ssh-ed25519 ",
        "ssh-ed25519 AAAA",
        f"{KEY}\n{KEY}\n",
        f"restrict {KEY}",
        f'command="sh" {KEY}',
        KEY[:-4],
        KEY + "AAAA",
        KEY.replace("+", "\N{EM DASH}"),
        KEY.replace("ssh-ed25519", "ssh-rsa"),
        KEY.replace("ssh-ed25519", "ssh-dss"),
        f"{KEY} comment\x1b[31m",
        f"{KEY} one\rtwo",
        "ssh-ed25519 " + packed(b"ssh-ed25519", b"x" * 31),
        "ssh-ed25519 " + packed(b"ssh-ed25519", b"x" * 32, b"more"),
        "ssh-ed25519 " + packed(b"ssh-rsa", b"x" * 32),
        "ssh-rsa " + packed(b"ssh-rsa", b"\1\0\1", b"x" * 64),
    ],
)
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(BadUsage):
        parse_public_key(text)


def test_lines_without_a_key() -> None:
    assert [parse_line(line) for line in ("", "  ", "# restrict", "\t# " + KEY)] == [None] * 4


@pytest.mark.parametrize(
    ("line", "options"),
    [
        (KEY, []),
        (f"  {KEY} me", []),
        (KEY.replace(" ", "\t"), []),
        (f"restrict {KEY}", [("restrict", None)]),
        (f'Restrict,FROM="a b,c",pty\t{KEY}', [("restrict", None), ("from", "a b,c"), ("pty", None)]),
        (f'command="a \\"b\\" \\\\ \\x" {KEY}', [("command", 'a "b" \\\\ \\x')]),
        (f'command="\\\\"" {KEY}', [("command", '\\"')]),
        (f'command="" {KEY}', [("command", "")]),
    ],
)
def test_options(line: str, options: list[tuple[str, str | None]], tmp_path: Path) -> None:
    entry = parse_line(line)
    assert entry is not None
    assert entry.options == options
    assert entry.key.blob == KEY.split()[1]
    path = tmp_path / "authorized_keys"
    for text in (line, entry.text()):
        path.write_text(text + "\n")
        listed = subprocess.run(["ssh-keygen", "-l", "-f", path], capture_output=True, text=True).stdout
        assert entry.key.fingerprint in listed
    again = parse_line(entry.text())
    assert again is not None
    assert again.options == options


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('command="a "b"",restrict', "have to be written as"),
        ("command=a", "not in double quotes"),
        ('command="a', "not closed"),
        ("restrict,", "not separated"),
        (",restrict", "not separated"),
        ('restrict"x"', "not separated"),
    ],
)
def test_options_that_sshd_refuses(text: str, reason: str) -> None:
    with pytest.raises(BadUsage, match=reason):
        parse_options(text)


def test_a_line_with_options() -> None:
    entry = KeyEntry([("command", 'say "\\"'), ("restrict", None)], parse_public_key(KEY + " me"))
    assert entry.text() == f'command="say \\"\\\\"",restrict {KEY} me'
    assert (entry.option("command"), entry.option("from")) == ('say "\\"', None)
    assert (entry.has("restrict"), entry.has("pty")) == (True, False)
