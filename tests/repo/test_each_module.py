"""Each module of the repository's rooms has tests of its own, by its name, or a reason why not."""

from __future__ import annotations

import pytest

from tests.conftest import ROOT

REPO = ROOT / "annexshell/repo"
MODULES = sorted(str(path.relative_to(REPO)) for path in REPO.rglob("*.py") if path.name != "__init__.py")
CONFORMANCE = "every implementation of the port passes tests/repo/conformance.py"
# Modules without, and what tests them instead.
ELSEWHERE = {
    "gateway/cluster.py": ("test_conformance_gateway.py", CONFORMANCE),
    "gateway/configuration.py": ("../oracle/test_nodes.py", "what counts is that the original reads the same settings"),
    "gateway/members.py": ("test_conformance_gateway.py", CONFORMANCE),
    "gateway/proxied.py": ("test_forward.py", "it only passes on, and connects"),
    "gateway/surroundings.py": ("../cli/admin/repository/test_info.py", "it is what info shows"),
    "gateway/transfer.py": ("../faults/test_failing_nodes.py", "what counts is what happens when nodes fail"),
    "initialization/identity.py": ("../cli/test_shell.py", "it is compared with the original there"),
    "initialization/initialize.py": ("../cli/admin/repository/test_init.py", "it is what the verb does"),
    "initialization/pushed.py": ("../oracle/test_git_http.py", "what counts is that git can push there"),
    "initialization/settling.py": ("initialization/test_smudging.py", "it is one story with the filter"),
    "local/closing.py": ("../annexlog/test_commit.py", "what counts is what is committed"),
    "local/leases.py": ("../serve/http/repositories/test_locktable.py", "only the table of locks uses them"),
    "local/opening.py": ("test_conformance.py", CONFORMANCE),
    "local/parts.py": ("local/test_contents.py", "it only puts others together"),
    "local/repository.py": ("test_conformance.py", CONFORMANCE),
    "local/running.py": ("../cli/admin/watching/test_status.py", "it is what status shows"),
    "local/trash.py": ("../store/test_removal.py", "what counts is that nothing is removed without it"),
    "memory.py": ("test_conformance.py", CONFORMANCE),
    "nodes/blame.py": ("../stream/test_conformance.py", "every Sink passes that suite"),
    "nodes/httpauth.py": ("test_httppeer_real.py", "what counts is that real servers and git agree"),
    "nodes/httprequests.py": ("nodes/test_httppeer.py", "it is one conversation"),
    "nodes/httptransfer.py": ("nodes/test_httppeer.py", "it is one conversation"),
    "nodes/identify.py": ("../cli/admin/test_nodes.py", "it is what verbs do with remotes"),
    "nodes/peerconnection.py": ("nodes/test_peer.py", "it is one conversation"),
    "nodes/peertransfer.py": ("nodes/test_peer.py", "it is one conversation"),
    "port.py": ("conformance.py", "it is the port"),
}


def own(module: str) -> bool:
    room, _, name = module.rpartition("/")
    return (ROOT / "tests/repo" / room / f"test_{name}").exists()


@pytest.mark.parametrize("module", MODULES)
def test_it_has_tests(module: str) -> None:
    assert own(module) != (module in ELSEWHERE), "tests by its name, or a place where it is tested, and not both"


@pytest.mark.parametrize("module", ELSEWHERE)
def test_the_place_exists(module: str) -> None:
    assert (REPO / module).exists()
    place, why = ELSEWHERE[module]
    assert (ROOT / "tests/repo" / place).exists(), place
    assert why
