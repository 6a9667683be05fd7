"""Write protection and the hooks around it: modes side by side with the real git-annex-shell, and ordinary users."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from annexshell.model.key import parse_key
from tests.conftest import CLIENT_UUID
from tests.repo.ordinary import People, ordinary_people
from tests.repo.places import existing, make_repo, open_repo
from tests.store.conftest import Connect
from tests.support.client import Client, sha256_key
from tests.support.real import Repo, run

CONTENT = b"content to be protected"
KEY = sha256_key(CONTENT)
NASTY = b"WORM--a'b\"c $(touch canary) `touch canary` ; touch canary & | * ? [a] \\ \\\\ %path %file -x \x01\t"
NASTY_DIRECTORY = 'it\'s a "repo" $(touch canary)'
SIDES = ["ours", "real"]


# Hooks

HOOKS = {"freezecontent": "%path", "thawcontent": "%path", "secure-erase": "%file"}


class Hooks:
    """Hooks of a repository that write down what they are called with."""

    def __init__(self, repo: Repo, directory: Path) -> None:
        self._log = directory / "hooks.log"
        self._repo = repo

    def command(self, name: str, more: str = "") -> None:
        command = f"printf '%s\\0%s\\0' {name} {HOOKS[name]} >> '{self._log}'; {more}"
        self._repo.git("config", f"annex.{name}-command", command)

    def file(self, name: str, more: str = "", mode: int = 0o755) -> None:
        path = self._repo.git_dir / "hooks" / f"{name}-annex"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\nprintf '%s\\0%s\\0' 'file {name}' \"$*\" >> '{self._log}'\n{more}\n")
        path.chmod(mode)

    def calls(self) -> list[tuple[str, str]]:
        """What has been called since the last time, without repetitions in a row; paths below the objects."""
        if not self._log.exists():
            return []
        words = self._log.read_bytes().split(b"\0")[:-1]
        self._log.unlink()
        objects = os.fsencode(self._repo.annex_dir / "objects") + b"/"
        pairs = [(words[n].decode(), os.fsdecode(words[n + 1].removeprefix(objects))) for n in range(0, len(words), 2)]
        return [pair for n, pair in enumerate(pairs) if n == 0 or pair != pairs[n - 1]]


def contained(wanted: list[tuple[str, str]], calls: list[tuple[str, str]]) -> bool:
    """Whether these were called in this order, whatever else was."""
    rest = iter(calls)
    return all(call in rest for call in wanted)


def test_hooks_are_called_as_by_the_original(tmp_path: Path, connect: Connect) -> None:
    stored, removed = [], []
    for side in SIDES:
        repo = make_repo(tmp_path / side)
        hooks = Hooks(repo, tmp_path)
        for name in HOOKS:
            hooks.command(name)
        client = connect(side, repo)
        assert client.put(KEY, CONTENT) == "SUCCESS"
        stored.append(hooks.calls())
        assert client.ask(f"REMOVE {KEY}") == "SUCCESS"
        removed.append(hooks.calls())
        assert client.close() == (0, "")
    assert stored[0] == stored[1]
    directory = stored[0][0][1]
    assert stored[0] == [
        ("thawcontent", directory),
        ("freezecontent", f"{directory}/{KEY}"),
        ("freezecontent", directory),
    ]
    for calls in removed:
        object_calls = [(name, f"{directory}/{KEY}") for name in ("thawcontent", "secure-erase")]
        assert contained([("thawcontent", directory), *object_calls], calls)


def test_hooks_around_a_lock(tmp_path: Path, connect: Connect) -> None:
    """However often: what is thawed is frozen in the end."""
    for side in SIDES:
        repo = make_repo(tmp_path / side)
        client = connect(side, repo)
        assert client.put(KEY, CONTENT) == "SUCCESS"
        hooks = Hooks(repo, tmp_path)
        hooks.command("freezecontent")
        hooks.command("thawcontent")
        client = connect(side, repo)
        assert client.ask(f"LOCKCONTENT {KEY}") == "SUCCESS"
        calls = hooks.calls()
        assert calls[0][0] == "thawcontent"
        assert calls[-1][0] == "freezecontent"
        assert client.ask("UNLOCKCONTENT", f"CHECKPRESENT {KEY}") == "SUCCESS"
        calls = hooks.calls()
        assert calls[0][0] == "thawcontent"
        assert calls[-1][0] == "freezecontent"


def put(client: Client, key: bytes, content: bytes) -> str:
    """Stores content under a key that is no text."""
    assert client.ask(b"PUT  " + key) == "PUT-FROM 0"
    client.raw(b"DATA %d\n%bVALID\n" % (len(content), content))
    return client.line()


@pytest.mark.parametrize("kind", ["command", "file"])
@pytest.mark.parametrize("side", SIDES)
def test_hooks_get_the_path_whatever_is_in_it(tmp_path: Path, connect: Connect, side: str, kind: str) -> None:
    repo = make_repo(tmp_path / NASTY_DIRECTORY)
    key = NASTY + b"\xff" if side == "ours" else NASTY  # the original loses what is no text
    hooks = Hooks(repo, tmp_path)
    for name in HOOKS:
        hooks.command(name) if kind == "command" else hooks.file(name)
    client = connect(side, repo)
    assert put(client, key, CONTENT) == "SUCCESS"
    (path,) = repo.annex_dir.glob("objects/*/*/WORM*/WORM*")
    name, directory = os.fspath(path), os.fspath(path.parent)
    below = len(os.fspath(repo.annex_dir / "objects")) + 1
    prefix = "" if kind == "command" else "file "
    assert hooks.calls() == [
        (f"{prefix}thawcontent", directory[below:]),
        (f"{prefix}freezecontent", name[below:]),
        (f"{prefix}freezecontent", directory[below:]),
    ]
    assert client.ask(b"REMOVE " + key) == "SUCCESS"
    assert (f"{prefix}secure-erase", name[below:]) in hooks.calls()
    assert client.close()[0] == 0
    for place in (tmp_path, repo.path, repo.git_dir, Path.cwd()):
        assert not (place / "canary").exists()


@pytest.mark.parametrize("side", SIDES)
def test_a_file_wins_over_a_command(tmp_path: Path, connect: Connect, side: str) -> None:
    repo = make_repo(tmp_path / "repo")
    hooks = Hooks(repo, tmp_path)
    hooks.command("freezecontent")
    hooks.file("freezecontent")
    hooks.command("thawcontent")
    hooks.file("thawcontent", mode=0o644)  # not executable: not there
    assert connect(side, repo).put(KEY, CONTENT) == "SUCCESS"
    assert {name for name, _ in hooks.calls()} == {"file freezecontent", "thawcontent"}


@pytest.mark.parametrize("side", SIDES)
def test_hooks_lie_where_git_keeps_them_by_default(tmp_path: Path, connect: Connect, side: str) -> None:
    repo = make_repo(tmp_path / "repo")
    hooks = Hooks(repo, tmp_path)
    hooks.file("freezecontent")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "thawcontent-annex").write_text("#!/bin/sh\nexit 1\n")
    repo.git("config", "core.hooksPath", str(elsewhere))
    assert connect(side, repo).put(KEY, CONTENT) == "SUCCESS"
    assert {name for name, _ in hooks.calls()} == {"file freezecontent"}


@pytest.mark.parametrize("side", SIDES)
def test_secure_erase_sees_the_content(tmp_path: Path, connect: Connect, side: str) -> None:
    repo = make_repo(tmp_path / "repo")
    saved = tmp_path / "saved"
    repo.git("config", "annex.secure-erase-command", f"cat %file > '{saved}'; printf erased > %file")
    repo.git("config", "annex.thawcontent-command", "chmod u+w %path")
    client = connect(side, repo)
    assert client.put(KEY, CONTENT) == "SUCCESS"
    assert client.ask(f"REMOVE {KEY}") == "SUCCESS"
    assert saved.read_bytes() == CONTENT
    assert client.ask(f"CHECKPRESENT {KEY}") == "FAILURE"


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", ["freezecontent", "thawcontent"])
@pytest.mark.parametrize("kind", ["command", "file"])
def test_protection_that_fails_hinders_nothing(
    tmp_path: Path, connect: Connect, side: str, name: str, kind: str
) -> None:
    """It is not what makes content safe."""
    repo = make_repo(tmp_path / "repo")
    hooks = Hooks(repo, tmp_path)
    hooks.command(name, "false") if kind == "command" else hooks.file(name, "exit 3")
    client = connect(side, repo)
    assert client.put(KEY, CONTENT) == "SUCCESS"
    assert client.ask(f"LOCKCONTENT {KEY}") == "SUCCESS"
    assert client.ask("UNLOCKCONTENT", f"CHECKPRESENT {KEY}") == "SUCCESS"
    assert client.get(KEY) == CONTENT
    assert client.ask(f"REMOVE {KEY}") == "SUCCESS"
    code, errors = client.close()
    assert code == 0
    assert side == "real" or f"the {name} hook failed" in errors
    assert repo.location_log(KEY) == {repo.uuid: "0"}
    assert list(repo.annex_dir.glob("objects/*/*/*")) == []


def test_content_that_can_not_be_erased_stays(tmp_path: Path, connect: Connect) -> None:
    """The original removes it all the same, which is not what its owner wants."""
    repo = make_repo(tmp_path / "repo")
    Hooks(repo, tmp_path).command("secure-erase", "false")
    client = connect("ours", repo)
    assert client.put(KEY, CONTENT) == "SUCCESS"
    assert client.ask(f"REMOVE {KEY}") == "FAILURE"
    assert client.get(KEY) == CONTENT
    assert client.ask(f"REMOVE-BEFORE 9999999999 {KEY}") == "FAILURE"
    assert "the secure-erase hook failed" in client.close()[1]
    assert repo.location_log(KEY) == {repo.uuid: "1"}
    repo.git("config", "--unset", "annex.secure-erase-command")
    assert connect("real", repo).ask(f"REMOVE {KEY}") == "SUCCESS"


# Modes

SHARING = ["false", "group", "all", "0640", "0660"]


def modes(repo: Repo) -> dict[str, str]:
    """The modes of what sessions make in AD; but for the time stamps, whose modes the original forgets about."""
    tops = ("objects", "journal", "tmp", "transfer")
    paths = [path for top in tops for path in [repo.annex_dir / top, *repo.annex_dir.glob(f"{top}/**/*")]]
    return {
        os.fspath(path.relative_to(repo.annex_dir)): oct(path.stat().st_mode)
        for path in paths
        if path.exists() and path.suffix != ".rtm"
    }


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077])
@pytest.mark.parametrize("sharing", SHARING)
@pytest.mark.parametrize("version", [9, 10])
def test_modes_are_those_of_the_original(
    tmp_path: Path, connect: Connect, sharing: str, version: int, mask: int
) -> None:
    """After a content was stored, and after a lock of it has ended."""
    found = []
    for side in SIDES:
        repo = make_repo(tmp_path / side, version=version)
        repo.git("config", "core.sharedRepository", sharing)
        repo.git("config", "annex.alwayscommit", "false")
        (repo.annex_dir / "journal").chmod(0o755)
        before = os.umask(mask)
        try:
            client = connect(side, repo)
        finally:
            os.umask(before)
        assert client.put(KEY, CONTENT) == "SUCCESS"
        stored = modes(repo)
        assert client.ask(f"LOCKCONTENT {KEY}") == "SUCCESS"
        locked = modes(repo)
        assert client.ask("UNLOCKCONTENT", f"CHECKPRESENT {KEY}") == "SUCCESS"
        found.append((stored, locked, modes(repo)))
        client.close()
    for ours, real in zip(*found):
        assert {
            (path, ours.get(path), real.get(path)) for path in ours | real if ours.get(path) != real.get(path)
        } == set()


def test_a_crippled_file_system_has_no_modes(tmp_path: Path, connect: Connect) -> None:
    found = []
    for side in SIDES:
        repo = make_repo(tmp_path / side)
        repo.git("config", "annex.crippledfilesystem", "true")
        repo.git("config", "core.symlinks", "false")
        client = connect(side, repo)
        assert client.put(KEY, CONTENT) == "SUCCESS"
        stored = modes(repo)
        assert client.ask(f"LOCKCONTENT {KEY}") == "SUCCESS"
        assert client.ask("UNLOCKCONTENT", f"CHECKPRESENT {KEY}") == "SUCCESS"
        found.append((stored, modes(repo)))
        client.close()
        other = connect("real" if side == "ours" else "ours", repo)
        assert other.get(KEY) == CONTENT
        assert other.ask(f"REMOVE {KEY}") == "SUCCESS"
        assert not list(repo.annex_dir.glob(f"objects/*/*/{KEY}"))
    assert found[0] == found[1]
    (path,) = [path for path in found[0][0] if path.endswith(f"/{KEY}/{KEY}")]
    assert found[0][0][path] == "0o100644"
    assert len(path.split("/")[1]) == 3, "bare repositories' hash directories"


# Ordinary users


@pytest.fixture
def people() -> Iterator[People]:
    with ordinary_people() as people:
        yield people


def make_shared(people: People, sharing: str) -> Repo:
    """A repository of the first person's."""
    path = people.directory / "repo.git"
    first = people.persons[0]
    first.run("git", "init", "-q", "--bare", f"--shared={sharing}", path)
    first.run(people.shell, "configlist", path, "--", "autoinit=1")
    return existing(path)


