"""git's configuration, in all the forms in which people write it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annexshell.errors import ChildFailed
from annexshell.git.config import Config, parse_config, read_config, set_config, unset_config
from annexshell.git.program import Git
from tests.support.real import Repo

BOOLEANS = [
    ("true", True),
    ("TRUE", True),
    ("yes", True),
    ("On", True),
    ("1", True),
    ("2", True),
    ("-1", True),
    ("false", False),
    ("no", False),
    ("off", False),
    ("0", False),
    ('""', False),
]


@pytest.fixture
def written(repo: Repo) -> Callable[[str | bytes], Config]:
    """written(text) is the configuration with that at the end of the repository's config file."""

    def write(text: str | bytes) -> Config:
        with (repo.git_dir / "config").open("ab") as file:
            file.write(b"\n" + os.fsencode(text))
        return read_config(Git(os.fsencode(repo.git_dir), dict(os.environb)))

    return write


def test_booleans_are_those_of_git(written: Callable[[str], Config], repo: Repo) -> None:
    config = written("[test]\n" + "".join(f"\tb{n} = {text}\n" for n, (text, _) in enumerate(BOOLEANS)) + "\tnovalue\n")
    for n, (text, value) in enumerate(BOOLEANS):
        for default in (True, False):
            assert config.flag(f"test.b{n}", default) == value, text
        assert repo.git("config", "--type=bool", f"test.b{n}") == f"{str(value).lower()}\n"
    assert config.flag("test.novalue", False)
    assert config.get("test.novalue") == b"true"


@pytest.mark.parametrize("text", [None, b"maybe", b"1.5", b"truee", b"yes please"])
def test_what_is_no_boolean_counts_as_unset(text: bytes | None) -> None:
    config = Config([("test.b", text)] if text is not None else [])
    assert config.flag("test.b", True)
    assert not config.flag("test.b", False)


@pytest.mark.parametrize(
    ("text", "number"),
    [(None, 7), (b"300", 300), (b" 300 ", 300), (b"-1", -1), (b"", 7), (b"many", 7), (b"1.5", 7), (b"9" * 5000, 7)],
)
def test_numbers(text: bytes | None, number: int) -> None:
    assert Config([("test.n", text)] if text is not None else []).number("test.n", 7) == number


@pytest.mark.parametrize(
    ("text", "size"),
    [("100 MB", 10**8), ("1k", 1000), ("10kbb", 7), ("", 7), ("-1", 7), ("9e999", 1 << 1024)],
)
def test_sizes(text: str, size: int) -> None:
    """As git-annex reads them, not git, for whom 1k is 1024."""
    assert Config([("test.s", text.encode())]).size("test.s", 7) == size
    assert Config().size("test.s", 7) == 7


def test_names_and_values(written: Callable[[str | bytes], Config]) -> None:
    config = written(
        b"[Annex]\n\tUUID = abc\n\tMixedCase = x\n"
        b'[remote "My.Remote"]\n\tannex-UUID = u\n\turl = a=b\n'
        b'[odd]\n\tblanks = "  two  words "\n\tnewline = "a\\nb"\n\tbytes = \xff\xfe\n\tquote = "\\"\\\\"\n\tempty =\n'
        b"\tcomment = before # behind\n"
    )
    assert config.get("annex.uuid") == b"abc"
    assert config.get("annex.mixedcase") == b"x"
    assert config.get("annex.MixedCase") is None
    assert config.get("remote.My.Remote.annex-uuid") == b"u"
    assert config.get("remote.My.Remote.url") == b"a=b"
    assert config.get("odd.blanks") == b"  two  words "
    assert config.get("odd.newline") == b"a\nb"
    assert config.get("odd.bytes") == b"\xff\xfe"
    assert config.get("odd.quote") == b'"\\'
    assert config.get("odd.empty") == b""
    assert config.get("odd.comment") == b"before"
    assert list(config.names("remote.My")) == ["remote.My.Remote.annex-uuid", "remote.My.Remote.url"]
    assert list(config.names("none.")) == []


