"""What is reached through gateways, and by how many of them."""

from __future__ import annotations

from annexshell.annexlog.logs import MapLog
from annexshell.git.config import Config
from annexshell.model.remote import HTTP, LOCAL, SSH, Remote
from annexshell.repo.gateway.remotes import configured_remotes, proxied_remotes


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


def located(config: bytes) -> tuple[str, bytes]:
    """The kind and the place of the remote `node` in a git config, which is given by lines."""
    pairs = [line.partition("=") for line in config.decode().splitlines()]
    (remote,) = configured_remotes(Config([(name, value.encode()) for name, _, value in pairs]), b"/top")
    return remote.kind, remote.location


def test_urls_in_place_of_others() -> None:
    """As for git, the longest beginning counts, and each base may stand in place of several."""
    config = b"""\
remote.node.url=lab:photos
url.ssh://far.example/srv/.insteadof=lab:
url.ssh://far.example/srv/.insteadof=home:
url./mnt/.insteadof=lab:pho"""
    assert located(config) == (LOCAL, b"/mnt/tos")
    assert located(config.replace(b"lab:photos", b"home:photos")) == (SSH, b"ssh://far.example/srv/photos")
    assert located(config.replace(b"lab:photos", b"other:photos")) == (SSH, b"ssh://other/~/photos")


def test_urls_for_content_in_place_of_those_of_git() -> None:
    """git-annex looks for them behind git's own, and only if none is set."""
    config = b"""\
remote.node.url=lab:photos
url.https://far.example/.insteadof=lab:
url.annex+https://far.example:9417/.annexinsteadof=https://far.example/"""
    assert located(config) == (HTTP, b"https://far.example:9417/photos")
    assert located(config + b"\nremote.node.annexurl=annex+http://near.example/") == (HTTP, b"http://near.example/")
