"""Whether the nodes of a gateway answer."""

from __future__ import annotations

import threading
from queue import SimpleQueue

from annexshell.errors import AnnexshellError, Cause, NodeError, internal_error, node_error
from annexshell.model.key import parse_key
from annexshell.model.remote import LOCAL
from annexshell.policy.recording import obstacle
from annexshell.repo.gateway.gateway import Gateway
from annexshell.repo.gateway.surroundings import Surroundings
from annexshell.repo.nodes.identify import local_uuid
from annexshell.stream.polling import PollWaiter
from annexshell.stream.port import Waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.model.remote import Remote
    from annexshell.repo.local.parts import Parts, Tell

_AT_ONCE = 8  # nodes
_SOME_KEY = parse_key(b"WORM-s1-m1--annexshell-doctor")  # that nobody has; what matters is that a node can say so


def ask_nodes(parts: Parts, limit: float) -> list[tuple[Remote, NodeError | None]]:
    """Asks each node, for up to `limit` seconds; returns why it can't be used, None if it can. Blocks; an interrupt
    does not wait for nodes that have not answered yet."""
    gateway = Gateway(parts)
    waiting = Waiting(PollWaiter(limit), PollWaiter(limit))
    here = Surroundings(parts, gateway.facts)
    wanted = [
        remote
        for remote in here.remotes
        if (remote.is_to_be_proxied or remote.gateway_of) and not obstacle(remote, here.uuid, here.special)
    ]
    answers = _each(lambda remote: _ask(gateway, remote, waiting), wanted, parts.use.tell)
    return [(remote, answers[number]) for number, remote in enumerate(wanted)]


def _each(ask: Callable[[Remote], NodeError | None], remotes: list[Remote], tell: Tell) -> dict[int, NodeError | None]:
    """Asks several at once, in daemon threads: unlike those of a pool, they do not hold up the end of the program."""
    left: SimpleQueue[tuple[int, Remote] | None] = SimpleQueue()
    answers: SimpleQueue[tuple[int, NodeError | None]] = SimpleQueue()
    for task in enumerate(remotes):
        left.put(task)

    def work() -> None:
        while (task := left.get()) is not None:
            number, remote = task
            try:
                answers.put((number, ask(remote)))
            except Exception as error:  # else nobody would hear of it
                answers.put((number, node_error(remote.name, internal_error(error))))

    for _ in range(min(_AT_ONCE, len(remotes))):
        left.put(None)
        threading.Thread(target=work, daemon=True).start()
    found: dict[int, NodeError | None] = {}
    while len(found) < len(remotes):
        tell("asking nodes", len(found), len(remotes))
        number, answer = answers.get()
        found[number] = answer
    tell("asking nodes", len(remotes), len(remotes))
    return found


def _ask(gateway: Gateway, remote: Remote, waiting: Waiting) -> NodeError | None:
    if remote.kind == LOCAL:  # opening it would also commit its journal
        uuid = local_uuid(remote, gateway.parts.git.env)
        if uuid == remote.uuid:
            return None
        if uuid is None:
            return NodeError(remote.name, "it can't be read", cause=Cause.UNREADABLE)
        return NodeError(remote.name, "it is another repository than before", cause=Cause.OTHER_REPOSITORY)
    try:
        repository = gateway.connect(remote, waiting, [])
        try:
            repository.present(_SOME_KEY)
        finally:
            repository.close()
    except (AnnexshellError, OSError) as error:
        return blamed_on(remote, error)
    return None


def blamed_on(remote: Remote, error: Exception) -> NodeError:
    """The error of a remote, which mostly names it already."""
    return error if isinstance(error, NodeError) and error.name == remote.name else node_error(remote.name, error)
