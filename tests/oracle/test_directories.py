"""The forms in which clients name a directory, and what keeps an account in the directory that it is meant for."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.oracle.clients import Clone
from tests.oracle.servers import Server
from tests.support.sshd import Account


def urls(account: Account, path: Path) -> dict[str, str]:
    """Urls of a bare repository in the account's home directory, by name."""
    short = path.with_suffix("").name
    me = pwd.getpwuid(os.getuid())
    from_my_home = os.path.relpath(path, me.pw_dir)
    return {
        "absolute": f"ssh://{account.host}{path}",
        "relative": f"{account.host}:{path.name}",
        "home": f"{account.host}:~/{path.name}",
        "home-url": f"ssh://{account.host}/~/{path.name}",
        "user": f"{account.host}:~{me.pw_name}/{from_my_home}",
        "user-url": f"ssh://{account.host}/~{me.pw_name}/{from_my_home}",
        "slash": f"ssh://{account.host}{path}/",
        "suffixless": f"{account.host}:{short}",
        "absolute-suffixless": f"ssh://{account.host}{path.with_suffix('')}",
    }


def test_forms_of_a_directory(
    account: Callable[..., Account], server: Callable[..., Server], clone: Callable[..., Clone]
) -> None:
    """git finds it with all of them, and git-annex knows that it is one and the same."""
    me = account()
    here = server("bare", "re po.git")
    there = clone(me.url(here.path))
    forms = urls(me, here.path)
    there.add(list(forms))
    there.annex("copy", "-q", "--to", "origin")
    for name, url in forms.items():
        there.git("remote", "add", name, url)
        there.git("ls-remote", name)
    there.annex("drop", "-q")
    uuids = {name: there.git("config", f"remote.{name}.annex-uuid").strip() for name in forms}
    assert uuids == dict.fromkeys(forms, here.uuid)
    for name in forms:
        there.annex("get", "-q", "--from", name, name)
        assert there.has(name)


@pytest.fixture
def allowed(account: Callable[..., Account], server: Callable[..., Server]) -> tuple[Account, Server, Server]:
    """An account for one repository, that repository, and another that must stay out of reach."""
    here, secret = server("bare", "repo.git"), server("bare", "secret.git")
    (here.path.parent / "link").symlink_to(secret.path)
    (here.path / "inside").symlink_to(secret.path)
    return account(GIT_ANNEX_SHELL_DIRECTORY=str(here.path)), here, secret


COMMANDS = (
    "git-annex-shell 'configlist' {}",
    "git-annex-shell 'p2pstdio' {} '11111111-1111-4111-8111-111111111111'",
    "git-upload-pack {}",
    "git receive-pack {}",
)


def roundabout_ways(here: Path, secret: Path) -> list[str]:
    """Words of a command line, quoted as the attacker likes, that some confusion could take for the secret."""
    return [
        f"'{secret}'",
        f"{secret}",
        f"'{here}/../{secret.name}'",
        f"'{here}/./../{secret.name}'",
        f"'{here}/inside'",
        f"'{here.parent}/link'",
        f"'~/{secret.name}'",
        f"'/~/{secret.name}'",
        f"'{secret.name}'",
        f"'{here}' '{secret}'",
        f"'{here}'/../'{secret.name}'",
        f"'{here}\n/../{secret.name}'",
        f"'{here}'\n'{secret}'",
        f'"{secret}"',
        f"'{secret}' -- 'directory={here}'",
        f"'--uuid={here}' '{secret}'",
        f"'{here.parent}'",
        f"'{here}x'",
        "''",
    ]


def test_nothing_leads_out_of_the_directory(allowed: tuple[Account, Server, Server]) -> None:
    """Whatever way of saying it is either refused or leads to the repository that is allowed."""
    me, here, secret = allowed
    ways = roundabout_ways(here.path, secret.path)
    attempts = [command.format(way) for way in ways for command in COMMANDS]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(me.run, attempts))
    secrets = (secret.uuid.encode(), secret.repo.git("rev-parse", "git-annex").strip().encode())
    for attempt, result in zip(attempts, results):
        assert not any(text in result.stdout + result.stderr for text in secrets), attempt
        assert result.returncode != 0 or here.uuid.encode() in result.stdout, (attempt, result)
        assert result.stdout or result.stderr.startswith(b"git-annex-shell: "), (attempt, result)
    here.check()
    secret.check()


def dangers(canary: Path) -> list[str]:
    """What a shell would run, or what a careless program would."""
    touch = f"touch {canary}"
    return [
        f"$({touch})",
        f"`{touch}`",
        f"; {touch}",
        f"& {touch}",
        f"| {touch}",
        f"&& {touch} #",
        f"\n{touch}\n",
        f"'; {touch}; '",
        f'"; {touch}; "',
        f"'$({touch})'",
        f'"$({touch})"',
        f"> {canary}",
        f"-c core.fsmonitor='{touch}'",
        f"'--upload-pack={touch}'",
    ]


def test_nothing_is_run(allowed: tuple[Account, Server, Server], account: Callable[..., Account]) -> None:
    """No part of what a client sends is ever given to a shell, with or without a restriction to a directory."""
    me, here, _ = allowed
    canary = here.path.parent / "canary"
    everybodys = [f"touch {canary}", f"sh -c 'touch {canary}'", "git-annex-shell", "git-shell", "cvs server"]
    restricted = []
    for danger in dangers(canary):
        everybodys += [danger, f"git-annex-shell 'configlist' '{here.path}' {danger}"]
        restricted += [f"git-annex-shell 'configlist' {danger}", f"git-upload-pack '{here.path}'{danger}"]
    free = account()
    attempts = [(free, command) for command in everybodys]
    attempts += [(me, command) for command in everybodys + restricted]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda attempt: attempt[0].run(attempt[1]), attempts))
    assert not canary.exists()
    for (_, attempt), result in zip(attempts, results):
        assert b"Traceback" not in result.stderr, attempt
        assert result.returncode not in (0, 255) or here.uuid.encode() in result.stdout, (attempt, result)


def test_forms_of_the_directory_that_is_allowed(account: Callable[..., Account], server: Callable[..., Server]) -> None:
    """The administrator may write it in another form than the client."""
    here = server("bare", "repo.git")
    forms = (
        f"{here.path}",
        f"{here.path}/",
        f"{here.path.parent}//./repo.git",
        "~/repo.git",
        "repo.git",
        "/~/repo.git",
    )
    accounts = [account(GIT_ANNEX_SHELL_DIRECTORY=form) for form in forms]
    for form in forms:
        command = f"git-annex-shell 'configlist' '{form}'"
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(Account.run, accounts, [command] * len(accounts)))
        assert all(here.uuid.encode() in result.stdout for result in results), results


def test_git_works_in_the_directory(allowed: tuple[Account, Server, Server], clone: Callable[..., Clone]) -> None:
    me, here, secret = allowed
    there = clone(me.url(here.path))
    there.add(["file"])
    there.annex("sync", "-q", "--content")
    assert here.objects() == {there.key("file")}
    there.git("remote", "add", "home", f"{me.host}:~/{here.path.name}")
    there.git("fetch", "-q", "home")
    there.git("remote", "set-url", "origin", me.url(secret.path))
    for command in ("fetch", "push"):
        said = there.fail_git(command, "origin", "master")
        assert f"Only allowed to access {here.path} not {secret.path}" in said
    assert secret.repo.git("branch", "--list", "master") == ""
    here.check()
