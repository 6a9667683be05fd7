"""annexshell in place of git-annex, called by git as programs on a server do, beside the real one."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path

import pytest

from annexshell import __version__
from annexshell.cli.admin.standin import names
from annexshell.cli.admin.standin.version import FOLLOWED
from tests.support.admin import Done, config, succeed
from tests.support.pages import DOCS, code, items, sections, text_of
from tests.support.real import Repo, run

CONTENT = b"annexed content"
SENTENCE = re.compile(r"git-annex: this is annexshell, which answers only [a-z0-9, ]+; install git-annex [a-z ]+\n")


@pytest.fixture
def path(shell: Path, tmp_path: Path) -> str:
    """A PATH with git, and with nothing else called git-annex than a link to annexshell."""
    directory = tmp_path / "server programs"
    directory.mkdir()
    for name in ("git", "sh"):
        (directory / name).symlink_to(shutil.which(name) or "")
    (directory / "git-annex").symlink_to(shell.with_name("annexshell"))
    return str(directory)


@pytest.fixture
def ours(path: str) -> Callable[..., Done]:
    return lambda directory, *args, **env: annex(directory, *args, PATH=path, **env)


def annex(directory: Path, *args: str, **env: str) -> Done:
    argv: list[str | Path] = ["git", "-C", directory, "annex", *args]
    return Done(subprocess.run(argv, env={**os.environ, **env}, capture_output=True, stdin=subprocess.DEVNULL))


def fields(text: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in text.splitlines())


def hooks(git_dir: Path) -> list[str]:
    return sorted(path.name for path in (git_dir / "hooks").iterdir() if path.suffix != ".sample")


def test_version(repo: Repo, tmp_path: Path, ours: Callable[..., Done]) -> None:
    """The lines of the original in its order; nothing is claimed that it does not have."""
    for directory in (repo.path, tmp_path):
        told, original = (fields(succeed(side(directory, "version"))) for side in (ours, annex))
        assert list(told) == list(original)
        for name in ("build flags", "key/value backends", "remote types"):
            assert set(told[name].split()) <= set(original[name].split())
        for name in ("operating system", "supported repository versions"):
            assert told[name] == original[name]
    assert "local repository version" not in told


def test_the_version_alone(tmp_path: Path, ours: Callable[..., Done]) -> None:
    """It begins like the original's and has no line break behind it; others compare it with the one that they need."""
    told, original = (succeed(side(tmp_path, "version", "--raw")) for side in (ours, annex))
    assert told == f"{FOLLOWED}-annexshell-{__version__}"
    for release in (told, original):
        assert re.fullmatch(r"10\.\d{8}(-[\w.-]+)?", release)
    assert fields(succeed(ours(tmp_path, "version")))["git-annex version"] == told
    wrong = ours(tmp_path, "version", "--nosuch")
    assert (wrong.code, wrong.out, wrong.err) == (1, "", "git-annex: version takes only --raw here\n")


@pytest.mark.parametrize("bare", [True, False])
@pytest.mark.parametrize("words", [(), ("a description",), ("--no-autoenable", "one", "two")])
def test_init(words: tuple[str, ...], bare: bool, tmp_path: Path, ours: Callable[..., Done]) -> None:
    """As the original, except that nothing makes git call a git-annex that is not there."""
    made = []
    for name, side in (("ours", ours), ("theirs", annex)):
        directory = tmp_path / name
        run("git", "init", "-q", *(["--bare"] if bare else []), directory)
        made.append(succeed(side(directory, "init", *words)))
    assert made[0] == made[1]
    assert not any(line.startswith("filter.annex") for line in config(tmp_path / "ours"))
    assert hooks(tmp_path / "ours" / ("" if bare else ".git")) == (
        ["pre-push"] if bare else ["post-receive", "pre-push"]
    )
    assert fields(succeed(ours(tmp_path / "ours", "version")))["local repository version"] == "10"
    run("git", "annex", "fsck", "-q", "--all", cwd=tmp_path / "ours")  # the real one goes on from there


def test_init_where_a_git_annex_has_been(repo: Repo, ours: Callable[..., Done]) -> None:
    assert any(line.startswith("filter.annex") for line in config(repo.path))
    succeed(ours(repo.path, "init"))
    assert not any(line.startswith("filter.annex") for line in config(repo.path))


def test_wrong_options(repo: Repo, ours: Callable[..., Done]) -> None:
    wrong = ours(repo.path, "init", "--autoenable")
    assert (wrong.code, wrong.out) == (1, "")
    assert wrong.err.startswith("git-annex: wrong arguments for init: there is no option --autoenable")


