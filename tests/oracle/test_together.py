"""Real git-annex processes work in the server's repository while clients use it through us."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from tests.oracle.clients import Clone
from tests.oracle.servers import Server, complaints, existing, objects
from tests.support.client import Client
from tests.support.real import Repo
from tests.support.sshd import Account


def knowledge(repo: Repo, keys: set[str]) -> dict[str, dict[str, bool]]:
    """Which repositories have the content of each key, as far as the git-annex branch of one of them says."""
    return {key: {uuid: status == "1" for uuid, status in repo.location_log(key).items()} for key in keys}


def check_logs(here: Server, clones: list[Clone], keys: set[str]) -> None:
    """The server's own log is right about the server, and everybody's about everybody once they have told each
    other."""
    here.wait_for_sessions()
    own = {key for key in keys if here.repo.location_log(key).get(here.uuid) == "1"}
    assert own == here.objects() & keys
    for clone in [*clones, *clones[:-1]]:
        clone.annex("sync", "-q", "--no-content")
    have = {here.uuid: here.objects()} | {clone.uuid: objects(clone.path / ".git" / "annex") for clone in clones}
    for repo in [here.repo, *(existing(clone.path) for clone in clones)]:
        known = knowledge(repo, keys)
        wrong = {
            (key, uuid)
            for key in keys
            for uuid, contents in have.items()
            if (key in contents) != known[key].get(uuid, False)
        }
        assert not wrong, f"{repo.path} is wrong about {wrong}"


def persist(here: Server, *command: str) -> None:
    """A command in the work tree, again and again while git has its index locked, as hooks of pushes may."""
    for _ in range(200):
        done = subprocess.run(command, cwd=here.path, capture_output=True)
        if done.returncode == 0:
            return
        assert b"index.lock" in done.stderr, done.stderr
        time.sleep(0.02)
    raise AssertionError(f"{command} never got the lock of the index")


def work_in(here: Server, busy: Callable[[], bool]) -> set[str]:
    """What the owner of the server's repository does there: a bounded number of rounds, while the clients are busy.
    Returns the keys of what was added."""
    keys = set()
    for number in range(40):
        names = [f"served {number} {letter}" for letter in "abc"]
        for name in names:
            (here.path / name).write_bytes(os.urandom(20).hex().encode())
        persist(here, "git", "annex", "add", "-q", *names)
        persist(here, "git", "commit", "-q", "-m", f"round {number}")
        keys |= {here.repo.annex("lookupkey", name).strip() for name in names}
        # Of everything only in the beginning: later it would put right what we might have logged wrongly.
        here.repo.annex("fsck", "-q", *(names if number else ["--all"]), check=False)
        here.repo.annex("drop", "-q", "--force", names[0])
        here.repo.annex("sync", "-q", "--no-content")
        if number >= 2 and not busy():
            break
    return keys


def use(there: Clone, rounds: int) -> set[str]:
    """What a client does, four jobs at a time; returns its keys."""
    keys: set[str] = set()
    for number in range(rounds):
        there.try_annex("sync", "-q", "--no-content")  # fails if somebody else has pushed just now
        names = [f"{there.path.name} {number} {letter}" for letter in "abcdef"]
        keys |= set(there.add(names, size=200_000 if number else 100).values())
        there.annex("copy", "-q", "-J4", "--to", "origin", *names)
        there.annex("drop", "-q", "-J4", *names[:5])
        there.annex("get", "-q", "-J4", *names[:3])
        there.annex("drop", "-q", "-J4", "--from", "origin", *names[:2])
    return keys


def test_everything_at_the_same_time(
    account: Callable[..., Account], server: Callable[..., Server], clone: Callable[..., Clone]
) -> None:
    here = server("worktree")
    here.repo.git("config", "receive.denyCurrentBranch", "refuse")
    here.repo.git("commit", "-q", "--allow-empty", "-m", "start")
    clones = [clone(account().url(here.path), name) for name in ("one", "two")]
    with ThreadPoolExecutor(3) as pool:
        used: list[Future[set[str]]] = [pool.submit(use, there, rounds) for there, rounds in zip(clones, (2, 1))]
        added = pool.submit(work_in, here, lambda: not all(future.done() for future in used))
        keys = added.result().union(*(future.result() for future in used))
    check_logs(here, clones, keys)
    here.check(lost=True)
    for there in clones:
        assert not complaints(existing(there.path), lost=True)
        assert all(there.whereis(name) for name in os.listdir(there.path) if name.startswith(there.path.name))


def test_both_sides_drop(
    account: Callable[..., Account], server: Callable[..., Server], clone: Callable[..., Clone]
) -> None:
    """Each may drop because the other one has it: they must not both do so, whoever is faster."""
    here = server("worktree")
    there = clone(account().url(here.path))
    names = [f"file {number}" for number in range(20)]
    keys = set(there.add(names).values())
    there.annex("sync", "-q", "--content")
    here.repo.git("remote", "add", "client", str(there.path))
    here.repo.annex("sync", "-q", "--no-content")
    assert here.objects() == keys
    with ThreadPoolExecutor(2) as pool:
        by_owner = pool.submit(here.repo.annex, "drop", "-q", "-J2", check=False)
        by_client = pool.submit(there.try_annex, "drop", "-q", "-J2")
        by_owner.result()
        by_client.result()
    assert here.objects() | objects(there.path / ".git" / "annex") == keys
    check_logs(here, [there], keys)
    here.check()


def push(pusher: Repo, server: Path, log: str, uuid: str) -> str | None:
    """Pushes a commit of our own to the server's git-annex branch, which adds a line to a location log; its id, or
    None if somebody else was faster."""
    pusher.git("fetch", "-q", str(server), "git-annex")
    pusher.git("read-tree", "FETCH_HEAD")
    text = pusher.git("cat-file", "blob", f"FETCH_HEAD:{log}", check=False)
    (pusher.path / "log").write_text(f"{text}1s 1 {uuid}\n")
    blob = pusher.git("hash-object", "-w", "log").strip()
    pusher.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{log}")
    commit = pusher.git("commit-tree", pusher.git("write-tree").strip(), "-p", "FETCH_HEAD", "-m", "pushed").strip()
    pushing = ["git", "push", "-q", str(server), f"{commit}:refs/heads/git-annex"]
    return commit if subprocess.run(pushing, cwd=pusher.path, capture_output=True).returncode == 0 else None


def test_no_push_is_lost(
    account: Callable[..., Account], server: Callable[..., Server], clone: Callable[..., Clone], tmp_path: Path
) -> None:
    """A client may push straight to the branch that our sessions commit to, even changes to the logs that they
    change; without ssh it is fast enough to."""
    here = server("bare")
    there = clone(account().url(here.path))
    pusher = Repo(tmp_path / "pusher", init=False)
    names = [f"{number}{letter}" for number in range(6) for letter in "abcd"]
    keys = list(there.add(names).values())
    logs = [there.annex("examinekey", "--format=${hashdirlower}${key}.log", key).strip() for key in keys]

    def copy() -> None:
        for start in range(0, len(names), 4):
            there.annex("copy", "-q", "-J4", "--to", "origin", *names[start : start + 4])

    pushed: dict[int, str | None] = {}
    with ThreadPoolExecutor(1) as pool:
        copying = pool.submit(copy)
        while not copying.done() and len(pushed) < 1000:
            number = len(pushed)
            pushed[number] = push(pusher, here.path, logs[number % len(logs)], fake_uuid(number))
        copying.result()
    here.wait_for_sessions()
    commits = {number: commit for number, commit in pushed.items() if commit is not None}
    assert len(commits) > 3
    for commit in commits.values():
        here.repo.git("merge-base", "--is-ancestor", commit, "refs/heads/git-annex")
    known = {key: here.repo.location_log(key) for key in keys}
    assert all(known[keys[number % len(keys)]].get(fake_uuid(number)) == "1" for number in commits)
    assert all(log[here.uuid] == "1" for log in known.values())
    here.check()


def fake_uuid(number: int) -> str:
    return f"{number:08}-1111-4111-8111-111111111111"


def test_the_owner_cannot_drop_what_a_client_has_locked(repo: Repo, serve: Callable[..., Client]) -> None:
    key = repo.add("file", b"content")
    client = serve(repo)
    assert client.ask(f"LOCKCONTENT {key}") == "SUCCESS"
    assert json.loads(repo.annex("drop", "--force", "--json", "file", check=False))["success"] is False
    client.send("UNLOCKCONTENT")
    assert client.ask(f"CHECKPRESENT {key}") == "SUCCESS"
    assert json.loads(repo.annex("drop", "--force", "--json", "file"))["success"] is True
    assert client.ask(f"LOCKCONTENT {key}") == "FAILURE"
