"""What the git-annex branch says, together with what was pushed and not merged yet."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from annexshell.annexlog.facts import Facts
from annexshell.annexlog.lines import PRESENT
from tests.support.branch import BRANCH, Ours, log_path, put_files
from tests.support.real import Repo, run

A, B, C = (b"11111111-1111-4111-8111-%012d" % n for n in (1, 2, 3))
CLUSTER = b"acb4a51a-1111-8111-8111-111111111111"
PATH = log_path("WORM-s1-m1--key").encode()
SYNCED = "refs/heads/synced/git-annex"


@pytest.fixture
def facts(ours: Callable[..., Ours]) -> Facts:
    mine = ours(now=7)
    return Facts(mine.git, mine.journal)


def push(repo: Repo, files: dict[bytes, bytes], ref: str = SYNCED, parent: str | None = BRANCH) -> str:
    return put_files(repo, {path.decode(): text for path, text in files.items()}, ref, parent)


def test_the_branch_and_the_journal(repo: Repo, ours: Callable[..., Ours], facts: Facts) -> None:
    push(repo, {PATH: b"1s 1 %b\n" % A}, BRANCH)
    assert facts.locations(PATH) == {A}
    ours(now=8).journal.set_locations(PATH, [B], PRESENT)
    assert facts.locations(PATH) == {A, B}


@pytest.mark.parametrize(
    "ref",
    [SYNCED, "refs/remotes/origin/git-annex", f"refs/synced/{A.decode()}/git-annex", "refs/tags/git-annex"],
)
@pytest.mark.parametrize("packed", [False, True])
def test_what_was_pushed_counts(repo: Repo, facts: Facts, ref: str, packed: bool) -> None:
    push(repo, {PATH: b"1s 1 %b" % A}, BRANCH)
    push(repo, {PATH: b"2s 0 %b\n2s 1 %b\n" % (A, B)}, ref)
    if packed:
        repo.git("pack-refs", "--all")
    assert facts.locations(PATH) == {B}


@pytest.mark.parametrize("ref", ["refs/heads/not-git-annex", "refs/heads/git-annex-not", "refs/heads/master"])
def test_other_branches_do_not(repo: Repo, facts: Facts, ref: str) -> None:
    push(repo, {PATH: b"1s 1 %b\n" % A}, ref)
    assert facts.locations(PATH) == set()


def test_what_is_merged_already_is_not_read_again(repo: Repo, facts: Facts) -> None:
    """Else a fact that has been forgotten since would come back."""
    push(repo, {PATH: b"1s 1 %b\n" % A}, SYNCED)
    repo.git("update-ref", BRANCH, SYNCED)
    push(repo, {PATH: b"\n"}, BRANCH)
    assert facts.locations(PATH) == set()


def test_a_push_is_noticed(repo: Repo, facts: Facts) -> None:
    assert facts.locations(PATH) == set()
    state = facts.refs_state()
    push(repo, {PATH: b"1s 1 %b\n" % A})
    assert facts.refs_state() != state
    assert facts.locations(PATH) == {A}
    push(repo, {PATH: b"1s 1 %b\n" % B}, parent=SYNCED)
    assert facts.locations(PATH) == {B}


def test_a_merge_is_noticed(repo: Repo, facts: Facts) -> None:
    push(repo, {PATH: b"1s 1 %b\n" % A})
    assert facts.locations(PATH) == {A}
    repo.annex("merge", "-q")
    repo.git("update-ref", "-d", SYNCED)
    assert facts.locations(PATH) == {A}


def test_without_a_branch_of_our_own(repo: Repo, facts: Facts) -> None:
    push(repo, {PATH: b"1s 1 %b\n" % A})
    repo.git("update-ref", "-d", BRANCH)
    assert facts.locations(PATH) == {A}


def test_refs_that_git_annex_ignores(repo: Repo, facts: Facts) -> None:
    ignored = push(repo, {PATH: b"1s 1 %b\n" % A}, parent=None)
    push(repo, {PATH: b"1s 1 %b\n" % B}, "refs/remotes/origin/git-annex")
    (repo.annex_dir / "ignoredrefs").write_text(f"{'0' * 40}\n{ignored}\n")
    assert facts.locations(PATH) == {B}


def test_a_history_that_others_forgot_is_left_out(repo: Repo, facts: Facts) -> None:
    push(repo, {PATH: b"1s 1 %b\n" % A, b"transitions.log": b"ForgetGitHistory 5s\n"}, parent=None)
    push(repo, {PATH: b"1s 1 %b\n" % B}, "refs/remotes/origin/git-annex", parent=None)
    assert facts.locations(PATH) == {B}


def test_a_history_that_we_forgot_is_left_out(repo: Repo, facts: Facts) -> None:
    """What somebody pushes who has not heard of it yet; git-annex does it this way itself."""
    push(repo, {PATH: b"1s 1 %b\n" % A})
    repo.annex("forget", "--force", "-q")
    push(repo, {PATH: b"1s 1 %b\n" % C}, "refs/remotes/origin/git-annex", parent=SYNCED)
    assert facts.locations(PATH) == {A}  # which was merged before
    transitions = run("git", "show", f"{BRANCH}:transitions.log", cwd=repo.path).encode()
    push(repo, {PATH: b"1s 1 %b\n" % B, b"transitions.log": transitions}, parent=None)
    assert facts.locations(PATH) == {A, B}


def difference(uuid: bytes, value: bytes) -> bytes:
    return b"%b fromList [%b] timestamp=5s\n" % (uuid, value)


@pytest.mark.parametrize(
    ("value", "counts"), [(b"ObjectHashLower", True), (b"OneLevelBranchHash", False), (b"", False)]
)
def test_repositories_that_are_tuned_otherwise(repo: Repo, facts: Facts, value: bytes, counts: bool) -> None:
    push(repo, {b"difference.log": difference(A, b"ObjectHashLower")}, BRANCH)
    theirs = {b"difference.log": difference(B, value)} if value else {}
    push(repo, {PATH: b"1s 1 %b\n" % B, **theirs}, parent=None)
    assert facts.locations(PATH) == ({B} if counts else set())


def test_who_proxies_for_whom(repo: Repo, facts: Facts) -> None:
    log = b"1s %b %b:one %b:two %b:uno\n1s %b \n" % (A, B, C, B, C)
    push(repo, {b"proxy.log": log + b"1s %b %b:-option\n" % (B, A)}, BRANCH)
    assert facts.listed_by(A) == {B: ["one", "uno"], C: ["two"]}
    assert facts.listed_by(B) == {}
    assert facts.listed_by(C) == {}
    assert facts.listed_by(CLUSTER) is None
    push(repo, {b"proxy.log": b"2s %b %b:one\n" % (A, B)})
    assert facts.listed_by(A) == {B: ["one"]}


def test_clusters(repo: Repo, facts: Facts) -> None:
    push(repo, {b"cluster.log": b"1s %b %b %b\n1s %b %b\n" % (CLUSTER, A, B, C, A)}, BRANCH)
    assert facts.clusters() == {CLUSTER: [A, B]}  # the other's uuid is not that of a cluster
    push(repo, {b"cluster.log": b"2s %b \n" % CLUSTER})
    assert facts.clusters() == {CLUSTER: []}


def test_the_dead(repo: Repo, facts: Facts) -> None:
    log = b"%b X timestamp=1s\n%b 0 timestamp=1s\n%b X timestamp=1s\n" % (A, B, C)
    push(repo, {b"trust.log": log}, BRANCH)
    assert facts.dead() == {A, C}
    push(repo, {b"trust.log": b"%b ? timestamp=2s\n" % C})
    assert facts.dead() == {A}


def test_what_git_annex_writes(repo: Repo, facts: Facts) -> None:
    repo.git("remote", "add", "node", "/nowhere")
    repo.git("config", "remote.node.annex-uuid", A.decode())
    repo.git("config", "remote.node.annex-proxy", "true")
    repo.git("config", "remote.node.annex-cluster-node", "mine")
    repo.annex("initcluster", "mine", "-q")
    cluster = repo.git("config", "annex.cluster.mine").strip().encode()
    repo.annex("updatecluster", "-q")
    repo.annex("updateproxy", "-q")
    assert facts.clusters() == {cluster: [A]}
    assert facts.listed_by(repo.uuid.encode()) == {A: ["node"], cluster: ["mine"]}
    assert facts.descriptions().get(repo.uuid.encode()) == b"a repository"
    repo.annex("describe", "node", "the node")
    repo.annex("dead", "node")
    assert facts.dead() == {A}
    assert facts.descriptions().get(A) == b"the node"
