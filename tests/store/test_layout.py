"""Hash directories and object paths, as tabled from the real git-annex (Annex/DirHashes.hs, Annex/Locations.hs)."""

from __future__ import annotations

import shutil
from hashlib import md5
from pathlib import Path

import pytest

from annexshell.model.hashdirs import hash_lower, hash_mixed
from annexshell.model.key import parse_key
from annexshell.store.layout import DOWNLOAD, UPLOAD, Layout
from tests.repo.places import existing
from tests.store.conftest import Connect
from tests.support.real import Repo, run

EMPTY = b"SHA256-s0--e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
TABLE = [
    (b"SHA256E-s100--abc.txt", "495b959be49742fc090663926a691f54", b"495/b95", b"x9/5Z"),
    (b"SHA256E-s10-S5-C2--abc.txt", "18c0c3c386f124607e83e29d3432c73d", b"18c/0c3", b"0X/vW"),
    (b"SHA256E-s10--abc.txt", "18c0c3c386f124607e83e29d3432c73d", b"18c/0c3", b"0X/vW"),
    (b"WORM-s3-m1289672605--file", "e82c964946c496c7ff6f83910c056df6", b"e82/c96", b"p8/52"),
    (b"URL--http://a.b/c%d&e:f", "a0721f1b6f530e5611762fff8768bfac", b"a07/21f", b"z0/7J"),
    (EMPTY, "99981217567700ff03dbc992aef35b7e", b"999/812", b"2K/49"),
    (b"GITMANIFEST--11111111-2222-3333-4444-555555555555", "4fb4aa09c34c2a4d8d814ef3a543a70c", b"4fb/4aa", b"wm/zq"),
    (b"FOO-s1--../../x", "9a99e2c8e4915480d29dec75f74fe9d5", b"9a9/9e2", b"6M/X9"),
]
KEY = parse_key(b"SHA256E-s100--abc.txt")
MIXED = b"/AD/objects/x9/5Z/SHA256E-s100--abc.txt/SHA256E-s100--abc.txt"
LOWER = b"/AD/objects/495/b95/SHA256E-s100--abc.txt/SHA256E-s100--abc.txt"


@pytest.mark.parametrize(("text", "digest", "lower", "mixed"), TABLE, ids=lambda value: str(value)[:20])
def test_hash_directories(text: bytes, digest: str, lower: bytes, mixed: bytes) -> None:
    key = parse_key(text)
    assert md5(key.hashed_text).hexdigest() == digest
    assert hash_lower(key) == lower
    assert hash_lower(key, 1) == lower[:3]
    assert hash_mixed(key) == mixed
    assert hash_mixed(key, 1) == mixed[:2]


@pytest.mark.parametrize(
    "text", [b"WORM-S5--x", b"WORM-C2--x", b"WORM-s1-m2-S5-C2--x", b"SHA256E-s0010-S5-C02--abc.txt", b"WORM---S5--x"]
)
def test_agrees_with_the_real_git_annex(text: bytes, repo: Repo) -> None:
    key = parse_key(text)
    real = repo.annex("examinekey", "--format=${hashdirmixed} ${hashdirlower}", text.decode())
    assert real == f"{hash_mixed(key).decode()}/ {hash_lower(key).decode()}/"


@pytest.mark.parametrize(
    ("layout", "paths"),
    [
        (Layout(b"/AD", bare=True), [LOWER, MIXED]),
        (Layout(b"/AD", bare=False), [MIXED, LOWER]),
        (Layout(b"/AD", bare=False, lower_only=True), [LOWER]),
        (Layout(b"/AD", bare=True, lower_only=True), [LOWER, MIXED]),
        (Layout(b"/AD", bare=False, crippled=True), [MIXED, LOWER]),
        (Layout(b"/AD", bare=False, crippled=True, symlinks=False), [LOWER, MIXED]),
        (
            Layout(b"/AD", bare=False, object_levels=1),
            [MIXED.replace(b"x9/5Z", b"x9"), LOWER.replace(b"495/b95", b"495")],
        ),
    ],
)
def test_where_objects_lie(layout: Layout, paths: list[bytes]) -> None:
    assert layout.object_candidates(KEY) == paths