def test_of_several_values_the_last_counts(written: Callable[[str], Config]) -> None:
    config = written("[test]\n\tmany = 1\n\tmany = 2\n[other]\n\tx = y\n[test]\n\tmany = 3\n\tcleared = 1\n\tcleared\n")
    assert config.get("test.many") == b"3"
    assert config.get("test.cleared") == b"true"
    assert list(config.names("test.")) == ["test.many", "test.cleared"]


def test_files_that_are_included_and_those_of_the_user(
    written: Callable[[str], Config], repo: Repo, tmp_path: Path
) -> None:
    (tmp_path / "included").write_text("[test]\n\tincluded = yes\n\tboth = included\n")
    (tmp_path / "conditional").write_text("[test]\n\tconditional = yes\n")
    (tmp_path / "home" / ".gitconfig").write_text("[test]\n\tuser = yes\n\tboth = user\n")
    config = written(
        f"[include]\n\tpath = {tmp_path}/included\n"
        f'[includeIf "gitdir:{repo.git_dir}"]\n\tpath = {tmp_path}/conditional\n'
        '[includeIf "gitdir:/elsewhere/"]\n\tpath = nowhere\n'
    )
    assert [config.get(f"test.{name}") for name in ("included", "conditional", "user")] == [b"yes"] * 3
    assert config.get("test.both") == b"included"


def test_what_the_environment_adds(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"COUNT": "1", "KEY_0": "annex.Thin", "VALUE_0": "true"}.items():
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    assert read_config(Git(os.fsencode(repo.git_dir), dict(os.environb))).flag("annex.thin", False)


def test_a_broken_file(written: Callable[[str], Config]) -> None:
    with pytest.raises(ChildFailed, match="git config failed"):
        written("[test\n")


def test_git_directories_of_the_environment_are_ignored(repo: Repo, tmp_path: Path) -> None:
    env = {**os.environb, b"GIT_DIR": os.fsencode(tmp_path / "nowhere")}
    assert read_config(Git(os.fsencode(repo.git_dir), env)).get("annex.uuid") == repo.uuid.encode()


@pytest.mark.parametrize(
    "change", [lambda git: set_config(git, "a.b", b"c"), lambda git: unset_config(git, "core.bare")]
)
def test_a_lock_of_the_configuration(
    repo: Repo, change: Callable[[Git], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is waited for, since git does not, and named if it stays."""
    lock = repo.git_dir / "config.lock"
    git = Git(os.fsencode(repo.git_dir), os.environb)
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    lock.touch()
    with pytest.raises(ChildFailed, match=r"its lock config\.lock has been there for .*; annexshell doctor says"):
        change(git)
    assert sum(waited) < 2
    monkeypatch.setattr(time, "sleep", lambda _: lock.unlink())
    change(git)


def test_what_cannot_be_set(repo: Repo) -> None:
    with pytest.raises(ChildFailed, match="git config failed"):
        set_config(Git(os.fsencode(repo.git_dir), os.environb), "no-section", b"")


def test_nothing_at_all() -> None:
    config = parse_config(b"")
    assert config.get("annex.uuid") is None
    assert list(config.names("")) == []


@given(st.lists(st.tuples(st.from_regex(r"[a-z]{1,3}\.[a-z]{1,3}", fullmatch=True), st.none() | st.binary(max_size=9))))
def test_what_git_prints_is_read(pairs: list[tuple[str, bytes | None]]) -> None:
    pairs = [(name, None if value is None else value.replace(b"\0", b"")) for name, value in pairs]
    printed = b"".join(name.encode() + (b"" if value is None else b"\n" + value) + b"\0" for name, value in pairs)
    config = parse_config(printed)
    for name, value in dict(pairs).items():
        assert config.get(name) == (b"true" if value is None else value)
