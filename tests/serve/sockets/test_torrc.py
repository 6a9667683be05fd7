"""tor's configuration, as git-annex writes it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from annexshell.errors import ChildFailed, Refused
from annexshell.model.p2p import TOR, P2PAddress
from annexshell.serve.sockets import torrc
from annexshell.serve.sockets.torrc import HiddenService, add_service, find_service, parse_torrc

UUID = b"22222222-2222-4222-8222-222222222222"

_TEXT = b"""\
# comment
SocksPort 9050
HiddenServiceDir /var/lib/tor/web
HiddenServicePort 80 127.0.0.1:80

HiddenServiceDir /var/lib/tor/tor-annex_1000_%b
HiddenServicePort 29557 unix:/var/lib/tor-annex/1000_%b/s
HiddenServiceDir /var/lib/tor/1001_other
HiddenServicePort 1025 unix:/var/lib/tor-annex/1001_other/s
""" % (UUID, UUID)


def test_services() -> None:
    sockets = [b"/var/lib/tor-annex/1000_%b/s" % UUID, b"/var/lib/tor-annex/1001_other/s"]
    assert [(each.port, each.socket) for each in parse_torrc(_TEXT)] == [(29557, sockets[0]), (1025, sockets[1])]


def test_what_is_none() -> None:
    for text in (b"", b"HiddenServicePort 1 unix:/s", b"HiddenServiceDir /x\nOther y\nHiddenServicePort 1 unix:/s",
                 b"HiddenServiceDir /x\nHiddenServicePort x unix:/s", b"HiddenServiceDir\n\xff\xfe"):  # fmt: skip
        assert parse_torrc(text) == []


def test_which_one() -> None:
    """That of the account, or else one of another account, as that of tor's own."""
    services = parse_torrc(_TEXT + _TEXT.replace(b"1000_", b"7_").replace(b"29557", b"7"))
    assert [getattr(find_service(services, uid, UUID), "port", None) for uid in (1000, 7, 5)] == [29557, 7, 29557]
    assert find_service(services, 1000, b"222222222222") is None
    old = [HiddenService(b"/var/lib/tor/5_u", 1, b"/s")]
    assert find_service(old, 5, b"u") is old[0]


@pytest.fixture
def tor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its configuration, in a directory with what `systemctl reload tor` runs."""
    path = tmp_path / "torrc"
    path.write_bytes(b"SocksPort 9050")
    monkeypatch.setattr(torrc, "_FILES", (b"/nonexistent", os.fsencode(path)))
    monkeypatch.setattr(torrc, "_SOCKETS", os.fsencode(tmp_path / "sockets"))
    monkeypatch.setattr(torrc, "_SERVICES", os.fsencode(tmp_path / "services"))
    monkeypatch.setattr(torrc, "_PATIENCE", 0.0)
    return path


def reload_by(script: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `systemctl` and `service` do from now on."""
    for name in ("systemctl", "service"):
        program = directory / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(directory), prepend=":")


def test_making_one(tor: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uid = os.getuid()
    directory = tmp_path / f"services/tor-annex_{uid}_{os.fsdecode(UUID)}"
    reload_by(f"mkdir -p {directory}; echo abc.onion > {directory}/hostname", tmp_path, monkeypatch)
    address = add_service(uid, UUID, os.environb)
    (made,) = parse_torrc(tor.read_bytes())
    assert tor.read_bytes().startswith(b"SocksPort 9050\n")
    assert address == P2PAddress(TOR, b"abc.onion:%d" % made.port)
    assert 1024 < made.port < 65535
    assert made.socket == os.fsencode(tmp_path) + b"/sockets/%d_%b/s" % (uid, UUID)
    assert Path(os.fsdecode(made.socket)).parent.is_dir()
    assert add_service(uid, UUID, os.environb) == address
    assert len(parse_torrc(tor.read_bytes())) == 1


def test_a_tor_that_does_not_run(tor: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reload_by("exit 1", tmp_path, monkeypatch)
    with pytest.raises(ChildFailed, match="could not be told to read its configuration again"):
        add_service(os.getuid(), UUID, os.environb)


def test_a_tor_that_does_nothing(tor: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reload_by("exit 0", tmp_path, monkeypatch)
    with pytest.raises(Refused, match="has not made the hidden service"):
        add_service(os.getuid(), UUID, os.environb)
