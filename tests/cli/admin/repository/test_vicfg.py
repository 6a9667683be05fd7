"""annexshell vicfg, with editors that do what people would do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.admin import Done, Pair, config, copied, farm, git, log, ours, succeed, theirs, tip, value

LOGS = (
    "trust group preferred-content required-content group-preferred-content maxsize numcopies config mincopies".split()
)


def sed(*commands: str) -> dict[str, str]:
    """An environment whose editor changes lines."""
    return {"EDITOR": "sed -i " + " ".join(f"-e '{command}'" for command in commands), "TERM": "xterm"}


def described(directory: Path) -> None:
    farm(directory)
    gateway = directory / "gw"
    for name in ("n1", "n2"):
        git(gateway, "config", f"remote.{name}.annex-uuid", value(directory / name, "annex.uuid"))
        git(gateway, "fetch", "-q", name)
        git(gateway, "config", f"remote.{name}.annex-cluster-node", "foo")
    succeed(theirs(gateway, "merge", "-q"))
    succeed(theirs(gateway, "updatecluster"))
    succeed(theirs(gateway, "group", "n1", "client", "-q"))
    succeed(theirs(gateway, "wanted", "n1", "standard", "-q"))
    succeed(theirs(gateway, "maxsize", "n2", "1.5GB", "-q"))
    succeed(theirs(gateway, "numcopies", "2", "-q"))


@pytest.fixture
def gateway(tmp_path: Path) -> Path:
    return copied(described, tmp_path / "farm") / "gw"


def edited(gateway: Path, *commands: str) -> Done:
    return ours(gateway, "vicfg", **sed(*commands))


def test_the_same_as_the_original(tmp_path: Path) -> None:
    pair = Pair(described, "gw", tmp_path)
    n1, n2 = (value(pair.ours.parent / name, "annex.uuid") for name in ("n1", "n2"))
    rounds = [
        [
            f"s/^#trust {n1} = .*/trust {n1} = untrusted/",
            f"s/^group {n1} = .*/& archive/",
            f"s/^wanted {n1} = .*/wanted {n1} = include=* and copies=2/",
            f"s/^#required {n2} =.*/required {n2} = present/",
            "s/^#groupwanted backup = /groupwanted backup = anything/",
            f"s/^maxsize {n2} = .*/maxsize {n2} = 20 kb/",
            "s/^numcopies default = .*/numcopies default = 3/",
            "s/^# *mincopies default =.*/mincopies default = 2/",
        ],
        [
            f"/^trust {n1}/d",
            f"/^wanted {n1}/d",
            f"/^group {n1}/d",
            f"/^maxsize {n2}/d",
            "/^numcopies/d",
            "$ a config annex.dotfiles = true",
        ],
    ]
    for commands in rounds:
        succeed(ours(pair.ours, "vicfg", **sed(*commands)))
        succeed(theirs(pair.theirs, "vicfg", **sed(*commands)))
        for name in LOGS:
            assert log(pair.ours, f"{name}.log") == log(pair.theirs, f"{name}.log"), (commands, name)
    for directory in (pair.ours, pair.theirs):
        before = tip(directory)
        assert succeed(ours(directory, "vicfg", EDITOR="true", TERM="xterm")) == ""
        assert tip(directory) == before


def test_descriptions_and_clusters(gateway: Path) -> None:
    n1 = value(gateway.parent / "n1", "annex.uuid")
    cluster = value(gateway, "annex.cluster.foo")
    out = succeed(
        edited(
            gateway,
            f"s/^description {n1} = .*/description {n1} = the first/",
            f"s/^cluster {cluster} = .*/cluster {cluster} = bar/",
            f"s/^nodes {cluster} = .*/nodes {cluster} = n3 n1/",
        )
    )
    assert "Added node n3 to cluster: bar" in out
    assert f"{n1} the first" in log(gateway, "uuid.log")
    assert f"{cluster} cluster bar" in log(gateway, "uuid.log")
    assert value(gateway, "annex.cluster.bar") == cluster
    assert [value(gateway, f"remote.{name}.annex-cluster-node") for name in ("n1", "n2", "n3")] == ["bar", "", "bar"]
    n3 = value(gateway.parent / "n3", "annex.uuid")
    assert log(gateway, "cluster.log") == [f"{cluster} {' '.join(sorted([n1, n3]))}"]
    before = tip(gateway), config(gateway)
    assert succeed(edited(gateway, "/^cluster/d", "/^nodes/d")) == ""
    assert (tip(gateway), config(gateway)) == before


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("wanted {n1} = bogus", 'near "bogus"'),
        ("trust {n1} = very", 'unknown trust value "very"'),
        ("maxsize {n1} = much", 'expected a size such as "100 gb"'),
        ("numcopies default = x", "expected an integer"),
        ("wanted {n1}x = anything", "unknown repository"),
        ("cluster {n1} = lab", "unknown cluster"),
        ("cluster {foo} = a b", "a cluster name has to be"),
        ("nodes {foo} = n1 nosuch", 'there is no available git remote named "nosuch"'),
        ("groupwanted a b = anything", '"a b" is more than one word'),
        ("nonsense", "missing field"),
    ],
)
def test_mistakes_change_nothing(gateway: Path, tmp_path: Path, line: str, said: str) -> None:
    n1 = value(gateway.parent / "n1", "annex.uuid")
    line = line.format(n1=n1, foo=value(gateway, "annex.cluster.foo"))
    editor = tmp_path / "editor"
    place = line.partition("=")[0].strip()
    editor.write_text(
        '#!/bin/sh\n[ -e seen ] && { cp "$1" seen; exit; }\ntouch seen\n'
        f"sed -i -e '/^{place} /d' \"$1\"\necho 'description {n1} = other' >> \"$1\"\necho '{line}' >> \"$1\"\n"
        f"sed -i -e '0,/^description {n1}/{{/^description {n1}/d}}' \"$1\"\n"
    )
    editor.chmod(0o755)
    before = tip(gateway), config(gateway)
    done = ours(gateway, "vicfg", EDITOR=str(editor), TERM="xterm")
    assert done.code == 1
    assert said in done.err
    assert "nothing has been changed" in done.err
    again = (gateway / "seen").read_text()
    assert "# ** Parse error in next line: " in again
    assert said in again
    assert (tip(gateway), config(gateway)) == before
    assert not [path for path in (gateway / ".git/annex/annexshell").iterdir() if path.name.startswith("vicfg")]


def test_a_mistake_that_is_mended(gateway: Path) -> None:
    n1 = value(gateway.parent / "n1", "annex.uuid")
    editor = f"sed -i -e 's/^wanted {n1} = .*/&s/' -e 's/standardss$/anything/'"
    done = ours(gateway, "vicfg", EDITOR=editor, TERM="xterm")
    assert done.code == 0, done
    assert f"{n1} anything" in log(gateway, "preferred-content.log")
    assert 'near "standards"' in done.err


def test_editors(gateway: Path) -> None:
    before = tip(gateway)
    done = ours(gateway, "vicfg", EDITOR="false", TERM="xterm")
    assert (done.code, tip(gateway)) == (1, before)
    assert "nothing has been changed" in done.err
    git(gateway, "config", "core.editor", "sed -i -e 's/^numcopies default.*/numcopies default = 7/'")
    succeed(ours(gateway, "vicfg", EDITOR="false", TERM="xterm"))
    assert log(gateway, "numcopies.log") == ["7"]


def test_hostile_texts_stay_as_they_are(gateway: Path) -> None:
    """What others wrote into the logs is shown in one line each, and is not rewritten."""
    hostile = "".join(
        f"{uuid} {text} timestamp=1700000000s\n"
        for uuid, text in [
            ("u1", "\x1b]0;x\x07 trust here = dead"),
            ("u=2", "x"),
            ("u3", "a\u2028wanted u3 = anything\u0085b"),
            ("#u4", "x"),
        ]
    )
    files = {"uuid.log": hostile, "preferred-content.log": "u1 bogus \x1b[2J timestamp=1700000000s\n"}
    stream = f"commit refs/heads/git-annex\ncommitter t <t> 1 +0000\ndata 0\nfrom {tip(gateway)}"
    for name, text in files.items():
        stream += f"M 644 inline {name}\ndata {len(text.encode())}\n{text}\n"
    path = gateway / "stream"
    path.write_text(stream, newline="\n")
    git(gateway, "config", "core.editor", 'cp "$1" shown; :')
    with path.open("rb") as file:
        subprocess.run(["git", "fast-import", "--quiet"], cwd=gateway, stdin=file, check=True)
    before = tip(gateway)
    git(gateway, "config", "core.editor", 'f() { cp "$1" shown; }; f')
    assert succeed(ours(gateway, "vicfg", TERM="xterm")) == ""
    assert tip(gateway) == before
    text = (gateway / "shown").read_bytes().decode()
    assert "\x1b" not in text
    assert "\u2028" not in text
    assert "description u1 = " in text
    assert "wanted u1 = bogus" in text
    assert "u=2" not in text
