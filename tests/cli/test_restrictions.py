"""What an administrator can forbid by environment variables, with every command, as with the original."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from annexshell.cli.context import check_directory
from annexshell.errors import BadUsage
from tests.cli.sides import ABSENT, PRESENT, Sides, contents, without_uuids

COMMANDS = [
    ["configlist", "photos"],
    ["configlist", "fresh.git", "--", "autoinit=1", "--"],
    ["inannex", "photos", PRESENT],
    ["inannex", "photos", ABSENT],
    ["sendkey", "photos", ABSENT],
    ["recvkey", "gcrypt.git", PRESENT],
    ["dropkey", "photos", PRESENT],
    ["dropkey", "photos", "--force", PRESENT],
    ["dropkey", "nothing", "--force", PRESENT],
    ["gcryptsetup", "gcrypt.git", "abc"],
    ["gcryptsetup", "fresh.git", "abc"],
    ["p2pstdio", "photos", "client"],
    ["p2pstdio", "photos"],
    ["-c", "git-upload-pack '{home}/photos'"],
    ["-c", "git-receive-pack '{home}/photos'"],
    ["-c", "git-upload-archive '{home}/photos'"],
    ["-c", "git-annex-shell 'dropkey' 'photos' '--force' 'SHA1--x'"],
    ["git-upload-pack", "photos"],
    ["-c", "help"],
    ["dropkey"],
    [],
]


@pytest.mark.parametrize(
    "env",
    [
        {"READONLY": "1"},
        {"APPENDONLY": "no"},
        {"READONLY": "0", "APPENDONLY": "1"},
        {"LIMITED": "false"},
        {"READONLY": "", "APPENDONLY": "", "LIMITED": ""},
        {"LIMITED": "1", "READONLY": "1", "DIRECTORY": "photos"},
    ],
    ids=str,
)
def test_every_command(sides: Sides, env: dict[str, str]) -> None:
    variables = {f"GIT_ANNEX_SHELL_{name}": value for name, value in env.items()}
    before = contents(sides.ours.home)
    for argv in COMMANDS:
        original, ours = sides.run(*argv, env=variables)
        assert (ours.code != 0) == (original.code != 0), argv
        if "git-upload" not in str(argv) and "git-receive" not in str(argv):
            assert without_uuids(ours.output.decode()) == without_uuids(original.output.decode()), argv
        for text in ("blocked by GIT_ANNEX_SHELL", "Only allowed to access photos", "Not a git-annex"):
            assert (text in ours.said) == (text in original.said), argv
    if env.get("READONLY"):
        assert contents(sides.ours.home) == before


FORMS = [
    "photos",
    "photos/",
    "./photos",
    "photos//.",
    "~/photos",
    "/~/photos",
    "{home}/photos",
    "{home}//photos/",
    "Work",
    "photosx",
    "photos/.git",
    "link",
    "bare",
    "bare.git",
    "",
    "/",
    ".",
    " photos",
    "photos ",
    "~nobody-of-that-name/photos",
    "it's $(a) 'photos'",
]


@pytest.mark.parametrize("allowed", ["photos", "{home}/photos/", "/~/photos", ".//photos", "link", "bare", "", "/"])
def test_the_directory_that_is_allowed(unchanged: Sides, allowed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every form in which either of them may be written."""
    variable = "GIT_ANNEX_SHELL_DIRECTORY"
    ours = unchanged.ours
    monkeypatch.setenv("HOME", str(ours.home))
    monkeypatch.setenv(variable, allowed.replace("{home}", str(ours.home)))
    for form in FORMS:
        env = {variable: allowed.replace("{home}", str(unchanged.original.home))}
        original = unchanged.original.run("inannex", form, env=env)
        try:
            path = check_directory(form.replace("{home}", str(ours.home)))
        except BadUsage as error:
            text = str(error).replace(f"{ours.home}/", "")
            assert "Only allowed to access" in original.said, form
            assert text.replace(str(ours.home), "") == original.sentence.removeprefix("git-annex-shell: "), form
        else:
            assert "Only allowed" not in original.said, form
            assert path == check_directory(allowed.replace("{home}", str(ours.home)))


def test_two_dots_are_not_resolved(unchanged: Sides) -> None:
    """The original takes them away without looking, and so allows a directory that is reached by way of a symlink:
    in that case it is another one."""
    env = {"GIT_ANNEX_SHELL_DIRECTORY": "photos"}
    original, ours = unchanged.run("configlist", "plain/../photos", env=env)
    assert (original.code, ours.code) == (0, 1)
    assert "Only allowed to access" in ours.said


WAYS_OUT = [
    "bare.git",
    "bare",
    "{home}/bare.git",
    "photos/../bare.git",
    "photos/inside",
    "link",
    "~/bare.git",
    "/~/photos/../bare.git",
    "WORK",
    "photos\n/../bare.git",
    "~/photos:{home}/plain/:/~/gone",
    "photos:bare.git",
    "gone/../bare.git",
    "--uuid=photos",
    "",
    "..",
]


SEVERAL = "~/photos:{home}/plain/:/~/gone"  # further directories are of no use to whoever wants another one


