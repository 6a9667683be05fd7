"""The command line of annexshell."""

from __future__ import annotations

from pathlib import Path

import pytest

from annexshell.cli.admin.main import _VERBS
from tests.support.admin import ours, succeed


@pytest.mark.parametrize("verb", _VERBS)
def test_each_verb_tells_how_it_is_called(verb: str, tmp_path: Path) -> None:
    assert f"  {verb} " in succeed(ours(tmp_path, "--help"))
    assert f"annexshell {verb}" in succeed(ours(tmp_path, verb, "--help"))
    wrong = ours(tmp_path, verb, "--no-such-option")
    assert (wrong.code, wrong.out) == (1, "")
    said = f"annexshell: {verb} is not called so: there is no option --no-such-option\nUsage:\n  annexshell {verb} "
    assert wrong.err.startswith(said)


def test_an_option_that_is_nearly_right(tmp_path: Path) -> None:
    assert ": there is no option --acess-log, but --access-log\n" in ours(tmp_path, "p2phttp", "--acess-log=x").err
    assert "is not called so\nUsage" in ours(tmp_path, "doctor", "one", "two").err
    assert "is not called so\nUsage" in ours(tmp_path, "doctor", "--", "one", "--two").err


def test_no_such_verb(tmp_path: Path) -> None:
    assert ours(tmp_path, "nosuch").err == 'annexshell: there is no verb nosuch; "annexshell --help" lists them\n'
    for other in ("main", "__init__", "../shell", "Settings", ""):
        assert ours(tmp_path, other).err.startswith(f"annexshell: there is no verb {other};")
    assert "Verbs" in succeed(ours(tmp_path))
    assert succeed(ours(tmp_path, "--version")).startswith("annexshell 0")