@pytest.mark.parametrize("sharing", ["0660", "0640", "group", "all", "umask"])
def test_the_owner_does_everything(people: People, sharing: str) -> None:
    """With an octal mode the original can neither lock nor remove."""
    repo = make_shared(people, sharing)
    first = people.persons[0]
    with first.connect(people.shell, repo.path) as client:
        for _ in range(2):
            assert client.put(KEY, CONTENT) == "SUCCESS"
            assert client.ask(f"LOCKCONTENT {KEY}") == "SUCCESS"
            assert client.ask("UNLOCKCONTENT", f"CHECKPRESENT {KEY}") == "SUCCESS"
            assert client.get(KEY) == CONTENT
            assert client.ask(f"REMOVE {KEY}") == "SUCCESS"
        assert client.close() == (0, "")
    assert not list(repo.annex_dir.glob(f"objects/*/*/{KEY}"))


@pytest.mark.parametrize("sharing", ["0660", "group", "all"])
def test_people_share_a_repository(people: People, sharing: str) -> None:
    """What one of them has stored the other can lock, remove and store again."""
    repo = make_shared(people, sharing)
    first, second = people.persons
    for _ in range(2):
        with first.connect(people.shell, repo.path) as client:
            assert client.put(KEY, CONTENT) == "SUCCESS"
            assert client.close() == (0, "")
        with second.connect(people.shell, repo.path) as client:
            assert client.put(KEY, CONTENT) == "ALREADY-HAVE"
            assert client.get(KEY) == CONTENT
            assert client.ask(f"LOCKCONTENT {KEY}") == "SUCCESS"
            with first.connect(people.shell, repo.path) as other:
                assert other.ask(f"REMOVE {KEY}") == "FAILURE"
                assert "content is locked" in other.close()[1]
            assert client.ask("UNLOCKCONTENT", f"REMOVE {KEY}") == "SUCCESS"
            assert client.close() == (0, "")
        first, second = second, first
    assert run("git", "-c", "safe.directory=*", "fsck", "--strict", "--no-dangling", cwd=repo.path) is not None
    assert os.listdir(repo.annex_dir / "journal") == []


