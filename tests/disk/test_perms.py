"""Modes of files, for every kind of sharing and umask."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from stat import S_IMODE

import pytest

from annexshell.disk.perms import Perms, make_directories, parse_shared
from tests.repo.places import make_repo
from tests.support.real import run

UMASKS = [0o022, 0o077, 0o002]


@pytest.fixture
def umask() -> Iterator[None]:
    """Tests may change the umask."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path | bytes) -> int:
    return S_IMODE(os.stat(path).st_mode)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ("unshared", 0)),
        (b"", ("unshared", 0)),
        (b"umask", ("unshared", 0)),
        (b"false", ("unshared", 0)),
        (b"0", ("unshared", 0)),
        (b"0000", ("unshared", 0)),
        (b"group", ("group", 0)),
        (b"Group", ("group", 0)),
        (b"true", ("group", 0)),
        (b"yes", ("group", 0)),
        (b"1", ("group", 0)),
        (b"001", ("group", 0)),
        (b"all", ("all", 0)),
        (b"world", ("all", 0)),
        (b"everybody", ("all", 0)),
        (b"2", ("all", 0)),
        (b"02", ("all", 0)),
        (b"0640", ("octal", 0o640)),
        (b"640", ("octal", 0o640)),
        (b"0660", ("octal", 0o660)),
        (b"02770", ("octal", 0o770)),
        # git itself would not work with these
        (b"-1", ("unshared", 0)),
        (b"0o660", ("unshared", 0)),
        (b"6_60", ("unshared", 0)),
        (b"0680", ("unshared", 0)),
        (b"some", ("unshared", 0)),
    ],
)
def test_sharing(value: bytes | None, expected: tuple[str, int]) -> None:
    assert parse_shared(value) == expected
    assert Perms(value, False, False).is_shared == (expected[0] != "unshared")


@pytest.mark.parametrize("value", ["umask", "0", "00", "1", "01", "group", "yes", "02", "all", "0640"])
def test_git_knows_the_same_kinds_of_sharing(tmp_path: Path, value: str, umask: None) -> None:
    run("git", "init", "-q", "--bare", tmp_path / "repo")
    run("git", "config", "core.sharedRepository", value, cwd=tmp_path / "repo")
    name = run("git", "hash-object", "-w", "--stdin", cwd=tmp_path / "repo", input=b"").strip()
    kind, octal = parse_shared(value.encode())
    expected = {"unshared": 0o444, "group": 0o444, "all": 0o444, "octal": octal & 0o444}[kind]
    directory = {"unshared": 0o755, "group": 0o2775, "all": 0o2775, "octal": 0o2000 | octal | (octal & 0o444) >> 2}[
        kind
    ]
    assert mode(tmp_path / "repo" / "objects" / name[:2] / name[2:]) == expected
    assert mode(tmp_path / "repo" / "objects" / name[:2]) == directory


# What is done to a file or directory of the mode that the umask gives it, and the modes with umask 022, 077 and 002.
TABLE = [
    ("new_file", None, (0o644, 0o600, 0o664)),
    ("new_file", b"group", (0o664, 0o660, 0o664)),
    ("new_file", b"all", (0o664, 0o664, 0o664)),
    ("new_file", b"0640", (0o640, 0o640, 0o640)),
    ("let_read", None, (0o644, 0o600, 0o664)),
    ("let_read", b"group", (0o644, 0o640, 0o664)),
    ("let_read", b"all", (0o644, 0o644, 0o664)),
    ("let_read", b"0640", (0o644, 0o640, 0o664)),
    ("new_directory", None, (0o755, 0o700, 0o775)),
    ("new_directory", b"group", (0o775, 0o770, 0o775)),
    ("new_directory", b"all", (0o775, 0o775, 0o775)),
    ("new_directory", b"0640", (0o2750, 0o2750, 0o2750)),
    ("new_directory", b"0660", (0o2770, 0o2770, 0o2770)),
    ("new_directory", b"0600", (0o2700, 0o2700, 0o2700)),
    ("freeze_object", None, (0o444, 0o400, 0o444)),
    ("freeze_object", b"group", (0o444, 0o440, 0o444)),
    ("freeze_object", b"all", (0o444, 0o444, 0o444)),
    ("freeze_object", b"0640", (0o440, 0o440, 0o440)),
    ("freeze_directory", None, (0o555, 0o500, 0o555)),
    ("freeze_directory", b"group", (0o755, 0o700, 0o775)),
    ("freeze_directory", b"all", (0o755, 0o700, 0o775)),
    ("freeze_directory", b"0640", (0o2550, 0o2550, 0o2550)),
    ("freeze_directory", b"0660", (0o2570, 0o2570, 0o2570)),
]
OLD = [(None, 0o444), (b"group", 0o664), (b"all", 0o666), (b"0660", 0o660), (b"0640", 0o640)]


def create(path: Path, operation: str) -> bytes:
    if "directory" in operation:
        path.mkdir()
    else:
        path.touch()
    return os.fsencode(path)


@pytest.mark.parametrize(("operation", "shared", "expected"), TABLE)
def test_modes(tmp_path: Path, umask: None, operation: str, shared: bytes | None, expected: tuple[int, ...]) -> None:
    found = []
    for mask in UMASKS:
        os.umask(mask)
        path = create(tmp_path / f"{mask}", operation)
        getattr(Perms(shared, False, False), operation)(path)
        found.append(mode(path))
        os.chmod(path, 0o700)
    assert [f"{m:04o}" for m in found] == [f"{m:04o}" for m in expected]


