"""What wraps a repository passes on all that it does not change."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from types import SimpleNamespace
from typing import Any

import pytest

from annexshell.model.access import READ_WRITE
from annexshell.model.key import parse_key
from annexshell.model.remote import SSH, Remote
from annexshell.repo.forward import ForwardingRepository
from annexshell.repo.gateway.proxied import ProxiedNode
from annexshell.repo.gateway.tracked import TrackedRepository
from annexshell.repo.guard import GuardedRepository
from annexshell.repo.local.quota import LimitedRepository
from annexshell.repo.port import Repository

KEY = parse_key(b"WORM--key")
METHODS = [name for name in vars(Repository) if callable(getattr(Repository, name)) and not name.startswith("_")]


class Recording:
    """Answers each call with what it was."""

    uuid = b"u"

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def __getattr__(self, name: str) -> Callable[..., tuple[object, ...]]:
        def call(*args: object) -> tuple[object, ...]:
            self.calls.append((name, *args))
            return self.calls[-1]

        return call


class Forwarding(ForwardingRepository):
    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def inner(self) -> Repository:
        found: Repository = self._inner
        return found


@pytest.mark.parametrize("name", METHODS)
def test_all_is_passed_on(name: str) -> None:
    recording = Recording()
    args = list(range(len(signature(getattr(Repository, name)).parameters) - 1))
    answer = getattr(Forwarding(recording), name)(*args)
    assert recording.calls == [(name, *args)]
    assert answer in (None, recording.calls[0])


UNUSED: Any = None

WRAPPERS: dict[str, Callable[[Any], Repository]] = {
    "guarded": lambda inner: GuardedRepository(inner, READ_WRITE),
    "tracked": lambda inner: TrackedRepository(inner, UNUSED, lambda uuids: uuids),
    "limited": lambda inner: LimitedRepository(inner, UNUSED, UNUSED, UNUSED, b"user"),
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_wrappers_pass_on_where_a_request_came_by(wrapper: str) -> None:
    recording = Recording()
    WRAPPERS[wrapper](recording).bypass([b"gateway"])
    assert recording.calls == [("bypass", [b"gateway"])]


def test_a_node_is_told_where_a_request_came_by() -> None:
    """When it is connected to, and it is connected to anew when that is another way than before."""
    connected: list[tuple[bytes, list[bytes]]] = []
    recording = Recording()

    def connect(remote: Remote, bypass: list[bytes]) -> Any:
        connected.append((remote.uuid, bypass))
        return recording

    configuration: Any = SimpleNamespace(
        node_remote=lambda uuid: Remote("node", uuid, SSH, b"ssh://host/path", {}),
        vouched=lambda _remote, uuids: uuids,
    )
    tracker: Any = None
    node = ProxiedNode(b"u", configuration, connect, tracker, lambda _error, _name: None, lambda: None)
    node.bypass([b"one"])
    node.present(KEY)
    node.bypass([b"one"])
    node.present(KEY)
    assert connected == [(b"u", [b"one"])]
    node.bypass([b"two"])
    node.present(KEY)
    assert connected == [(b"u", [b"one"]), (b"u", [b"two"])]
    assert [call[0] for call in recording.calls] == ["present", "present", "close", "present"]
