"""annexshell.store.worktree.unlocked, on its own and together with git-annex 10.20261026."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from annexshell.disk.durable import Durability
from annexshell.disk.filelock import FileLocks
from annexshell.disk.perms import Perms
from annexshell.disk.scratch import Scratch
from annexshell.errors import ChildFailed, DiskFull
from annexshell.model.key import Key, parse_key
from annexshell.store.layout import AnnexDir, Layout
from annexshell.store.protection import ContentHooks, Protection
from annexshell.store.worktree import files as worktree
from annexshell.store.worktree import restage, unlocked
from annexshell.store.worktree.files import FilePlace, is_below, parse_pointer, pointer_text
from annexshell.store.worktree.keysdb import inode_cache_at
from annexshell.store.worktree.restage import parse_restage_line
from annexshell.store.worktree.unlocked import Unlocked, depends_on_contents
from tests.support.keysdb import execute, make_database

CONTENT = b"content of the key\n"
LONG_AGO = 1_234_567_890_123_456_789


def key_of(content: bytes, suffix: bytes = b"") -> Key:
    return parse_key(b"SHA256E-s%d--%b%b" % (len(content), hashlib.sha256(content).hexdigest().encode(), suffix))


KEY = key_of(CONTENT)


def has_content(path: bytes) -> bool:
    return Path(os.fsdecode(path)).read_bytes() == CONTENT


class Erasing(Protection):
    """With what erases files, if anything does."""

    def __init__(
        self,
        perms: Perms,
        hooks: ContentHooks,
        warn: Callable[[str], None],
        erase: Callable[[bytes], None] | None,
    ) -> None:
        super().__init__(perms, hooks, warn)
        self._erase = erase

    def eraser(self) -> Callable[[bytes], object] | None:
        return self._erase


class Repo:
    """A repository with a work tree, and what a server does to it."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.annex_dir = top / ".git" / "annex"
        self.layout = Layout(bytes(self.annex_dir), bare=False)
        self.warnings: list[str] = []

    def git(self, *args: str) -> str:
        done = subprocess.run(["git", "-C", self.top, *args], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def annex(self, *args: str) -> str:
        return self.git("annex", *args)

    def unlocked(
        self,
        thin: bool = False,
        shared: bytes | None = None,
        check_space: Callable[[int], None] = lambda size: None,
        erase: Callable[[bytes], None] | None = None,
    ) -> Unlocked:
        perms = Perms(shared, crippled=False, old_objects=False)
        locks, durability = FileLocks(perms.new_file), Durability(True)
        scratch = Scratch(self.layout.annex_dir, locks, perms, durability)
        hooks = ContentHooks(b"/nonexistent", bytes(self.top), dict, {})
        return Unlocked(
            AnnexDir(self.layout, perms, locks, durability, scratch),
            self.layout.annex_dir,
            bytes(self.top / ".git"),
            bytes(self.top),
            Erasing(perms, hooks, self.warnings.append, erase),
            thin,
            check_space,
            self.warnings.append,
        )

    def object_path(self, key: Key = KEY) -> Path:
        return Path(os.fsdecode(self.layout.object_candidates(key)[0]))

    def store(self, key: Key = KEY, content: bytes = CONTENT, **options: Any) -> None:
        """Puts an object into its place, as ingest does, and populates."""
        path = self.object_path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o444)
        self.unlocked(**options).populate(key, bytes(path))
        path.parent.chmod(0o555)

    def remove(self, key: Key = KEY, matches: Callable[[bytes], bool] = has_content, **options: Any) -> None:
        path = self.object_path(key)
        path.parent.chmod(0o755)
        path.unlink()
        self.unlocked(**options).depopulate(key, matches)
        path.parent.rmdir()

    def log(self) -> list[bytes]:
        path = self.annex_dir / "restage.log"
        return path.read_bytes().splitlines() if path.exists() else []

    def associate(self, file: bytes, key: Key = KEY) -> None:
        row = f"(x'{key.serialized.hex()}', x'{file.hex()}')"
        execute(self.annex_dir / "keysdb" / "db", f"INSERT INTO associated (key, file) VALUES {row}")

    def point(self, file: str, key: Key = KEY) -> Path:
        """A pointer file, in the database too."""
        path = self.top / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pointer_text(key))
        self.associate(file.encode(), key)
        return path

    def rows(self, key: Key = KEY) -> set[str]:
        query = f"SELECT inodecache FROM content WHERE key = x'{key.serialized.hex()}'"
        return {str(text) for (text,) in execute(self.annex_dir / "keysdb" / "db", query)}


def text_at(path: Path) -> str:
    cache = inode_cache_at(bytes(path))
    assert cache is not None
    return cache.text


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """A repository that git-annex has never seen, but with a database like its own."""
    made = Repo(tmp_path / "repo")
    made.top.mkdir()
    made.git("init", "-q", "-b", "main")
    make_database(made.annex_dir)
    return made


# Pointers


