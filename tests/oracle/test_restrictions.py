"""What a real client sees of an account's restrictions: a clear sentence, and a session that goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.oracle.clients import Clone
from tests.oracle.servers import Server
from tests.support.sshd import Account


class Setting:
    """A server that has the files "there" and "also there" of a clone, and not "new" and "another"."""

    def __init__(self, here: Server, there: Clone, account: Callable[..., Account]) -> None:
        self.here = here
        self.there = there
        self.keys = there.add(["there", "also there"])
        there.annex("copy", "-q", "--to", "origin")
        self.keys |= there.add(["new", "another"])
        there.git("push", "-q", "origin", "master")
        self._account = account

    def restrict(self, name: str) -> None:
        """Gives the clone a remote of that name, by which it can reach the server with this restriction."""
        account = self._account(**{f"GIT_ANNEX_SHELL_{name.upper()}": "1"})
        self.there.git("remote", "add", name, account.url(self.here.path))

    def outcome(self, *args: str) -> tuple[dict[str, bool], str]:
        """Which files a command succeeded with, and all that it says. No refusal may end the session."""
        done = self.there.try_annex(*args, "--json", "--json-error-messages")
        results = [json.loads(line) for line in done.stdout.splitlines()]
        said = "\n".join([done.stderr, *(text for result in results for text in result["error-messages"])])
        assert "Lost connection" not in said
        return {result["file"]: result["success"] for result in results}, said


@pytest.fixture
def setting(
    account: Callable[..., Account],
    server: Callable[..., Server],
    clone: Callable[..., Clone],
    client_programs: Path,
) -> Setting:
    here = server("bare")
    there = clone(account().url(here.path), client=client_programs)
    return Setting(here, there, account)


def test_read_only(setting: Setting) -> None:
    there, here, keys = setting.there, setting.here, setting.keys
    setting.restrict("readonly")
    there.annex("drop", "-q", "--force", "there", "also there")
    there.annex("get", "-q", "--from", "readonly", "there")
    results, said = setting.outcome("copy", "--to", "readonly", "another", "new", "there")
    assert results == {"another": False, "new": False, "there": True}
    assert "this repository is read-only; write access denied" in said
    results, said = setting.outcome("drop", "--from", "readonly", "there", "also there")
    assert results == {"there": False, "also there": False}
    assert "this repository is read-only; write access denied" in said
    there.annex("get", "-q", "--from", "readonly", "also there")
    assert here.objects() == {keys["there"], keys["also there"]}
    there.git("fetch", "-q", "readonly")
    here.check()


def test_append_only(setting: Setting) -> None:
    there, here, keys = setting.there, setting.here, setting.keys
    setting.restrict("appendonly")
    there.annex("copy", "-q", "--to", "appendonly")
    there.annex("drop", "-q", "--force", "there", "new")
    results, said = setting.outcome("move", "--from", "appendonly", "new", "there")
    assert results == {"new": False, "there": False}
    assert there.has("new")  # each refusal
    assert there.has("there")  # came after the content
    assert "this repository is append-only; removal denied" in said
    assert here.objects() == set(keys.values())
    here.check()


@pytest.mark.parametrize("client_programs", ["new"], indirect=True)
def test_limited(setting: Setting) -> None:
    there, here, keys = setting.there, setting.here, setting.keys
    setting.restrict("limited")
    there.annex("copy", "-q", "--to", "limited")
    there.annex("drop", "-q", "--from", "limited", "there")
    assert here.objects() == set(keys.values()) - {keys["there"]}
    for command in (["fetch", "limited"], ["push", "limited", "master:elsewhere"]):
        assert "Action blocked by GIT_ANNEX_SHELL_LIMITED" in there.fail_git(*command)
    assert here.repo.git("branch", "--list", "elsewhere") == ""
    here.check(lost=True)