@pytest.mark.parametrize("allowed", ["photos", SEVERAL])
def test_no_way_out(sides: Sides, allowed: str) -> None:
    """Whatever a client says, with whatever command: it is refused, or about a directory that is allowed."""
    home = sides.ours.home
    (home / "photos/inside").symlink_to(home / "bare.git")
    (home / "link").symlink_to(home / "bare.git")
    (home / "WORK").symlink_to(home / "bare.git")
    secret = [sides.ours.run("configlist", "bare.git").output.split(b"\n")[0].removeprefix(b"annex.uuid=")]
    secret.append((home / "bare.git/refs/heads/git-annex").read_bytes().strip())
    env = {"GIT_ANNEX_SHELL_DIRECTORY": allowed.replace("{home}", str(home))}
    before = contents(home)
    for way in WAYS_OUT:
        quoted = "'" + way.replace("{home}", str(home)) + "'"
        for argv in (
            ["configlist", way, "--", "autoinit=1", "--"],
            ["p2pstdio", way, "photos"],
            ["recvkey", way, PRESENT, "--", "--", "photos"],
            ["-c", f"git-annex-shell 'gcryptsetup' {quoted} 'photos'"],
            ["-c", f"git-upload-pack {quoted}"],
            ["-c", f"git-upload-pack {quoted}", "--", "'photos'"],
            ["-c", f"git-receive-pack {quoted} 'photos'"],
            ["-c", f"git-upload-archive --exec=photos {quoted}"],
        ):
            done = sides.ours.run(*argv, env=env)
            assert done.code == 1
            assert not any(text in done.output for text in secret)
            assert "Only allowed to access" in done.said, done
            assert (" or " in done.said) == (allowed == SEVERAL)
    for argv in (
        ["git-upload-pack", "photos", "{home}/bare.git"],
        ["-c", "git-upload-pack"],
        ["-c", "photos"],
        ["photos"],
    ):
        assert "Only allowed to access" in sides.ours.run(*argv, env=env).said
    assert contents(home) == before


@pytest.mark.parametrize(
    "word", ["'photos'", "photos", '"photos"', "{home}/photos/", "'/~/photos'", "~/'photos'", "ph\\otos"]
)
def test_git_in_the_directory_that_is_allowed(unchanged: Sides, word: str) -> None:
    """git-shell gets what was compared, so that more forms photos than without the restriction."""
    env = {"GIT_ANNEX_SHELL_DIRECTORY": "photos"}
    for argv in (["-c", f"git-upload-pack {word}"], [f"git upload-pack {word}"], ["git-upload-pack", word.strip("'")]):
        done = unchanged.ours.run(*argv, env=env, data=b"0000")
        if argv[0] != "git-upload-pack" or not set(word) & set("\"\\'"):
            assert done.code == 0
            assert b"refs/heads/git-annex" in done.output


def allowed_among(directories: dict[str, str], forms: list[str], home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each value of the variable allows what is listed for it, and nothing else of `forms`."""
    monkeypatch.setenv("HOME", str(home))
    for value, expected in directories.items():
        monkeypatch.setenv("GIT_ANNEX_SHELL_DIRECTORY", value.replace("{home}", str(home)))
        found = []
        for form in forms:
            try:
                path = check_directory(form)
            except BadUsage:
                continue
            found.append(os.path.relpath(os.fsdecode(path), home))
        assert found == expected.split(), value


def test_several_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In any form that is absolute. What is no list is the name of one directory."""
    forms = ["a", "~/a/", "a/sub", "b", "b.git", "c", "a:b", f"{tmp_path}/a:{tmp_path}/b", "", "/"]
    allowed_among(
        {
            "{home}/a:{home}/b": "a a b",
            "~/a:/~/b.git/": "a a b.git",
            "{home}//./b:~/c:{home}/gone": "b c",
            "{home}/a:{home}/a": "a a",
            "a:b": "a:b",
            "{home}/a:b": "a:b",
            "{home}/a:": "",
            ":{home}/a": "",
            "{home}/a::{home}/b": "",
            ":": "",
        },
        forms,
        tmp_path,
        monkeypatch,
    )


@pytest.mark.parametrize("suffix", ["", ".git"])
def test_a_colon_in_the_name_of_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    """One that is there is meant as a whole, and not the directories that its parts are the names of."""
    whole = Path(f"{tmp_path}/a:{tmp_path}/b{suffix}")
    forms = ["a", "b", f"{tmp_path}/b", f"{tmp_path}/a:{tmp_path}/b"]
    value = "{home}/a:{home}/b"
    allowed_among({value: "a b b"}, forms, tmp_path, monkeypatch)
    whole.mkdir(parents=True)
    allowed_among({value: f"a:{tmp_path}/b"}, forms, tmp_path, monkeypatch)


def test_git_in_one_of_several_directories(unchanged: Sides) -> None:
    env = {"GIT_ANNEX_SHELL_DIRECTORY": f"/srv/gone:{unchanged.ours.home}/photos:~/bare.git"}
    for name, word in (("photos", "'/~/photos'"), ("bare.git", "bare.git")):
        done = unchanged.ours.run("-c", f"git-upload-pack {word}", env=env, data=b"0000")
        assert done.code == 0
        assert b"refs/heads/git-annex" in done.output
        assert unchanged.ours.run("configlist", name, env=env).code == 0
    done = unchanged.ours.run("-c", "git-upload-pack gone", env=env)
    assert done.sentence.endswith("Only allowed to access /srv/gone or photos or bare.git not gone")