@pytest.mark.skipif(os.getuid() != 0, reason="needs two users")
@pytest.mark.parametrize("sharing", ["umask", "0640"])
def test_who_may_only_read(people: People, sharing: str) -> None:
    repo = make_shared(people, sharing)
    first, second = people.persons
    large = b"x" * 3_000_000
    with first.connect(people.shell, repo.path) as client:
        for content in (CONTENT, large):
            assert client.put(sha256_key(content), content) == "SUCCESS"
        client.close()
    with second.connect(people.shell, repo.path) as client:
        for content in (CONTENT, large):
            assert client.ask(f"CHECKPRESENT {sha256_key(content)}") == "SUCCESS"
            assert client.get(sha256_key(content)) == content
        assert client.ask(f"REMOVE {KEY}") == "FAILURE"
        assert client.put(sha256_key(b"more"), b"more") == "FAILURE"
        assert client.ask(f"LOCKCONTENT {KEY}") == "FAILURE"
        assert client.get(KEY) == CONTENT
        code, errors = client.close()
    assert code == 0
    assert len(errors.splitlines()) == 3
    assert errors.count("Permission denied") + errors.count("Operation not permitted") == 3
    assert "Traceback" not in errors
    assert "internal" not in errors
    with first.connect(people.shell, repo.path) as client:
        assert client.ask(f"REMOVE {KEY}") == "SUCCESS"
        assert client.close() == (0, "")


def test_hooks_may_run_git_annex_where_one_lock_is_for_all(repo: Repo) -> None:
    """It does not wait for what we have locked meanwhile (annex.pidlock)."""
    key = repo.add("file", b"content")
    repo.git("config", "annex.pidlock", "true")
    repo.git("config", "annex.pidlocktimeout", "1")
    command = f"test -e .git/annex/pidlock && git annex setpresentkey WORM-s1--x {CLIENT_UUID} 1 && touch done"
    repo.git("config", "annex.secure-erase-command", f"{command}; true %file")
    warnings: list[str] = []
    repository = open_repo(repo, warnings)
    repository.remove(parse_key(key.encode()))
    repository.close()
    assert (repo.path / "done").exists()
    assert not warnings
