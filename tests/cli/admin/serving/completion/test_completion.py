"""annexshell completion: what the real shells make of the scripts."""

from __future__ import annotations

import shutil
import subprocess
from importlib import import_module
from pathlib import Path

import pytest
from docopt import Option, formal_usage, parse_docstring_sections, parse_options, parse_pattern

from annexshell.cli.admin import verbs
from annexshell.cli.admin.serving.completion import SHELLS, all_verbs, script
from annexshell.cli.admin.serving.completion.usage import Verb
from tests.support.admin import git, ours, succeed
from tests.support.terminal import Terminal

_HARNESS = """
source %s
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_annexshell
printf '%%s\\n' "${COMPREPLY[@]}"
"""
GROUPS = "archive backup client incrementalbackup manual public smallarchive source transfer unwanted".split()


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("completion")
    for shell in SHELLS:
        (directory / shell).write_text(script(shell))
    return directory


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A repository with remotes and clusters, and some files."""
    place = tmp_path / "place"
    git(tmp_path, "init", "-q", place)
    for name in ("disk1", "tape"):
        git(place, "remote", "add", name, f"/mnt/{name}")
    for name in ("lab", "a.$(touch oops)`touch oops`.home"):
        git(place, "config", f"annex.cluster.{name}", "00000000-0000-0000-0000-000000000000")
    (place / "keys").mkdir()
    (place / "key.pub").touch()
    return place


def in_bash(scripts: Path, place: Path, *words: str) -> list[str]:
    """What bash offers for the last word. As readline does, a = stands alone."""
    harness = _HARNESS % (scripts / "bash")
    argv = ["bash", "--norc", "-c", harness, "bash", "annexshell", *words]
    done = subprocess.run(argv, cwd=place, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


def in_fish(scripts: Path, place: Path, line: str) -> list[str]:
    argv = ["fish", "--no-config", "-c", f"source {scripts}/fish; complete -C 'annexshell {line}'"]
    done = subprocess.run(argv, cwd=place, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return [offered.partition("\t")[0] for offered in done.stdout.splitlines()]


@pytest.mark.parametrize("verb", all_verbs(), ids=lambda verb: verb.name)
def test_usages_are_understood_as_docopt_does(verb: Verb) -> None:
    sections = parse_docstring_sections(import_module(verbs.MODULES[verb.name]).USAGE)
    options = parse_options(sections.after_usage)
    expected = {(option.short, option.longer, bool(option.argcount)) for option in options}
    found = [(option.short or None, option.long or None, option.value is not None) for option in verb.options]
    assert sorted(map(str, found)) == sorted(map(str, expected))
    pattern = parse_pattern(formal_usage(sections.usage_body), options)
    assert {option.name for option in pattern.flat(Option)} <= {name for each in verb.options for name in each.names}
    arguments = {each.name for each in pattern.flat() if each.name and each.name.startswith("<")}
    assert {f"<{value.name}>" for value in verb.arguments} == arguments
    assert all(option.text and "[default" not in option.text for option in verb.options)


def test_all_verbs_are_there() -> None:
    assert sorted(verb.name for verb in all_verbs()) == sorted(verbs.MODULES)


def test_the_verb(tmp_path: Path) -> None:
    for shell in SHELLS:
        assert succeed(ours(tmp_path, "completion", shell)) == script(shell)
    done = ours(tmp_path, "completion", "csh")
    assert (done.code, done.err) == (1, "annexshell: there is no completion for csh, only for bash, zsh, fish\n")


@pytest.mark.parametrize("shell", SHELLS)
def test_shells_can_read_it(scripts: Path, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run([shell, "-n", scripts / shell], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["in"], ["init", "info", "initcluster"]),
        (["--"], ["--help", "--version"]),
        (["nosuch", ""], []),
        (["p2phttp", "--access"], ["--access=", "--access-log=", "--access-log-format="]),
        (["p2phttp", "--access-log-format", "="], ["combined", "json"]),
        (["p2phttp", "--access-log-format", "=", "j"], ["json"]),
        (["p2phttp", "--access-log-format", "j"], ["json"]),
        (["p2phttp", "--access-log-format=j"], ["--access-log-format=json"]),
        (["p2phttp", "--port", "=", ""], []),
        (["p2phttp", "--port", "=", "80", "--wi"], ["--wideopen"]),
        (["p2phttp", "--directory", "=", "ke"], ["keys"]),
        (["p2phttp", "--directory=ke"], ["--directory=keys"]),
        (["p2phttp", "--htpasswd", "key"], ["key.pub", "keys"]),
        (["authorized-keys", "--read-only", "key.p"], ["key.pub"]),
        (["doctor", "k"], ["keys"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["completion", "bash", ""], []),
        (["addnode", "l"], ["lab"]),
        (["addnode", "--quiet", "lab", ""], ["disk1", "tape"]),
        (["addnode", "--repo", "=", "x", "lab", "d"], ["disk1"]),
        (["addnode", "--repo", "x", "lab", "d"], ["disk1"]),
        (["addnode", "--", "lab", ""], ["disk1", "tape"]),
        (["addnode", "--", "-"], []),
        (["wanted", ""], ["here", "disk1", "tape"]),
        (["wanted", "here", ""], []),
        (["group", "here", ""], GROUPS),
        (["init", "some", "words", ""], []),
    ],
)
def test_bash(scripts: Path, place: Path, words: list[str], offered: list[str]) -> None:
    assert sorted(in_bash(scripts, place, *words)) == sorted(offered)


def test_names_are_not_run(scripts: Path, place: Path) -> None:
    """Names from a repository are quoted for the command line."""
    offered = " ".join(in_bash(scripts, place, "removecluster", ""))
    assert r"\$\(touch\ oops\)\`touch\ oops\`" in offered
    assert "lab" in offered
    assert not (place / "oops").exists()


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish(scripts: Path, place: Path) -> None:
    assert in_fish(scripts, place, "in") == ["info", "init", "initcluster"]
    assert in_fish(scripts, place, "p2phttp --access") == ["--access", "--access-log", "--access-log-format"]
    formats = ["--access-log-format=combined", "--access-log-format=json"]
    assert in_fish(scripts, place, "p2phttp --access-log-format=") == formats
    assert in_fish(scripts, place, "addnode --quiet lab ") == ["disk1", "tape"]
    for call in ("addnode --repo x lab ", "addnode --repo=x lab ", "addnode lab "):
        assert in_fish(scripts, place, call) == ["disk1", "tape"]
    assert "lab" in in_fish(scripts, place, "addnode --repo x ")
    assert "--offline" not in in_fish(scripts, place, "wanted status --")
    assert in_fish(scripts, place, "wanted ") == ["disk1", "here", "tape"]
    assert in_fish(scripts, place, "doctor k") == ["keys/"]
    assert "key.pub" in in_fish(scripts, place, "authorized-keys k")


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh(scripts: Path, place: Path) -> None:
    """The script offers itself for annexshell, and hands zsh what it understands."""
    command = f"autoload -U compinit; compinit -u -D; source {scripts}/zsh; print $_comps[annexshell];"
    command += "_arguments() { print -rl -- ARGUMENTS $@; return 0 }; _describe() { :; }; _annexshell"
    done = subprocess.run(["zsh", "-f", "-c", command], cwd=place, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[:2] == ["_annexshell", "ARGUMENTS"]
    script_of_verb = (scripts / "zsh").read_text()
    assert "'(--access-log-format)--access-log-format=[combined, which tools" in script_of_verb
    assert ":FORM:(combined json)'" in script_of_verb
    assert "'*--directory=[Serve the repositories below this directory." in script_of_verb


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_at_the_prompt(scripts: Path, place: Path) -> None:
    terminal = Terminal(place, "-fi", program=[shutil.which("zsh") or ""], TERM="dumb")
    try:
        terminal.press(f"autoload -U compinit; compinit -u -D; source {scripts}/zsh; print re''ady\n".encode())
        terminal.see(lambda seen: b"ready" in seen)
        terminal.press(b"annexshell wanted \t")
        terminal.see(lambda seen: all(name in seen for name in (b"disk1", b"here", b"tape")))
        terminal.press(b"\x15annexshell p2phttp --access-log-format=\t")
        terminal.see(lambda seen: b"combined" in seen and b"json" in seen)
        assert b"rror" not in terminal.written
    finally:
        terminal.close()