@pytest.mark.parametrize(
    "data",
    [
        pointer_text(KEY),
        pointer_text(KEY)[:-1],
        pointer_text(KEY)[:-1] + b"\r\n",
        b"../.git" + pointer_text(KEY),
        pointer_text(KEY) + b"/annex/more\n" + b"and /annex/ more\n",
        b"/annex/objects/xx/yy/" + KEY.file_name,
    ],
)
def test_what_is_a_pointer(data: bytes) -> None:
    assert parse_pointer(data) == KEY


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n" + pointer_text(KEY),
        KEY.serialized + b"\n",
        b"/annex/objects/\n",
        b"/annex/objects/nokey\n",
        pointer_text(KEY)[:-1] + b"\r\r\n",
        pointer_text(KEY) + b"\n",
        pointer_text(KEY) + b"my own text\n",
        pointer_text(KEY) + b"/annex/more without an end",
        pointer_text(KEY) + b"/annex/" + b"x" * 32768 + b"\n",
    ],
)
def test_what_is_no_pointer(data: bytes) -> None:
    assert parse_pointer(data) != KEY


def test_keys_are_escaped_in_pointers() -> None:
    odd = parse_key(b"URL--http://example.com/a%b&c")
    assert pointer_text(odd) == b"/annex/objects/URL--http&c%%example.com%a&sb&ac\n"
    assert parse_pointer(pointer_text(odd)) == odd


# Paths


@pytest.mark.parametrize("path", [b"a", b"a/b", b"a b", b"...", b".gitignore", b"a/.annex", b"\xff", b"new\nline"])
def test_paths_below(path: bytes) -> None:
    assert is_below(path)


@pytest.mark.parametrize(
    "path", [b"", b"/", b"/etc/x", b"..", b"../a", b"a/../b", b"a//b", b"a/", b"./a", b".git/x", b"a/.GIT/x", b"a\0b"]
)
def test_paths_not_below(path: bytes) -> None:
    assert not is_below(path)
    with pytest.raises(PermissionError):
        FilePlace(b"/", path)


def test_nothing_outside_of_the_work_tree_is_touched(repo: Repo, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    victims = [outside / "file", tmp_path / "above", repo.top / ".git" / "inside", outside / "content"]
    for victim in victims[:3]:
        victim.write_bytes(pointer_text(KEY))
    victims[3].write_bytes(CONTENT)
    (repo.top / "dir").symlink_to(outside)
    (repo.top / "link").symlink_to(outside / "file")
    (repo.top / "full").symlink_to(outside / "content")
    names = [b"dir/file", b"dir/content", b"link", b"full", b"../above", b".git/inside", bytes(victims[0]), b"x\0y"]
    for name in names:
        repo.associate(name)
    before = [(victim.read_bytes(), victim.stat()) for victim in victims]
    repo.store()
    repo.remove()
    assert [(victim.read_bytes(), victim.stat()) for victim in victims] == before
    assert (repo.top / "link").is_symlink()
    assert (repo.top / "full").is_symlink()
    assert repo.log() == []
    assert repo.warnings == []


# Populating


def test_nothing_happens_without_a_database(repo: Repo) -> None:
    file = repo.point("file")
    shutil.rmtree(repo.annex_dir / "keysdb")
    before = sorted(repo.annex_dir.iterdir())
    subject = repo.unlocked()
    subject.populate(KEY, b"/nonexistent")
    subject.depopulate(KEY, lambda path: True)
    subject.restage()
    assert file.read_bytes() == pointer_text(KEY)
    assert sorted(repo.annex_dir.iterdir()) == before
    assert repo.warnings == []


def test_populates_pointers_to_the_key_only(repo: Repo) -> None:
    file, deep, executable = repo.point("file"), repo.point("a/b/c"), repo.point("run")
    executable.chmod(0o755)
    other = repo.point("other")
    other.write_bytes(pointer_text(key_of(b"other")))
    edited = repo.point("edited")
    edited.write_bytes(pointer_text(KEY) + b"my own text\n")
    mine = repo.point("mine")
    mine.write_bytes(b"")
    repo.associate(b"gone")
    os.mkfifo(repo.top / "fifo")
    repo.associate(b"fifo")
    repo.store()
    assert {path.read_bytes() for path in (file, deep, executable)} == {CONTENT}
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file, executable)] == [0o644, 0o755]
    assert other.read_bytes() == pointer_text(key_of(b"other"))
    assert edited.read_bytes().endswith(b"my own text\n")
    assert mine.read_bytes() == b""
    assert not (repo.top / "gone").exists()
    texts = {text_at(path) for path in (file, deep, executable)}
    assert repo.rows() == texts | {text_at(repo.object_path())}
    assert set(repo.log()) == {
        f"{text_at(path)}:{path.relative_to(repo.top)}".encode() for path in (file, deep, executable)
    }
    assert stat.S_IMODE(repo.object_path().stat().st_mode) == 0o444
    assert list((repo.annex_dir / "othertmp").iterdir()) == []
    assert repo.warnings == []