def test_lookupkey(repo: Repo, ours: Callable[..., Done]) -> None:
    """What files lead to, and names that lead to none, by object id as by path."""
    repo.add("locked", CONTENT)
    repo.add("unlocked", b"other content")
    repo.annex("unlock", "-q", "unlocked")
    (repo.path / "large").write_bytes(b"/annex/objects/" * 5000)
    (repo.path / "plain").write_bytes(b"plain")
    (repo.path / "link").symlink_to("plain")
    repo.git("-c", "annex.largefiles=nothing", "add", ".")
    repo.git("commit", "-q", "-m", "files")
    files = ("locked", "unlocked", "large", "plain", "link")
    names = [f"HEAD:{name}" for name in (*files, "nosuch")]
    for name in [*names, *(repo.git("rev-parse", each).strip() for each in names[:-1]), "nosuch", "0" * 40]:
        told, original = (side(repo.path, "lookupkey", "--ref", name) for side in (ours, annex))
        assert (told.code, told.out) == (original.code, original.out), name
        assert told.code == (0 if told.out else 1)
    assert ours(repo.path, "lookupkey", "--ref", "HEAD").out == ours(repo.path, "lookupkey", "--ref", "--all").out == ""
    wrong = ours(repo.path, "lookupkey", "locked")
    assert (wrong.code, wrong.out) == (1, "")
    assert wrong.err.startswith("git-annex: lookupkey needs --ref and one name of git's")


def test_contentlocation(repo: Repo, bare: Repo, ours: Callable[..., Done]) -> None:
    """The same file as the original's, from wherever one asks."""
    key = repo.add("file", CONTENT)
    repo.git("remote", "add", "there", str(bare.path))
    repo.annex("copy", "-q", "--to", "there", "file")
    (repo.path / "sub").mkdir()
    for directory in (repo.path, repo.path / "sub", bare.path, bare.path / "refs"):
        told, original = (succeed(side(directory, "contentlocation", key)).strip() for side in (ours, annex))
        assert told == os.path.normpath(original)
        assert (directory / told).read_bytes() == CONTENT
    elsewhere = succeed(ours(bare.path, "contentlocation", key, GIT_DIR=str(repo.git_dir))).strip()
    assert (bare.path / elsewhere).samefile(repo.path / os.readlink(repo.path / "file"))
    absent = ours(repo.path, "contentlocation", "SHA256E-s1--aa")
    assert (absent.code, absent.out, absent.err) == (1, "", "")
    for words, said in ((["not a key"], "bad key"), ([], "contentlocation needs one key")):
        wrong = ours(repo.path, "contentlocation", *words)
        assert (wrong.code, wrong.out, wrong.err) == (1, "", f"git-annex: {said}\n")


def test_p2phttp(repo: Repo, path: str) -> None:
    """As a forge starts it, and ends it, which then passes requests on to it."""
    key = repo.add("file", CONTENT)
    argv: list[str | Path] = [
        "git",
        "-C",
        repo.path,
        "annex",
        "p2phttp",
        "-J2",
        "--bind",
        "127.0.0.1",
        "--wideopen",
        "--port",
        "0",
    ]
    with subprocess.Popen(argv, env={**os.environ, "PATH": path}, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            port = int(server.stdout.readline().removeprefix(b"listening on port "))
            connection = HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", f"/git-annex/{repo.uuid}/key/{key}")
            with connection.getresponse() as answer:
                assert (answer.status, answer.read()) == (200, CONTENT)
            connection.close()
        finally:
            server.send_signal(signal.SIGINT)
        assert server.stdout.read() == b""  # comes to its end when the last process that may write has gone


def test_git_dir(repo: Repo, tmp_path: Path, ours: Callable[..., Done]) -> None:
    """Nothing is done to another repository than the one that git was told."""
    run("git", "init", "-q", tmp_path / "other")
    succeed(ours(tmp_path / "other", "init", "renamed", GIT_DIR=str(repo.git_dir)))
    assert "renamed" in repo.git("cat-file", "blob", "git-annex:uuid.log")
    assert not any(line.startswith("annex.") for line in config(tmp_path / "other"))


@pytest.mark.parametrize("words", [["add", "."], ["pre-push", "--help"], ["smudge", "--", "x"], ["get"], []])
def test_everything_else(words: list[str], repo: Repo, ours: Callable[..., Done]) -> None:
    """One sentence; so careful hooks, which ask for the help of a command, see that git-annex is not there."""
    answer = ours(repo.path, *words)
    assert (answer.code, answer.out) == (1, "")
    assert SENTENCE.fullmatch(answer.err)


def test_help(path: str) -> None:
    done = subprocess.run([f"{path}/git-annex", "--help"], env={"PATH": path}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"git-annex is a link to annexshell here and answers: {', '.join(names())}\n"


def test_a_real_one_is_never_hidden(repo: Repo, path: str, programs: Path) -> None:
    for order in (f"{path}:{programs}", f"{programs}:{path}"):
        assert annex(repo.path, "version", PATH=order).out == annex(repo.path, "version").out
        assert annex(repo.path, "find", "--nosuch", PATH=order).code == annex(repo.path, "find", "--nosuch").code


def test_the_manual() -> None:
    found = items(sections(text_of(DOCS / "annexshell.1.md"))["IN PLACE OF GIT-ANNEX"])
    assert sorted(code(term)[0] for term, _ in found) == names()