@pytest.mark.parametrize(("shared", "expected"), OLD)
def test_objects_up_to_version_9(tmp_path: Path, umask: None, shared: bytes | None, expected: int) -> None:
    """Shared ones stay writable, since they are locked themselves."""
    path = create(tmp_path / "object", "")
    Perms(shared, False, True).freeze_object(path)
    assert mode(path) == expected


@pytest.mark.parametrize("shared", [None, b"group", b"all", b"0640"])
def test_thawing(tmp_path: Path, umask: None, shared: bytes | None) -> None:
    perms = Perms(shared, False, False)
    file, directory = create(tmp_path / "object", "file"), create(tmp_path / "directory", "directory")
    perms.freeze_object(file)
    perms.freeze_directory(directory)
    perms.thaw_object(file)
    perms.thaw_directory(directory)
    assert mode(file) & 0o600 == 0o600
    assert mode(directory) & 0o700 == 0o700
    others = mode(directory) & 0o2077
    perms.thaw_directory(directory)
    assert mode(directory) & 0o2077 == others


def test_a_directory_that_is_writable_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "chmod", None)
    Perms(None, False, False).thaw_directory(os.fsencode(tmp_path))


@pytest.mark.parametrize(
    "operation", ["new_file", "freeze_object", "thaw_object", "freeze_directory", "thaw_directory"]
)
@pytest.mark.parametrize("shared", [None, b"group", b"0640"])
def test_a_crippled_file_system_has_no_modes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str, shared: bytes | None
) -> None:
    path = create(tmp_path / "x", operation)
    os.chmod(path, 0o500)
    monkeypatch.setattr(os, "chmod", None)
    getattr(Perms(shared, True, False), operation)(path)


@pytest.mark.parametrize(("shared", "tolerated"), [(None, False), (b"group", True), (b"all", True), (b"0640", True)])
def test_files_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: bytes | None, tolerated: bool
) -> None:
    path = create(tmp_path / "x", "file")

    def refuse(path: bytes, mode: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "chmod", refuse)
    if tolerated:
        Perms(shared, False, False).freeze_object(path)
    else:
        with pytest.raises(PermissionError):
            Perms(shared, False, False).freeze_object(path)


@pytest.mark.parametrize("operation", ["new_file", "freeze_object", "thaw_object", "thaw_directory"])
def test_what_is_gone(tmp_path: Path, operation: str) -> None:
    with pytest.raises(FileNotFoundError):
        getattr(Perms(b"group", False, False), operation)(os.fsencode(tmp_path / "gone"))


@pytest.mark.parametrize("shared", ["", "group", "all", "0660"])
def test_git_annex_sets_the_same_modes(tmp_path: Path, umask: None, shared: str) -> None:
    repo = make_repo(tmp_path / "repo", shared=shared)
    key = repo.add("file", b"content")
    found = Path(os.path.realpath(repo.path / "file"))
    assert found.name == key
    perms = Perms(shared.encode(), False, False)
    directory = repo.annex_dir / "objects" / "a" / "b" / "c"
    made = make_directories(os.fsencode(directory), os.fsencode(repo.annex_dir), perms)
    objects = directory / "object"
    objects.touch()
    perms.freeze_object(os.fsencode(objects))
    perms.freeze_directory(made[-1])
    theirs = [mode(found), mode(found.parent), mode(found.parent.parent), mode(found.parent.parent.parent)]
    ours = [mode(objects), mode(made[-1]), mode(made[-2]), mode(made[-3])]
    assert [f"{m:04o}" for m in ours] == [f"{m:04o}" for m in theirs]
    os.chmod(made[-1], 0o700)


class TestMakeDirectories:
    """Directories that others may remove at any moment."""

    def test_what_is_missing(self, tmp_path: Path) -> None:
        top = os.fsencode(tmp_path)
        perms = Perms(None, False, False)
        made = [top + b"/a", top + b"/a/b", top + b"/a/b/c"]
        assert make_directories(made[-1], top, perms) == made
        assert make_directories(made[-1], top, perms) == []
        assert make_directories(made[1] + b"/d", top, perms) == [made[1] + b"/d"]

    def test_the_top_but_nothing_above_it(self, tmp_path: Path) -> None:
        perms = Perms(None, False, False)
        top = os.fsencode(tmp_path / "top")
        for path in (b"/above/top", b"/above/top/a", b"/above/top/a/b"):
            with pytest.raises(FileNotFoundError):
                make_directories(top + path, top + b"/above/top", perms)
        assert make_directories(top + b"/a", top, perms) == [top, top + b"/a"]

    def test_a_file_in_the_way(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(NotADirectoryError):
            make_directories(os.fsencode(tmp_path / "file" / "a"), os.fsencode(tmp_path), Perms(None, False, False))

    @pytest.mark.parametrize("times", [3, 100])
    def test_one_that_is_removed_again(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
        """By a removal that tidies up behind itself, just when we want to make one below it."""
        top, path = os.fsencode(tmp_path), os.fsencode(tmp_path / "a" / "b")
        left = [times]
        mkdir = os.mkdir

        def removing(name: bytes) -> None:
            if name == path and left[0] and os.path.exists(tmp_path / "a"):
                left[0] -= 1
                os.rmdir(tmp_path / "a")
            mkdir(name)

        monkeypatch.setattr(os, "mkdir", removing)
        if times < 10:
            assert make_directories(path, top, Perms(None, False, False))[-1] == path
            assert os.path.isdir(path)
        else:
            with pytest.raises(FileNotFoundError, match="keeps being removed"):
                make_directories(path, top, Perms(None, False, False))
