"""Whether the nodes of a gateway answer."""

from __future__ import annotations

import threading
from queue import SimpleQueue

from annexshell.errors import AnnexshellError, internal_error
from annexshell.model.key import parse_key
from annexshell.model.remote import LOCAL
from annexshell.policy.clusters import obstacle
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


def ask_nodes(parts: Parts, limit: float) -> list[tuple[Remote, str | None]]:
    """Asks each node, for up to `limit` seconds; returns the reason why it can't be used, None if it can. Blocks; an
    interrupt does not wait for nodes that have not answered yet."""
    gateway = Gateway(parts)
    waiting = Waiting(PollWaiter(limit), PollWaiter(limit))
    here = Surroundings(parts, gateway.facts)
    wanted = [
        remote
        for remote in here.remotes
        if (remote.is_to_be_proxied or remote.gateway_of) and not obstacle(remote, here.uuid, here.special)
    ]
    reasons = _each(lambda remote: _ask(gateway, remote, waiting), wanted, parts.tell)
    return [(remote, reasons[number]) for number, remote in enumerate(wanted)]


def _each(ask: Callable[[Remote], str | None], remotes: list[Remote], tell: Tell) -> dict[int, str | None]:
    """Asks several at once, in daemon threads: unlike those of a pool, they do not hold up the end of the program."""
    left: SimpleQueue[tuple[int, Remote] | None] = SimpleQueue()
    answers: SimpleQueue[tuple[int, str | None]] = SimpleQueue()
    for task in enumerate(remotes):
        left.put(task)

    def work() -> None:
        while (task := left.get()) is not None:
            number, remote = task
            try:
                answers.put((number, ask(remote)))
            except Exception as error:  # else nobody would hear of it
                answers.put((number, str(internal_error(error))))

    for _ in range(min(_AT_ONCE, len(remotes))):
        left.put(None)
        threading.Thread(target=work, daemon=True).start()
    reasons: dict[int, str | None] = {}
    while len(reasons) < len(remotes):
        tell("asking nodes", len(reasons), len(remotes))
        number, reason = answers.get()
        reasons[number] = reason
    tell("asking nodes", len(remotes), len(remotes))
    return reasons


def _ask(gateway: Gateway, remote: Remote, waiting: Waiting) -> str | None:
    if remote.kind == LOCAL:  # opening it would also commit its journal
        uuid = local_uuid(remote, gateway.parts.git.env)
        if uuid == remote.uuid:
            return None
        return "it can't be read" if uuid is None else "it is another repository than before"
    try:
        repository = gateway.connect(remote, waiting, [])
        try:
            repository.present(_SOME_KEY)
        finally:
            repository.close()
    except (AnnexshellError, OSError) as error:
        return str(error).removeprefix(f"{remote.name}: ")
    return None
