"""What is reached through gateways, and by how many of them."""

from __future__ import annotations

from annexshell.annexlog.logs import MapLog
from annexshell.git.config import Config
from annexshell.model.remote import SSH, Remote
from annexshell.repo.gateway.remotes import proxied_remotes


def hops(log: bytes) -> dict[str, int]:
    gateways = [Remote(name, uuid, SSH, b"ssh://host/path", {}) for name, uuid in (("near", b"N"), ("mid", b"M"))]
    return {remote.name: remote.hops for remote in proxied_remotes(gateways, MapLog(log), Config())}


def test_each_gateway_on_the_way_counts() -> None:
    assert hops(b"1s N U:node\n1s M U:near-node V:other\n") == {"near-node": 1, "mid-near-node": 2, "mid-other": 1}


def test_names_that_only_look_alike_do_not() -> None:
    assert hops(b"1s N U:node\n1s M V:near-node\n") == {"near-node": 1, "mid-near-node": 1}


def test_a_log_that_somebody_made_up_ends_the_counting() -> None:
    names = [b"x-" * count + b"node" for count in range(300)]
    log = b"1s N U:%b\n1s M U:%b\n" % tuple(names[-2:])
    log += b"".join(b"1s G%d U:%b\n" % (number, name) for number, name in enumerate(names))
    assert max(hops(log).values()) <= 10