@pytest.mark.parametrize(
    ("shared", "modes"), [(b"group", [0o664, 0o775]), (b"all", [0o664, 0o775]), (b"0640", [0o640, 0o750])]
)
def test_populated_files_are_shared(repo: Repo, shared: bytes, modes: list[int]) -> None:
    paths = [repo.point("file"), repo.point("run")]
    paths[1].chmod(0o700)
    repo.store(shared=shared)
    assert [stat.S_IMODE(path.stat().st_mode) for path in paths] == modes


def test_a_locked_file_costs_no_write(repo: Repo) -> None:
    (repo.top / "locked").symlink_to(repo.object_path())
    repo.associate(b"locked")
    repo.store()
    assert repo.rows() == set()
    assert not (repo.annex_dir / "othertmp").exists()


def test_without_room_pointers_stay(repo: Repo) -> None:
    def full(size: int) -> None:
        assert size == len(CONTENT)
        raise DiskFull("not enough free space")

    files = [repo.point("one"), repo.point("two")]
    repo.store(check_space=full)
    assert {file.read_bytes() for file in files} == {pointer_text(KEY)}
    assert repo.warnings == ["not enough free space while giving one its content"]
    assert repo.log() == []


def test_a_file_edited_while_it_is_copied_is_left_alone(repo: Repo) -> None:
    file, other = repo.point("file"), repo.point("other")
    repo.store(check_space=lambda size: file.write_bytes(b"my own text\n") and None)
    assert file.read_bytes() == b"my own text\n"
    assert other.read_bytes() == CONTENT
    assert len(repo.log()) == 1


def test_a_directory_swapped_for_a_link_is_not_followed(repo: Repo, tmp_path: Path) -> None:
    file = repo.point("dir/file")
    (tmp_path / "outside").mkdir()
    victim = tmp_path / "outside" / "file"
    victim.write_bytes(pointer_text(KEY))

    def swap(size: int) -> None:
        file.parent.rename(repo.top / "moved")
        (repo.top / "dir").symlink_to(tmp_path / "outside")

    repo.store(check_space=swap)
    assert victim.read_bytes() == pointer_text(KEY)
    assert (repo.top / "moved" / "file").read_bytes() == pointer_text(KEY)
    assert len(repo.warnings) == 1


def test_a_database_that_is_not_understood_is_only_warned_of(repo: Repo) -> None:
    file = repo.point("file")
    execute(repo.annex_dir / "keysdb" / "db", "ALTER TABLE content ADD COLUMN more")
    repo.store()
    assert file.read_bytes() == pointer_text(KEY)
    repo.remove()
    assert len(repo.warnings) == 2
    assert all("doesn't know" in warning for warning in repo.warnings)


def test_copying_without_help_of_the_kernel(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*args: object) -> int:
        raise OSError(38, "Function not implemented")

    file = repo.point("file")
    monkeypatch.setattr(os, "copy_file_range", unsupported)
    repo.store()
    assert file.read_bytes() == CONTENT
    monkeypatch.setattr(os, "sendfile", unsupported)
    second = repo.point("second")
    repo.unlocked().populate(KEY, bytes(repo.object_path()))
    assert second.read_bytes() == pointer_text(KEY)
    assert repo.warnings == ["the copy of the object is not complete while giving second its content"]


def test_a_copy_that_fails_half_way_is_no_content(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> int:
        raise OSError(5, "Input/output error")

    file = repo.point("file")
    monkeypatch.setattr(os, "copy_file_range", broken)
    repo.store()
    assert file.read_bytes() == pointer_text(KEY)
    assert repo.warnings == ["Input/output error while giving file its content"]
    assert list((repo.annex_dir / "othertmp").iterdir()) == []


# Depopulating


def never(path: bytes) -> bool:
    raise AssertionError("was read needlessly")


def test_depopulates_what_is_known_without_reading_it(repo: Repo) -> None:
    file, executable = repo.point("file"), repo.point("run")
    executable.chmod(0o755)
    repo.store()
    os.utime(file, ns=(LONG_AGO, LONG_AGO))
    repo.unlocked().is_unmodified(KEY, bytes(file), has_content)
    repo.remove(matches=never)
    assert {file.read_bytes(), executable.read_bytes()} == {pointer_text(KEY)}
    assert file.stat().st_mtime_ns == LONG_AGO
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file, executable)] == [0o644, 0o755]
    assert repo.rows() == set()
    assert len(repo.log()) == 4
    assert repo.log()[-2] == f"{text_at(file)}:file".encode()
    assert repo.warnings == []


def test_depopulates_what_is_unknown_after_reading_it(repo: Repo) -> None:
    file, edited, longer = repo.point("file"), repo.point("edited"), repo.point("longer")
    repo.store()
    os.utime(file)
    edited.write_bytes(CONTENT.upper())
    longer.write_bytes(CONTENT * 2)
    read: list[bytes] = []

    def reading(path: bytes) -> bool:
        read.append(path)
        return has_content(path)

    repo.remove(matches=reading)
    assert file.read_bytes() == pointer_text(KEY)
    assert edited.read_bytes() == CONTENT.upper()
    assert longer.read_bytes() == CONTENT * 2
    assert sorted(read) == [bytes(edited), bytes(file)]


