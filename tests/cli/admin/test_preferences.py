"""wanted, required, group, ungroup, groupwanted and maxsize, side by side with the real ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.admin import Done, Pair, farm, git, log, make, ours, succeed, theirs, tip, value

RECORDING = "(recording state in git...)\n"
LOGS = """preferred-content required-content group group-preferred-content maxsize""".split()


class Both(Pair):
    """The same, compared by the logs about preferences. The real one writes what is there already once more."""

    def alike(self, *command: str | bytes) -> Done:
        real, done = theirs(self.theirs, *command), ours(self.ours, *command)
        assert done.code == real.code, (done, real)
        assert done.out.removesuffix(RECORDING) == real.out.removesuffix(RECORDING)
        for name in LOGS:
            assert log(self.ours, f"{name}.log") == log(self.theirs, f"{name}.log"), command
        return done


def described_farm(directory: Path) -> None:
    """A farm whose gateway knows the descriptions of its nodes."""
    farm(directory)
    for name in ("n1", "n2"):
        git(directory / "gw", "config", f"remote.{name}.annex-uuid", value(directory / name, "annex.uuid"))
        git(directory / "gw", "fetch", "-q", name)
    succeed(theirs(directory / "gw", "merge", "-q"))


@pytest.fixture
def both(tmp_path: Path) -> Both:
    return Both(described_farm, "gw", tmp_path)


def test_expressions(both: Both) -> None:
    assert both.alike("wanted", "n1").out == "\n"
    assert both.alike("wanted", "n1", "include=* and (not copies=2)").out.startswith("wanted n1 ok\n")
    assert both.alike("wanted", "the node n1").out == "include=* and (not copies=2)\n"
    assert both.alike("wanted", value(both.ours.parent / "n1", "annex.uuid")).out == "include=* and (not copies=2)\n"
    both.alike("wanted", "here", "standard")
    both.alike("wanted", ".")
    both.alike("wanted", "n1", "")
    both.alike("wanted", "n1")
    done = both.alike("wanted", "n1", 'anything foo "x copies=y metadata=x! balanced=a:b:c')
    assert done.code == 1
    assert 'Parse error: Parse failure: near "foo" Parse failure: near "\\"x"' in done.err
    for name in ("nosuch", ""):
        assert f'there is no available git remote named "{name}"' in both.alike("wanted", name).err
    assert ours(both.ours, "wanted").code == 1


def test_required_ones(both: Both) -> None:
    both.alike("required", "n1", "include=*")
    assert both.alike("required", "n1").out == "include=*\n"
    assert both.alike("required", "n1", "bogus").code == 1
    assert both.alike("wanted", "n1").out == "\n"


def test_groups(both: Both) -> None:
    for group in ("client", "archive", "client", "ümlaut", "two words"):
        both.alike("group", "n1", group)
    both.alike("group", "n2", "backup")
    assert both.alike("group", "n1").out == "archive client two words ümlaut\n"
    assert both.alike("group", "--list").out == "archive backup client two words ümlaut\n"
    both.alike("ungroup", "n1", "archive")
    both.alike("ungroup", "n1", "nosuch")
    both.alike("group", "n1")
    both.alike("ungroup", "n2", "backup")
    both.alike("group", "n2")
    both.alike("group", "nosuch", "x")
    assert ours(both.ours, "group", "n1", "").code == 1


def test_group_expressions(both: Both) -> None:
    assert both.alike("groupwanted", "g").out == "\n"
    both.alike("groupwanted", "g", "anything")
    assert both.alike("groupwanted", "g").out == "anything\n"
    both.alike("groupwanted", "g", "bogus")
    both.alike("groupwanted", "g", "")
    both.alike("groupwanted", "g")
    assert ours(both.ours, "groupwanted", "a b", "anything").code == 1, "would be lost in the log"


def test_maximum_sizes(both: Both) -> None:
    for size in ("1.5GB", "1234567", "0", "20 kb", "100000000000000000000000000000000"):
        both.alike("maxsize", "n1", size)
        both.alike("maxsize", "n1")
    both.alike("maxsize", "n1", "--bytes")
    both.alike("maxsize", "n1", "--json")
    both.alike("maxsize", "n2", "--json")
    both.alike("maxsize", "n1", "5GB", "--json")
    both.alike("maxsize", "n1", "much", "--json")
    both.alike("maxsize", "n1", "much")
    both.alike("maxsize", "n1", "")
    assert both.alike("maxsize", "n2").out == "\n"


def test_how_full_all_are(tmp_path: Path) -> None:
    here = make(tmp_path / "here", "the gateway")
    for number, size in enumerate((1000, 500, 1600)):
        (here / f"file{number}").write_bytes(bytes([number]) * size)
    succeed(theirs(here, "add", "-q", "."))
    git(here, "commit", "-qm", "files")
    git(tmp_path, "clone", "-q", "here", "clone")
    succeed(theirs(tmp_path / "clone", "init", "-q", "the clone"))
    succeed(theirs(tmp_path / "clone", "get", "-q", "file1"))
    succeed(theirs(tmp_path / "clone", "sync", "-q"))
    git(here, "remote", "add", "clone", "../clone")
    succeed(theirs(here, "sync", "-q", "clone"))
    for sizes in ({"here": "4kB"}, {"clone": "1kB"}, {"clone": "499"}):
        for name, text in sizes.items():
            succeed(theirs(here, "maxsize", name, text))
        for options in ([], ["--bytes"], ["--json"]):
            assert ours(here, "maxsize", *options).out == theirs(here, "maxsize", *options).out


def test_what_has_been_pushed_is_overruled(both: Both) -> None:
    node = both.ours.parent / "n1"
    succeed(theirs(node, "wanted", "here", "nothing"))
    git(node, "push", "-q", both.ours, "git-annex:synced/git-annex")
    assert ours(both.ours, "wanted", "n1").out == "nothing\n"
    succeed(ours(both.ours, "wanted", "n1", "anything"))
    assert theirs(both.ours, "wanted", "n1").out == "anything\n"
    before = tip(both.ours)
    succeed(ours(both.ours, "wanted", "n1", "anything"))
    assert tip(both.ours) == before
