"""Remotes by their git config."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annexshell.errors import NodeError
from annexshell.model.remote import HTTP, LOCAL, OTHER, P2P, SPECIAL, SSH, Remote, classify, unescape
from annexshell.repo.nodes.dial import parse_ssh_url


@pytest.mark.parametrize(
    ("url", "annex_url", "expected"),
    [
        (b"/srv/repo", b"", (LOCAL, b"/srv/repo")),
        (b"../repo", b"", (LOCAL, b"../repo")),
        (b"./host:repo", b"", (LOCAL, b"./host:repo")),
        (b"/srv/a:b", b"", (LOCAL, b"/srv/a:b")),
        (b"file:///srv/a%20b", b"", (LOCAL, b"/srv/a b")),
        (b"https://example.com/repo", b"", (OTHER, b"https://example.com/repo")),
        (b"git://example.com/repo", b"", (OTHER, b"git://example.com/repo")),
        (b"gcrypt::ssh://host/repo", b"", (OTHER, b"gcrypt::ssh://host/repo")),
        (b"ext::sh -c true", b"", (OTHER, b"ext::sh -c true")),
        (b"p2p-annex::name", b"", (P2P, b"p2p-annex::name")),
        (b"ssh://host/repo", b"annex+http://host/", (HTTP, b"http://host/")),
        (b"ssh://host/repo", b"annex+https://host:9418/x", (HTTP, b"https://host:9418/x")),
        (b"ssh://host/repo", b"annex+ftp://host/", (SSH, b"ssh://host/repo")),
        (b"git+ssh://host/repo", b"", (SSH, b"ssh://host/repo")),
    ],
)
def test_kinds(url: bytes, annex_url: bytes, expected: tuple[str, bytes]) -> None:
    assert classify(url, annex_url) == expected


SSH_URLS = [
    "host:repo",
    "host:/srv/repo",
    "host:~/repo",
    "host:~user/repo",
    "user@host:a/b c",
    "host:a%20b",
    "host:100%",
    "host:a:b",
    "[::1]:repo",
    "[::1]:/srv/repo",
    "user@[::1]:repo",
    "[host]:repo",
    "ssh://host/srv/repo",
    "ssh://host/a%20b",
    "ssh://user@host:2222/srv/repo",
    "ssh://us%2Ber@host/srv/repo",
    "ssh://host/~/repo",
    "ssh://host/~user/repo",
    "ssh://[::1]/srv/repo",
    "ssh://user@[::1]:2222/srv/repo",
    "git+ssh://host/srv/repo",
    "ssh+git://host/srv/repo",
]


@pytest.mark.parametrize("url", SSH_URLS)
def test_git_would_call_ssh_the_same_way(tmp_path: Path, url: str) -> None:
    log = tmp_path / "log"
    ssh = tmp_path / "ssh"
    ssh.write_text(f'#!/bin/sh\nprintf "%s\\0" "$@" >{log}\nexit 1\n')
    ssh.chmod(0o755)
    env = {**os.environ, "GIT_SSH": str(ssh), "GIT_SSH_VARIANT": "ssh", "GIT_PROTOCOL_FROM_USER": "1"}
    subprocess.run(["git", "-c", "protocol.version=0", "ls-remote", url], env=env, capture_output=True)
    words = log.read_bytes().split(b"\0")[:-1]
    port = words[words.index(b"-p") + 1] if b"-p" in words else b""
    command = words[-1]
    assert command.startswith(b"git-upload-pack '")

    kind, location = classify(os.fsencode(url))
    assert kind == SSH
    host, our_port, path = parse_ssh_url(location)
    assert (host, our_port) == (words[-2], port)
    relative_to_home = path.removeprefix(b"/~/") if path.startswith(b"/~/") else path
    assert relative_to_home.removeprefix(b"/" * relative_to_home.startswith(b"/~")) == command[
        len("git-upload-pack '") : -1
    ].removeprefix(b"~/")


@pytest.mark.parametrize("url", ["ssh://-oProxyCommand=x/repo", "-oProxyCommand=x:repo", "ssh://-l@host/x", "ssh:///x"])
def test_hosts_that_ssh_would_take_for_options(url: str) -> None:
    kind, location = classify(url.encode())
    assert kind == SSH
    with pytest.raises(NodeError):
        parse_ssh_url(location)


@pytest.mark.parametrize(
    "url",
    [
        "ssh://%2doProxyCommand=x/repo",
        "ssh://host:%2d1/x",
        "ssh://%2dl@host/x",
        "ssh://[-o]/x",
        "[-o]:x",
        "ssh://h/%00",
    ],
)
def test_nor_in_disguise(url: str) -> None:
    with pytest.raises(NodeError):
        parse_ssh_url(classify(url.encode())[1])


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (b"", b""),
        (b"a%20b", b"a b"),
        (b"%2f%2F", b"//"),
        (b"%ff", b"\xff"),
        (b"100%", b"100%"),
        (b"%2", b"%2"),
        (b"%zz", b"%zz"),
        (b"%+1", b"%+1"),
        (b"% 1", b"% 1"),
        (b"%%20", b"% "),
        (b"%2520", b"%20"),
    ],
)
def test_percent_encoding(text: bytes, plain: bytes) -> None:
    assert unescape(text) == plain


@given(st.binary(max_size=30))
def test_any_url_is_of_some_kind(url: bytes) -> None:
    kind, location = classify(url)
    assert kind in (LOCAL, SSH, OTHER, P2P)
    if kind == SSH:
        try:
            host, port, _ = parse_ssh_url(location)
        except NodeError:
            return
        assert host
        assert not host.startswith(b"-")
        assert not port or port.isdigit()


def remote(kind: str = SSH, location: bytes = b"", **settings: bytes) -> Remote:
    return Remote("r", b"uuid", kind, location, {name.replace("_", "-"): value for name, value in settings.items()})


@pytest.mark.parametrize(
    ("kind", "location", "cost"),
    [
        (LOCAL, b"/x", 100),
        (SSH, b"ssh://host/x", 200),
        (HTTP, b"http://host/x", 200),
        (P2P, b"p2p-annex::x", 1000),
        (OTHER, b"x::y", 200),
        (SPECIAL, b"directory", 100),
        (SPECIAL, b"glacier", 1000),
        (SPECIAL, b"S3", 200),
        (SSH, b"directory", 200),
    ],
)
def test_costs(kind: str, location: bytes, cost: float) -> None:
    assert remote(kind, location).configured_cost == cost
    assert remote(kind, location, annex_cost=b"12.5").configured_cost == 12.5


@pytest.mark.parametrize("text", [b"", b"cheap", b"1,5", b"nan", b"NaN", b"-nan"])
def test_a_cost_that_is_no_number(text: bytes) -> None:
    assert remote(annex_cost=text).configured_cost == 200


@pytest.mark.parametrize(
    ("text", "value"),
    [(b"true", True), (b"1", True), (b"yes", True), (b"On", True), (b"false", False), (b"0", False), (b"", False)],
)
def test_flags(text: bytes, value: bool) -> None:
    assert remote(annex_proxy=text).is_proxy_target == value
    assert not remote().is_proxy_target


def test_clusters() -> None:
    assert remote(annex_cluster_node=b"one  two").cluster_names == ["one", "two"]
    assert remote().cluster_names == []
    assert remote(annex_cluster_gateway=b"u v").gateway_of == [b"u", b"v"]
    assert remote(annex_cluster_node=b"").is_to_be_proxied
    assert remote(annex_proxy=b"true").is_to_be_proxied
    assert not remote(annex_proxy=b"false").is_to_be_proxied