def test_a_resemblance_is_not_enough_to_empty_a_file(repo: Repo) -> None:
    """The sentinal is missing, so that git-annex would compare sizes and times only."""
    file = repo.point("file")
    repo.store()
    times = file.stat()
    file.write_bytes(CONTENT.upper())
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    repo.remove()
    assert file.read_bytes() == CONTENT.upper()


def test_a_file_edited_while_it_is_read_is_left_alone(repo: Repo) -> None:
    file = repo.point("file")
    repo.store()
    os.utime(file)

    def edit(path: bytes) -> bool:
        file.write_bytes(CONTENT.upper())
        return True

    repo.remove(matches=edit)
    assert file.read_bytes() == CONTENT.upper()
    assert list((repo.annex_dir / "othertmp").iterdir()) == []


def test_one_difficult_file_does_not_keep_the_others(repo: Repo) -> None:
    difficult, file = repo.point("a"), repo.point("b")
    repo.store()
    os.utime(difficult)
    os.utime(file)

    def unreadable(path: bytes) -> bool:
        if path == bytes(difficult):
            raise OSError(5, "Input/output error")
        return has_content(path)

    repo.remove(matches=unreadable)
    assert difficult.read_bytes() == CONTENT
    assert file.read_bytes() == pointer_text(KEY)
    assert repo.warnings == ["Input/output error while taking removed content from a"]


def test_emptied_files_are_erased_where_the_owner_wants_it(repo: Repo) -> None:
    file, edited = repo.point("file"), repo.point("edited")
    repo.store()
    edited.write_bytes(b"my own text")
    erased: list[bytes] = []
    repo.remove(erase=lambda path: erased.append(Path(os.fsdecode(path)).read_bytes()))
    assert erased == [CONTENT]
    assert file.read_bytes() == pointer_text(KEY)
    assert list((repo.annex_dir / "othertmp").iterdir()) == []


def test_a_file_is_emptied_even_when_erasing_fails(repo: Repo) -> None:
    def failing(path: bytes) -> None:
        raise ChildFailed("the secure-erase hook failed with exit code 1")

    file = repo.point("file")
    repo.store()
    repo.remove(erase=failing)
    assert file.read_bytes() == pointer_text(KEY)
    assert len(repo.log()) == 2
    assert repo.warnings == ["the secure-erase hook failed with exit code 1 while erasing removed content of file"]


# annex.thin


def test_thin_links_the_object_once(repo: Repo) -> None:
    files = [repo.point("one"), repo.point("two")]
    repo.store(thin=True)
    assert [file.stat().st_nlink for file in files] == [2, 1]
    assert files[0].samefile(repo.object_path())
    assert stat.S_IMODE(repo.object_path().stat().st_mode) == 0o644
    assert repo.rows() == {text_at(file) for file in files}
    assert {file.read_bytes() for file in files} == {CONTENT}


