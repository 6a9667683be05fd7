"""Finding and sending objects, side by side with the real git-annex-shell."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from annexshell.model.key import Key, parse_key
from annexshell.store.layout import Layout
from annexshell.store.objects import Objects
from tests.repo.ordinary import ordinary_people
from tests.repo.places import existing, make_repo
from tests.store.conftest import Connect
from tests.support.client import Client, sha256_key
from tests.support.real import Repo

SIDES = ["ours", "real"]
CONTENT = b"content of an object"
KEY = sha256_key(CONTENT)
LARGE = b"a" * 4_000_000
LARGE_KEY = sha256_key(LARGE)


def stored(path: Path, connect: Connect, content: bytes, **options: Any) -> tuple[Repo, Path]:
    """A repository with a content, and where that lies."""
    repo = make_repo(path, **options)
    key = sha256_key(content)
    client = connect("ours", repo)
    assert client.put(key, content) == "SUCCESS"
    client.close()
    (found,) = repo.annex_dir.glob(f"objects/*/*/{key}/{key}")
    return repo, found


def other_place(repo: Repo, path: Path) -> Path:
    """Where the object may lie as well."""
    hashes = {repo.annex("examinekey", f"--format=${{hashdir{kind}}}", path.name) for kind in ("lower", "mixed")}
    top = repo.annex_dir / "objects"
    (other,) = hashes - {f"{path.parent.parent.relative_to(top)}/"}
    return top / other / path.name / path.name


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("side", SIDES)
def test_objects_lie_in_one_of_two_places(tmp_path: Path, connect: Connect, side: str, bare: bool) -> None:
    """Clones and conversions leave them in the one that is not the first choice."""
    repo, path = stored(tmp_path / "repo", connect, CONTENT, bare=bare)
    other = other_place(repo, path)
    other.parent.parent.mkdir(parents=True)
    path.parent.chmod(0o755)
    path.parent.rename(other.parent)
    client = connect(side, repo)
    assert client.ask(f"CHECKPRESENT {KEY}") == "SUCCESS"
    assert client.get(KEY) == CONTENT
    assert client.put(KEY, CONTENT) == "ALREADY-HAVE"
    assert client.ask(f"LOCKCONTENT {KEY}") == "SUCCESS"
    assert other.with_name(f"{KEY}.lck").exists()
    assert client.ask("UNLOCKCONTENT", f"REMOVE {KEY}") == "SUCCESS"
    assert client.ask(f"CHECKPRESENT {KEY}") == "FAILURE"
    assert not other.exists()


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def replace(path: Path) -> None:
    path.with_name("new").write_bytes(LARGE.upper())
    path.with_name("new").rename(path)


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-1000, os.SEEK_END)
        file.write(b"b" * 1000)


def change_while_sent(path: Path, connect: Connect, side: str, change: Callable[[Path], None]) -> tuple[bytes, str]:
    repo, found = stored(path, connect, LARGE)
    client = connect(side, repo)
    assert client.ask(f"GET 0  {LARGE_KEY}") == f"DATA {len(LARGE)}"
    got = client.data(1000)
    found.parent.chmod(0o755)
    found.chmod(0o644)
    change(found)
    got += client.data(len(LARGE) - 1000)
    validity = client.line()
    client.send("FAILURE")
    assert client.close() == (0, "")
    return got, validity


@pytest.mark.parametrize("change", [append, replace])
def test_objects_that_change_while_they_are_sent(
    tmp_path: Path, connect: Connect, change: Callable[[Path], None]
) -> None:
    """What was opened is sent, and is valid unless somebody wrote to it."""
    ours, real = (change_while_sent(tmp_path / side, connect, side, change) for side in SIDES)
    assert ours == real
    assert ours[0] == LARGE


@pytest.mark.parametrize("change", [overwrite, os.utime])
def test_changes_that_the_original_overlooks(tmp_path: Path, connect: Connect, change: Callable[[Path], None]) -> None:
    assert change_while_sent(tmp_path / "repo", connect, "ours", change)[1] == "INVALID"


def test_an_object_that_is_removed_while_it_is_sent(tmp_path: Path, connect: Connect) -> None:
    """What was sent is right all the same. (The original says that it is not.)"""
    assert change_while_sent(tmp_path / "repo", connect, "ours", os.unlink) == (LARGE, "VALID")


def test_an_object_that_becomes_shorter(tmp_path: Path, connect: Connect) -> None:
    """More was announced than can be sent, so that only the end of the connection remains. (The original hangs.)"""
    repo, path = stored(tmp_path / "repo", connect, LARGE)
    client = connect("ours", repo)
    assert client.ask(f"GET 0  {LARGE_KEY}") == f"DATA {len(LARGE)}"
    client.data(1000)
    path.chmod(0o644)
    os.truncate(path, 3_000_000)
    code, errors = client.close()
    assert code == 1
    assert "became shorter" in errors


@pytest.mark.parametrize("side", SIDES)
def test_a_bad_object_is_sent_as_it_is(tmp_path: Path, connect: Connect, side: str) -> None:
    """Finding that out is for fsck and for the client; reading all of it twice would cost too much."""
    repo, path = stored(tmp_path / "repo", connect, CONTENT)
    path.chmod(0o644)
    path.write_bytes(CONTENT.upper())
    client = connect(side, repo)
    assert client.ask(f"CHECKPRESENT {KEY}") == "SUCCESS"
    assert client.get(KEY) == CONTENT.upper()
    assert client.put(KEY, CONTENT) == "ALREADY-HAVE"
    assert client.close() == (0, "")


def test_what_else_may_lie_in_the_place_of_an_object(tmp_path: Path, connect: Connect) -> None:
    """A symlink is what it leads to. (To the original a directory counts as present.)"""
    found = []
    for side in SIDES:
        repo, path = stored(tmp_path / side, connect, CONTENT)
        path.parent.chmod(0o755)
        path.rename(tmp_path / "moved")
        answers = []
        for target in (None, tmp_path / "moved", "nowhere"):
            path.mkdir() if target is None else path.symlink_to(target)
            answers.append(connect(side, repo).ask(f"CHECKPRESENT {KEY}"))
            path.rmdir() if target is None else path.unlink()
        found.append(answers)
    assert found == [["FAILURE", "SUCCESS", "FAILURE"], ["SUCCESS", "SUCCESS", "FAILURE"]]


def test_a_directory_can_not_be_sent(tmp_path: Path, connect: Connect) -> None:
    repo, path = stored(tmp_path / "repo", connect, CONTENT)
    path.parent.chmod(0o755)
    path.unlink()
    path.mkdir()
    client = connect("ours", repo)
    assert client.ask(f"GET 0  {KEY}") == "DATA 0"
    assert client.line() == "INVALID"
    assert client.ask("FAILURE", f"CHECKPRESENT {KEY}") == "FAILURE"
    assert client.ask(f"REMOVE {KEY}") == "FAILURE"
    assert path.exists()


def test_what_can_not_be_known_is_not_denied(tmp_path: Path) -> None:
    """FAILURE would say for certain that the content is not here; other copies may be dropped then."""
    with ordinary_people() as people:
        first, second = people.persons
        if first.name == second.name:
            pytest.skip("needs two users")
        path = people.directory / "repo.git"
        first.run("git", "init", "-q", "--bare", path)
        first.run(people.shell, "configlist", path, "--", "autoinit=1")
        with first.connect(people.shell, path) as client:
            assert client.put(KEY, CONTENT) == "SUCCESS"
            client.close()
        objects = existing(path).annex_dir / "objects"
        objects.chmod(0o700)
        with second.connect(people.shell, path) as client:
            assert client.ask(f"CHECKPRESENT {KEY}").startswith("ERROR Permission denied")
            assert client.ask(f"GET 0  {KEY}") == "DATA 0"
            assert client.line() == "INVALID"
            assert client.ask("FAILURE", f"LOCKCONTENT {KEY}") == "FAILURE"
            assert client.ask(f"REMOVE {KEY}") == "FAILURE"
            assert client.put(KEY, CONTENT) == "FAILURE"
            code, errors = client.close()
        assert code == 0
        assert errors.count("Permission denied") == 5
        objects.chmod(0o755)
        with second.connect(people.shell, path) as client:
            assert client.ask(f"CHECKPRESENT {KEY}") == "SUCCESS"
            client.close()


def test_keys_that_name_no_file(tmp_path: Path) -> None:
    objects = Objects(Layout(os.fsencode(tmp_path), bare=True))
    (tmp_path / "objects").touch()
    for text in (b"WORM--a\0b", b"WORM--" + b"x" * 1000, b"WORM--x"):
        assert objects.find(parse_key(text)) is None
        assert objects.open(parse_key(text)) is None
        assert not objects.present(parse_key(text))


def test_an_object_that_vanishes_before_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = parse_key(b"WORM--x")
    objects = Objects(Layout(os.fsencode(tmp_path), bare=True))
    path = Path(os.fsdecode(Layout(os.fsencode(tmp_path), bare=True).object_candidates(key)[0]))
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    locate = Objects.locate

    def vanish(self: Objects, key: Key) -> bytes | None:
        found = locate(self, key)
        shutil.rmtree(tmp_path)
        return found

    monkeypatch.setattr(Objects, "locate", vanish)
    assert objects.open(key) is None
    tmp_path.mkdir()


def test_the_same_client_reads_many(tmp_path: Path, connect: Connect) -> None:
    """In one session, and some of it out of the middle; nothing stays open."""
    repo, _ = stored(tmp_path / "repo", connect, LARGE)
    client: Client = connect("ours", repo)
    fds = Path(f"/proc/{client.process.pid}/fd")
    assert client.get(LARGE_KEY) == LARGE
    assert client.ask(f"CHECKPRESENT {KEY}") == "FAILURE"
    before = len(list(fds.iterdir()))
    for offset in (0, 1, 65_536, len(LARGE) - 1, len(LARGE)):
        assert client.get(LARGE_KEY, offset) == LARGE[offset:]
    assert client.ask(f"CHECKPRESENT {KEY}") == "FAILURE"
    assert len(list(fds.iterdir())) == before


_EMPTY = hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize(
    ("key", "counts"),
    [
        (f"SHA256--{'1' * 64}", False),
        (f"SHA256E--{'1' * 64}.txt", False),
        (f"SHA256-s10-S5-C1--{'1' * 64}", False),
        (f"SHA256--{_EMPTY}", True),
        (f"SHA256E-m1--{_EMPTY}.txt", True),
        ("URL--http&c%%host%empty", True),
        ("WORM-m1--empty", True),
        ("VURL--http&c%%host%empty", True),
        ("XMINE--name", True),
    ],
)
def test_an_empty_file_that_can_not_be_the_content(tmp_path: Path, connect: Connect, key: str, counts: bool) -> None:
    """A key that tells no size has a hash, which an object that a crash left empty does not have."""
    repo = make_repo(tmp_path / "repo")
    layout = Layout(os.fsencode(repo.annex_dir), bare=False)
    path = layout.object_candidates(parse_key(key.replace("&c", ":").replace("%", "/").encode()))[0]
    os.makedirs(os.path.dirname(path))
    Path(os.fsdecode(path)).touch()
    client = connect("ours", repo)
    answer = "SUCCESS" if counts else "FAILURE"
    name = key.replace("&c", ":").replace("%", "/")
    assert client.ask(f"CHECKPRESENT {name}") == answer
    assert client.ask(f"LOCKCONTENT {name}") == answer
    if counts:
        client.send("UNLOCKCONTENT")
    assert client.ask(f"GET 0  {name}") == "DATA 0"
    assert client.line() == ("VALID" if counts else "INVALID")
    client.send("SUCCESS")
    assert client.ask(f"REMOVE {name}") == "SUCCESS"
    assert not os.path.exists(path)


def test_an_empty_file_is_replaced_by_the_content(tmp_path: Path, connect: Connect) -> None:
    repo, _ = stored(tmp_path / "repo", connect, CONTENT)
    name = f"SHA256--{hashlib.sha256(CONTENT).hexdigest()}"
    layout = Layout(os.fsencode(repo.annex_dir), bare=False)
    empty = layout.object_candidates(parse_key(name.encode()))[0]
    os.makedirs(os.path.dirname(empty))
    Path(os.fsdecode(empty)).touch()
    client = connect("ours", repo)
    assert client.put(name, CONTENT) == "SUCCESS"
    assert client.get(name) == CONTENT
    assert (repo.annex_dir / "bad" / name).read_bytes() == b""
