"""Which nodes an upload to a cluster goes to: our gateway beside the real one, with the same nodes and wishes."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import CLIENT_UUID
from tests.oracle.clients import Clone
from tests.oracle.servers import Server
from tests.support.admin import copied, farm, git, ours, succeed, theirs, value
from tests.support.client import Client, sha256_key
from tests.support.sshd import Account, Sshd

NODES = ("n1", "n2", "n3")
FILES = ["a.txt", "b.mp3", "archive/c", "dir/d.txt", ""]


def cluster(directory: Path) -> None:
    """A farm whose nodes all belong to the cluster foo."""
    farm(directory)
    for name in NODES:
        git(directory / "gw", "config", f"remote.{name}.annex-cluster-node", "foo")
    succeed(theirs(directory / "gw", "updatecluster"))


def uploads(program: Path, gateway: Path, contents: list[bytes]) -> list[set[str]]:
    """What becomes of uploads in one session: the repositories that each of them reached."""
    names = {value(gateway.parent / name, "annex.uuid"): name for name in NODES}
    command = (program, "p2pstdio", gateway, CLIENT_UUID, "--uuid", value(gateway, "annex.cluster.foo"))
    reached = []
    with Client(*command) as client:
        assert client.ask("VERSION 4") == "VERSION 4"
        for content in contents:
            kind, *uuids = client.put(sha256_key(content), content, file=FILES[content[0] % len(FILES)]).split()
            assert kind == "SUCCESS-PLUS"
            reached.append({names[uuid] for uuid in uuids})
        client.close()
    return reached


@pytest.mark.parametrize(
    "settings",
    [
        [("wanted", "n1", "include=*.txt"), ("wanted", "n2", "exclude=*.txt"), ("wanted", "n3", "largerthan=999")],
        [("wanted", "n1", "nothing"), ("required", "n1", "include=*.mp3"), ("wanted", "n2", "present")],
        [
            ("groupwanted", "g", "balanced=g"),
            *[(verb, name, text) for name in NODES for verb, text in (("group", "g"), ("wanted", "groupwanted"))],
        ],
        [(verb, name, text) for name in NODES for verb, text in (("group", "archive"), ("wanted", "standard"))],
    ],
    ids=["by name and size", "required", "balanced", "standard"],
)
def test_the_same_nodes(shell: Path, programs: Path, tmp_path: Path, settings: list[tuple[str, str, str]]) -> None:
    here, there = (copied(cluster, tmp_path / name) / "gw" for name in ("ours", "theirs"))
    for verb, *words in settings:
        succeed(ours(here, verb, *words))
        succeed(theirs(there, verb, *words))
    dice = random.Random(1)
    contents = [dice.randbytes(dice.choice([10, 1000, 2500])) for _ in range(12)]
    assert uploads(shell, here, contents) == uploads(programs / "git-annex-shell", there, contents)


def test_the_emptiest_node(shell: Path, tmp_path: Path) -> None:
    """Each upload goes to one. The original sends the same to more, since its idea of the sizes changes while it
    looks at one node after the other."""
    gateway = copied(cluster, tmp_path / "gateways") / "gw"
    for name, size in (("n1", "6kB"), ("n2", "12kB"), ("n3", "9kB")):
        succeed(ours(gateway, "group", name, "g"))
        succeed(ours(gateway, "wanted", name, "sizebalanced=g"))
        succeed(ours(gateway, "maxsize", name, size))
    reached = uploads(shell, gateway, [bytes([number]) * 1000 for number in range(9)])
    assert all(len(nodes) == 1 for nodes in reached)
    assert [sum(name in nodes for nodes in reached) for name in NODES] == [2, 4, 3]


def test_simultaneous_uploads_count_each_other(shell: Path, tmp_path: Path) -> None:
    """The space of one that is under way is taken, whoever asks, until it fails."""
    gateway = copied(cluster, tmp_path / "gateways") / "gw"
    for name in NODES:
        succeed(ours(gateway, "group", name, "g"))
        succeed(ours(gateway, "wanted", name, "sizebalanced=g"))
        succeed(ours(gateway, "maxsize", name, "1MB"))
    command = (shell, "p2pstdio", gateway, CLIENT_UUID, "--uuid", value(gateway, "annex.cluster.foo"))
    reached = set()
    keys = [sha256_key(bytes([number]) * 300_000) for number in range(3)]
    with Client(*command) as first, Client(*command) as second, Client(*command) as third:
        for client, key in zip((first, second, third), keys):
            assert client.ask("VERSION 4") == "VERSION 4"
            assert client.ask(f"PUT  {key}") == "PUT-FROM 0"
        assert len(list((gateway / ".git/annex/annexshell/uploads").iterdir())) == 3
        for number, client in enumerate((first, second, third)):
            client.raw(b"DATA 300000\n" + bytes([number]) * 300_000 + b"VALID\n")
            kind, *uuids = client.line().split()
            assert kind == "SUCCESS-PLUS"
            reached.update(uuids)
            client.close()
    assert len(reached) == 3
    assert not list((gateway / ".git/annex/annexshell/uploads").iterdir())


def test_one_archive_is_enough(shell: Path, tmp_path: Path) -> None:
    """What the original never does."""
    gateway = copied(cluster, tmp_path / "gateways") / "gw"
    for name in NODES:
        succeed(ours(gateway, "group", name, "archive"))
        succeed(ours(gateway, "wanted", name, "standard"))
    git(gateway, "config", "annexshell.clusterOneByOne", "true")
    assert uploads(shell, gateway, [b"a content", b"another one"]) == [{"n1"}, {"n1"}]


def test_a_full_disk_ends_the_turn_of_its_node(shell: Path, tmp_path: Path) -> None:
    gateway = copied(cluster, tmp_path / "gateways") / "gw"
    for name in NODES[:2]:
        succeed(ours(gateway, "group", name, "g"))
    succeed(ours(gateway, "wanted", "n3", "nothing"))
    git(gateway, "config", "annexshell.clusterFillInTurn", "g")
    assert uploads(shell, gateway, [b"one", b"two"]) == [{"n1"}, {"n1"}]
    git(gateway.parent / "n1", "config", "annex.diskreserve", "1000000TB")
    assert uploads(shell, gateway, [b"three", b"four"]) == [{"n2"}, {"n2"}]
    git(gateway.parent / "n2", "config", "annex.diskreserve", "1000000TB")
    with pytest.raises(AssertionError):
        uploads(shell, gateway, [b"five"])
    assert not list((gateway / ".git/annex/annexshell/uploads").iterdir())


def test_what_a_client_stores_ends_at_the_same_nodes(
    account: Callable[..., Account], sshd: Sshd, programs: Path, shell: Path, clone: Callable[..., Clone]
) -> None:
    """The real client with the same files, once with our gateway and once with the original's, which have copies of the
    same nodes."""
    path = f"{sshd.ssh_directory}:{programs}:/usr/local/bin:/usr/bin:/bin"
    here = account(shell, PATH=path)
    copied(wishing_cluster, here.home / "ours")
    copied(wishing_cluster, here.home / "theirs")
    client = clone(here.url(here.home / "ours" / "gw"))
    for number in range(40):
        name = f"{number}{'.txt' if number % 3 else '.mp3'}"
        (client.path / name).write_bytes(bytes([number]) * 10 * (number + 1))
    client.annex("add", "-q", ".")
    client.git("commit", "-qm", "files")
    other = Clone(client.path.with_name("other"), programs)
    shutil.copytree(client.path, other.path, symlinks=True)
    other.git(
        "remote", "set-url", "origin", account(programs / "git-annex-shell", PATH=path).url(here.home / "theirs/gw")
    )
    stored = []
    for side, name in ((client, "ours"), (other, "theirs")):
        side.git("config", "annex.sshcaching", "false")
        side.annex("copy", "-q", "--to", "origin-foo")
        stored.append([Server(here.home / name / node, here.home).objects() for node in NODES])
    assert stored[0] == stored[1]
    assert [len(objects) for objects in stored[0]] != [40, 40, 40]
    assert len(set().union(*stored[0])) == 40


def wishing_cluster(directory: Path) -> None:
    """A cluster of which two nodes share what the third one does not want."""
    cluster(directory)
    gateway = directory / "gw"
    for name in ("n1", "n2"):
        succeed(ours(gateway, "group", name, "g"))
        succeed(ours(gateway, "wanted", name, "balanced=g and include=*.txt"))
    succeed(ours(gateway, "wanted", "n3", "exclude=*.txt or largerthan=350"))