def test_where_logs_lie() -> None:
    assert Layout(b"/AD", bare=False).location_log(KEY) == b"495/b95/SHA256E-s100--abc.txt.log"
    assert Layout(b"/AD", bare=False, branch_levels=1).location_log(KEY) == b"495/SHA256E-s100--abc.txt.log"
    url = parse_key(b"URL--http://a.b/c%d&e:f")
    assert Layout(b"/AD", bare=True).location_log(url) == b"a07/21f/URL--http&c%%a.b%c&sd&ae&cf.log"


def test_where_transfers_lie() -> None:
    layout = Layout(b"/AD", bare=False)
    key = parse_key(b"WORM--a/b")
    assert layout.partial(key) == b"/AD/tmp/WORM--a%b"
    assert layout.work_directory(key) == b"/AD/tmp/work.WORM--a%b"
    assert layout.transfer_locks(DOWNLOAD, key, b"U") == [
        b"/AD/transfer/download/lck/lck.WORM--a%b",
        b"/AD/transfer/download/U/lck.WORM--a%b",
    ]
    assert layout.transfer_locks(UPLOAD, key, b"U") == [b"/AD/transfer/upload/U/lck.WORM--a%b"]
    assert layout.transfer_info(UPLOAD, key, b"U") == b"/AD/transfer/upload/U/WORM--a%b"
    assert layout.failed_transfer(DOWNLOAD, key, b"U") == b"/AD/transfer/failed/download/U/WORM--a%b"


@pytest.mark.parametrize("peer", [b"..", b"../../x", b"lck", b"", b"x" * 10000, b"\0"])
def test_no_peer_leads_out_of_the_transfers(peer: bytes) -> None:
    layout = Layout(b"/AD", bare=False)
    for path in [*layout.transfer_locks(DOWNLOAD, KEY, peer), layout.failed_transfer(DOWNLOAD, KEY, peer)]:
        parts = path.split(b"/")
        assert b".." not in parts
        assert b"\0" not in path
        assert max(map(len, parts)) <= 255
    common, own = layout.transfer_locks(DOWNLOAD, KEY, peer)
    assert common != own


# Where sessions put things


@pytest.mark.parametrize("tunings", [["objecthash1"], ["objecthashlower"], ["objecthash1", "branchhash1"]], ids=str)
@pytest.mark.parametrize("bare", [False, True])
def test_tuned_repositories(tmp_path: Path, connect: Connect, bare: bool, tunings: list[str]) -> None:
    """Objects and logs lie where the original puts them, and where it finds them."""
    template = tmp_path / "template"
    run("git", "init", "-q", *(["--bare"] if bare else []), template)
    settings = [word for name in tunings for word in ("-c", f"annex.tune.{name}=true")]
    run("git", "annex", "init", "-q", "tuned", *settings, cwd=template)
    contents = {f"WORM-s{len(name)}--{name}": name.encode() for name in ("a", "another", "something&else")}
    found = []
    for side in ("ours", "real"):
        repo = existing(shutil.copytree(template, tmp_path / side, symlinks=True))
        client = connect(side, repo)
        for key, content in contents.items():
            assert client.put(key, content) == "SUCCESS"
        assert client.close() == (0, "")
        objects = {path.relative_to(repo.annex_dir) for path in repo.annex_dir.glob("objects/**/WORM*")}
        assert len(objects) == 2 * len(contents)
        for location in repo.annex("contentlocation", *contents).splitlines():
            assert (repo.path / location).relative_to(repo.annex_dir) in objects
        repo.annex("fsck", "-q", "--all")
        found.append((objects, repo.git("ls-tree", "-r", "--name-only", "git-annex")))
    assert found[0] == found[1]