def test_thin_without_a_link_freezes_the_object_again(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    file = repo.point("file")
    real = worktree.set_executable

    def edit(path: bytes, executable: bool) -> None:
        file.write_bytes(b"my own text")
        real(path, executable)

    monkeypatch.setattr(unlocked, "set_executable", edit)
    repo.store(thin=True)
    assert file.read_bytes() == b"my own text"
    assert repo.object_path().stat().st_nlink == 1
    assert stat.S_IMODE(repo.object_path().stat().st_mode) == 0o444


def test_thin_presence_follows_the_content(repo: Repo) -> None:
    file = repo.point("file")
    repo.store(thin=True)
    subject, path = repo.unlocked(thin=True), bytes(repo.object_path())
    assert subject.is_unmodified(KEY, path, never)
    os.utime(file)
    assert subject.is_unmodified(KEY, path, has_content)
    assert subject.is_unmodified(KEY, path, never)  # was remembered
    with file.open("ab") as edited:
        edited.write(b"more")
    assert not subject.is_unmodified(KEY, path, has_content)
    assert not subject.is_unmodified(KEY, path + b"gone", never)
    repo.object_path().parent.chmod(0o755)
    file.chmod(0o444)
    repo.remove(thin=True)
    assert file.read_bytes() == CONTENT + b"more"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_thin_presence_changing_while_it_is_read(repo: Repo) -> None:
    file = repo.point("file")
    repo.store(thin=True)
    os.utime(file)

    def edit(path: bytes) -> bool:
        file.write_bytes(b"my own text")
        return True

    assert not repo.unlocked(thin=True).is_unmodified(KEY, bytes(repo.object_path()), edit)


def test_thin_presence_after_the_repository_was_copied(repo: Repo) -> None:
    repo.point("file")
    repo.store(thin=True)
    (repo.annex_dir / "sentinal").touch()
    (repo.annex_dir / "sentinal.cache").write_text(text_at(repo.annex_dir / "sentinal"))
    copy = repo.object_path().with_name("copy")
    repo.object_path().parent.chmod(0o755)
    shutil.copy2(repo.object_path(), copy)
    assert not repo.unlocked(thin=True).is_unmodified(KEY, bytes(copy), lambda path: False)
    (repo.annex_dir / "sentinal.cache").write_text("1 0 1 ")
    assert repo.unlocked(thin=True).is_unmodified(KEY, bytes(copy), never)


def test_thin_presence_without_a_usable_database(repo: Repo) -> None:
    file = repo.top / "file"
    file.write_bytes(CONTENT)
    execute(repo.annex_dir / "keysdb" / "db", "DROP TABLE content")
    assert repo.unlocked(thin=True).is_unmodified(KEY, bytes(file), has_content)
    assert len(repo.warnings) == 2
    shutil.rmtree(repo.annex_dir / "keysdb")
    assert repo.unlocked(thin=True).is_unmodified(KEY, bytes(file), has_content)
    assert not repo.unlocked(thin=True).is_unmodified(KEY, bytes(file), lambda path: False)
    assert len(repo.warnings) == 2


# Adjusted branches


@pytest.mark.parametrize(
    ("branch", "unstable"),
    [
        ("main", False),
        ("main(hidemissing)", False),
        ("adjusted/main(unlocked)", False),
        ("adjusted/main(lockpresent)", False),
        ("adjusted/main(hidemissing)", True),
        ("adjusted/a(b)c(hidemissing-unlocked)", True),
        ("adjusted/main(unlockpresent)", True),
    ],
)
def test_unstable_adjustments_are_noted(repo: Repo, branch: str, unstable: bool) -> None:
    head = f"ref: refs/heads/{branch}\n"
    assert depends_on_contents(head.encode()) == unstable
    (repo.top / ".git" / "HEAD").write_text(head)
    log = repo.annex_dir / "adjust.log"
    for change in (repo.store, repo.remove):
        change()
        assert log.exists() == unstable
        if unstable:
            stamp, needed = log.read_text().split(" ")
            assert needed == "1\n"
            assert stamp.endswith("s")
            assert float(stamp[:-1]) > 0
            log.unlink()


# Restaging


def forbid_filters(repo: Repo) -> None:
    """From now on git fails wherever it would run git-annex's filter."""
    (repo.top / ".git" / "info").mkdir(exist_ok=True)
    (repo.top / ".git" / "info" / "attributes").write_text("* filter=annex\n")
    for name in ("clean", "smudge"):
        repo.git("config", f"filter.annex.{name}", "exit 3")
    repo.git("config", "filter.annex.required", "true")


def status(repo: Repo) -> str:
    return repo.git("--no-optional-locks", "status", "--porcelain", "--untracked-files=no")


@pytest.fixture(params=["2", "3", "4", "skiphash", "sha256"])
def indexed(request: pytest.FixtureRequest, tmp_path: Path) -> Repo:
    """A repository whose index, of some kind, is old, and has pointers among other things."""
    made = Repo(tmp_path / "repo")
    made.top.mkdir()
    made.git("init", "-q", "-b", "main", f"--object-format={'sha256' if request.param == 'sha256' else 'sha1'}")
    make_database(made.annex_dir)
    for name in ("a", "dir/file", "dir/file2", "run", "z" * 100 + "/" + "z" * 200):
        made.point(name)
    (made.top / "run").chmod(0o755)
    (made.top / "plain").write_text("plain")
    (made.top / "link").symlink_to("plain")
    for path in made.top.rglob("[!.]*"):
        os.utime(path, ns=(LONG_AGO, LONG_AGO), follow_symlinks=False)
    made.git("add", ".")
    made.git("commit", "-q", "-m", "m")
    index = made.top / ".git" / "index"
    if request.param in ("3", "4"):
        made.git("update-index", "--index-version", request.param)
    if request.param == "3":
        made.git("update-index", "--skip-worktree", "plain")
        assert index.read_bytes()[7] == 3
    if request.param == "skiphash":
        index.write_bytes(index.read_bytes()[:-20] + bytes(20))
    os.utime(index, ns=(LONG_AGO + 10**10, LONG_AGO + 10**10))
    forbid_filters(made)
    return made


def hash_name(repo: Repo) -> str:
    return repo.git("rev-parse", "--show-object-format").strip()


def test_git_status_is_clean_without_any_filter(indexed: Repo) -> None:
    assert status(indexed) == ""
    skipped = (indexed.top / ".git" / "index").read_bytes().endswith(bytes(20))
    indexed.store()
    assert len(indexed.log()) == 5
    subject = indexed.unlocked()
    subject.restage(hash_name(indexed))
    assert indexed.log() == []
    assert status(indexed) == ""
    assert (indexed.top / ".git" / "index").read_bytes().endswith(bytes(20)) == skipped
    if not skipped:
        indexed.git("fsck", "--strict")
        assert indexed.git("-c", "fsck.index=true", "ls-files", "-s").count("\n") == 7
    indexed.remove()
    subject.restage(hash_name(indexed))
    assert indexed.log() == []
    assert status(indexed) == ""
    assert indexed.warnings == []
    assert not (indexed.top / ".git" / "index.lock").exists()
    assert {path.name for path in (indexed.top / ".git").glob("index*")} == {"index"}


def test_the_index_is_as_git_would_have_made_it(indexed: Repo) -> None:
    """git's own refresh, with a filter that says what git-annex's would say, changes the same."""
    indexed.store()
    before = (indexed.top / ".git" / "index").read_bytes()
    indexed.git("config", "filter.annex.clean", f"printf {pointer_text(KEY).decode().strip()}\\\\n")
    indexed.git("config", "filter.annex.required", "false")
    indexed.git("update-index", "-q", "--refresh", *(line.split(b":")[1].decode() for line in indexed.log()))
    expected = indexed.git("ls-files", "--debug", "-s")
    (indexed.top / ".git" / "index").write_bytes(before)
    assert indexed.git("ls-files", "--debug", "-s") != expected
    indexed.unlocked().restage(hash_name(indexed))
    assert indexed.git("ls-files", "--debug", "-s") == expected


def test_other_changes_stay_visible(repo: Repo) -> None:
    """A file that was modified in the second of the index, and shows it by nothing but that."""
    repo.git("config", "core.trustctime", "false")
    repo.point("file")
    racy, quiet = repo.top / "racy", repo.top / "quiet"
    for path in (racy, quiet):
        path.write_text("aaa")
        os.utime(path, ns=(LONG_AGO, LONG_AGO))
    repo.git("add", ".")
    racy.write_text("bbb")
    os.utime(racy, ns=(LONG_AGO, LONG_AGO))
    os.utime(repo.top / ".git" / "index", ns=(LONG_AGO, LONG_AGO))
    repo.git("-c", "core.trustctime=false", "diff-files", "--exit-code", "quiet")
    assert repo.git("diff-files", "--name-only") == "racy\n"
    repo.store()
    repo.unlocked().restage()
    assert repo.log() == []
    repo.git("config", "core.checkStat", "minimal")
    repo.git("update-index", "-q", "--refresh")
    assert repo.git("diff-files", "--name-only").split() == ["racy"]


def test_a_locked_index_is_left_for_later(indexed: Repo) -> None:
    indexed.store()
    index, lock = indexed.top / ".git" / "index", indexed.top / ".git" / "index.lock"
    before, log = index.read_bytes(), indexed.log()
    lock.touch()
    indexed.unlocked().restage(hash_name(indexed))
    assert index.read_bytes() == before
    assert lock.read_bytes() == b""
    assert indexed.log() == log
    assert indexed.warnings == []
    lock.unlink()
    indexed.unlocked().restage(hash_name(indexed))
    assert indexed.log() == []


def test_an_index_that_changes_meanwhile_is_left_for_later(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.point("file")
    repo.git("add", ".")
    repo.store()
    index, log = repo.top / ".git" / "index", repo.log()
    patch = restage._patch

    def change(*args: Any) -> bool:
        os.utime(index, ns=(LONG_AGO, LONG_AGO))
        return patch(*args)

    monkeypatch.setattr(restage, "_patch", change)
    before = index.read_bytes()
    repo.unlocked().restage()
    assert index.read_bytes() == before
    assert repo.log() == log
    assert {path.name for path in index.parent.glob("index*")} == {"index"}


def test_a_file_that_changes_before_the_index_is_locked(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else somebody may have changed and refreshed it meanwhile, and we would undo that."""
    file = repo.point("file")
    repo.git("add", ".")
    repo.store()
    index = repo.top / ".git" / "index"
    patch = restage._patch

    def change(*args: Any) -> bool:
        file.write_bytes(b"my own text")
        return patch(*args)

    before = index.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(restage, "_patch", change)
        repo.unlocked().restage()
    assert index.read_bytes() == before
    assert len(repo.log()) == 1
    repo.unlocked().restage()
    assert index.read_bytes() == before
    assert repo.log() == []


@pytest.mark.parametrize("damage", ["split", "version", "checksum", "cut", "signature", "extension"])
def test_an_index_that_is_not_understood_is_left_to_git_annex(repo: Repo, damage: str) -> None:
    repo.point("file")
    repo.git("add", ".")
    index = repo.top / ".git" / "index"
    data = index.read_bytes()[:-20]
    if damage == "split":
        repo.git("update-index", "--split-index")
    elif damage == "checksum":
        index.write_bytes(data + b"x" * 20)
    else:
        changed = {
            "version": data[:7] + b"\5" + data[8:],
            "cut": data[:-30],
            "signature": b"X" + data[1:],
            "extension": data + b"link\0\0\0\0",
        }[damage]
        index.write_bytes(changed + hashlib.sha1(changed).digest())
    before = index.read_bytes()
    repo.store()
    log = repo.log()
    repo.unlocked().restage()
    assert index.read_bytes() == before
    assert repo.log() == log
    assert repo.warnings == []


def test_only_the_pointer_of_the_content_is_refreshed(repo: Repo) -> None:
    """The index has the pointer of another key: the file is modified, and must stay so."""
    file = repo.point("file")
    file.write_bytes(pointer_text(key_of(b"other")))
    repo.git("add", ".")
    file.write_bytes(pointer_text(KEY))
    forbid_filters(repo)
    before = repo.git("ls-files", "--debug")
    repo.store()
    repo.unlocked().restage()
    assert repo.git("ls-files", "--debug") == before
    assert repo.log() == []


def test_a_file_changed_since_is_not_refreshed(repo: Repo) -> None:
    file = repo.point("file")
    repo.git("add", ".")
    forbid_filters(repo)
    repo.store()
    file.write_bytes(CONTENT.upper())
    before = repo.git("ls-files", "--debug")
    repo.unlocked().restage()
    assert repo.git("ls-files", "--debug") == before
    assert repo.log() == []


def test_a_file_whose_content_is_not_known_stays_in_the_log(repo: Repo) -> None:
    repo.point("file")
    repo.git("add", ".")
    repo.store()
    log = repo.log()
    execute(repo.annex_dir / "keysdb" / "db", "DELETE FROM content")
    repo.unlocked().restage()
    assert repo.log() == log


def test_lines_added_meanwhile_and_junk(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.point("file")
    repo.git("add", ".")
    repo.store()
    log = repo.annex_dir / "restage.log"
    log.write_bytes(b"junk\n1 2 3 4:../etc\n" + log.read_bytes())
    refresh = restage.refresh_index

    def later(*args: Any) -> bool:
        log.write_bytes(log.read_bytes() + b"1 2 3 4:later\n")
        return refresh(*args)

    monkeypatch.setattr(unlocked, "refresh_index", later)
    repo.unlocked().restage()
    assert repo.log() == [b"1 2 3 4:later"]
    assert parse_restage_line(b"junk") is None
    assert parse_restage_line(b"1 2 3 :a:b") is not None


def test_a_repository_without_an_index(repo: Repo) -> None:
    repo.point("file")
    repo.store()
    repo.unlocked().restage()
    assert repo.log() == []
    assert not (repo.top / ".git" / "index").exists()


# Together with git-annex


@pytest.fixture
def real(tmp_path: Path) -> Repo:
    """A clone of a repository with unlocked files, whose contents are still in the other one."""
    if shutil.which("git-annex") is None:
        pytest.skip("there is no git-annex here")
    origin = Repo(tmp_path / "origin")
    origin.top.mkdir()
    origin.git("init", "-q", "-b", "main")
    origin.annex("init", "-q", "origin")
    (origin.top / "dir").mkdir()
    for name in ("file", "dir/copy", "run"):
        (origin.top / name).write_bytes(CONTENT)
    (origin.top / "run").chmod(0o755)
    (origin.top / "locked").write_bytes(CONTENT)
    (origin.top / "other").write_bytes(b"other")
    origin.annex("add", "-q", "locked")
    origin.git("-c", "annex.addunlocked=true", "annex", "add", "-q", ".")
    origin.git("update-index", "--chmod=+x", "run")  # of several files with the same content, git-annex forgets it
    origin.git("commit", "-q", "-m", "m")
    clone = Repo(tmp_path / "clone")
    origin.git("clone", "-q", str(origin.top), str(clone.top))
    clone.annex("init", "-q", "clone")
    clone.annex("fsck", "-q", "--fast")  # makes the database
    assert clone.annex("lookupkey", "file").encode().strip() == KEY.serialized
    assert (clone.top / "file").read_bytes() == pointer_text(KEY)
    return clone


UNLOCKED = ("file", "dir/copy", "run")


def contents(repo: Repo) -> set[bytes]:
    return {(repo.top / name).read_bytes() for name in UNLOCKED}


@pytest.mark.parametrize("thin", [False, True])
def test_git_annex_finds_a_store_in_order(real: Repo, thin: bool) -> None:
    real.git("config", "annex.thin", str(thin).lower())
    real.store(thin=thin)
    assert contents(real) == {CONTENT}
    assert os.access(real.top / "run", os.X_OK)
    populated = {name: text_at(real.top / name) for name in UNLOCKED}
    assert real.annex("find").split() == ["dir/copy", "file", "locked", "run"]
    assert "ok" in real.annex("fsck", "file", "run", "dir/copy", "locked")
    real.annex("restage")
    assert status(real) == ""
    assert {name: text_at(real.top / name) for name in UNLOCKED} == populated  # nothing was left to put right
    real.annex("fsck", "-q")
    real.annex("whereis", "file")
    assert "here" in real.annex("whereis", "file")
    real.annex("drop", "file")
    assert contents(real) == {pointer_text(KEY)}
    assert not real.object_path().exists()
    assert real.warnings == []


@pytest.mark.parametrize("thin", [False, True])
def test_git_annex_finds_a_removal_in_order(real: Repo, thin: bool) -> None:
    real.git("config", "annex.thin", str(thin).lower())
    real.annex("get", "-q", "file")
    assert contents(real) == {CONTENT}
    real.remove(thin=thin, matches=never)
    assert contents(real) == {pointer_text(KEY)}
    assert os.access(real.top / "run", os.X_OK)
    assert real.rows() == set()
    real.annex("setpresentkey", KEY.serialized.decode(), real.git("config", "annex.uuid").strip(), "0")
    real.annex("fsck", "-q")
    real.annex("restage")
    assert status(real) == ""
    assert real.annex("find") == ""
    real.annex("get", "-q", "file")
    assert contents(real) == {CONTENT}
    assert status(real) == ""
    assert real.warnings == []


def test_git_status_is_clean_on_a_machine_without_git_annex(real: Repo, tmp_path: Path) -> None:
    """Where git otherwise shows modifications, or even dies. And the index is right for git-annex as well."""
    (tmp_path / "bin").mkdir()
    for program in ("git", "sh"):
        (tmp_path / "bin" / program).symlink_to(shutil.which(program) or "")
    for path in real.top.rglob("[!.]*"):
        os.utime(path, ns=(LONG_AGO, LONG_AGO), follow_symlinks=False)
    real.git("update-index", "-q", "--refresh")

    def git_status() -> tuple[int, bytes]:
        argv = ["git", "-C", str(real.top), "--no-optional-locks", "status", "--porcelain"]
        done = subprocess.run(argv, env={**os.environ, "PATH": str(tmp_path / "bin")}, capture_output=True, check=False)
        return done.returncode, done.stdout

    for change in (real.store, real.remove):
        change()
        assert git_status() != (0, b"")
        real.unlocked().restage()
        assert git_status() == (0, b"")
    assert real.log() == []
    assert real.annex("restage") == "restage  ok\n"
    real.annex("get", "-q", "file")
    assert status(real) == ""


def test_we_restage_what_git_annex_could_not(real: Repo) -> None:
    lock = real.top / ".git" / "index.lock"
    lock.touch()
    real.annex("get", "-q", "file")
    lock.unlink()
    assert len(real.log()) == 3
    real.unlocked().restage()
    assert real.log() == []
    os.utime(real.top / ".git" / "index", (2**31 - 1, 2**31 - 1))  # else files of this second are looked into
    assert real.git("diff-files", "--name-only", "--", *UNLOCKED) == ""


def test_git_annex_restages_our_log(real: Repo) -> None:
    real.store()
    assert len(real.log()) == 3
    real.annex("restage")
    assert real.log() == []
    assert status(real) == ""


def test_modified_files_survive_a_removal(real: Repo) -> None:
    real.annex("get", "-q", "file")
    (real.top / "file").write_bytes(CONTENT.upper())
    real.remove()
    assert (real.top / "file").read_bytes() == CONTENT.upper()
    assert (real.top / "run").read_bytes() == pointer_text(KEY)
    real.annex("get", "-q", "run")
    assert (real.top / "file").read_bytes() == CONTENT.upper()
    real.git("add", "file")
    assert real.annex("lookupkey", "file").encode().strip() == key_of(CONTENT.upper()).serialized
    assert real.annex("find", "--unlocked", "file").split() == ["file"]


def test_an_edited_thin_file_takes_the_object_away(real: Repo) -> None:
    real.git("config", "annex.thin", "true")
    real.store(thin=True)
    linked = next(real.top / name for name in UNLOCKED if (real.top / name).samefile(real.object_path()))
    subject, path = real.unlocked(thin=True), bytes(real.object_path())
    assert subject.is_unmodified(KEY, path, never)
    os.utime(linked)
    assert subject.is_unmodified(KEY, path, has_content)
    linked.write_bytes(CONTENT.upper())
    assert not subject.is_unmodified(KEY, path, has_content)
    assert real.annex("find", "locked") == ""


def test_presence_of_what_git_annex_got_is_known(real: Repo) -> None:
    real.git("config", "annex.thin", "true")
    real.annex("get", "-q", "file")
    assert real.unlocked(thin=True).is_unmodified(KEY, bytes(real.object_path()), never)


def test_a_hidden_file_appears_after_a_store(real: Repo) -> None:
    real.annex("adjust", "-q", "--hide-missing", "--unlock")
    assert not (real.top / "file").exists()
    real.store()
    assert (real.annex_dir / "adjust.log").read_bytes().endswith(b"s 1\n")
    real.annex("adjust", "-q", "--hide-missing", "--unlock")
    assert (real.top / "file").read_bytes() == CONTENT


def test_scratch_space_survives_git_annex(real: Repo) -> None:
    annex_dir = bytes(real.annex_dir)
    with worktree.WorkTreeScratch(annex_dir, FileLocks(), Perms(None, False, False)) as scratch:
        name = Path(os.fsdecode(scratch.name()))
        name.write_text("x")
        real.annex("get", "-q", "file")
        assert name.exists()
    assert not name.exists()
