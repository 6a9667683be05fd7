"""Whether the nodes of a gateway answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from annexshell.errors import AnnexshellError
from annexshell.model.key import parse_key
from annexshell.model.remote import LOCAL, SPECIAL
from annexshell.policy.clusters import obstacle
from annexshell.repo.gateway import Gateway
from annexshell.repo.identify import local_uuid
from annexshell.repo.surroundings import Surroundings
from annexshell.stream.polling import PollWaiter
from annexshell.stream.port import Waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.model.remote import Remote
    from annexshell.repo.parts import Parts

_AT_ONCE = 8  # nodes
_SOME_KEY = parse_key(b"WORM-s1-m1--annexshell-doctor")  # that nobody has; what matters is that a node can say so


def ask_nodes(parts: Parts, limit: float) -> list[tuple[Remote, str | None]]:
    """Asks each node, for up to `limit` seconds; with the reason why it can't be used, None if it can. Blocks."""
    gateway = Gateway(parts)
    gateway.waiting = Waiting(PollWaiter(limit), PollWaiter(limit))
    here = Surroundings(parts, gateway.facts)
    wanted = [
        remote
        for remote in here.remotes
        if (remote.is_to_be_proxied or remote.gateway_of)
        and remote.kind != SPECIAL
        and not obstacle(remote, here.uuid, here.special)
    ]
    if not wanted:
        return []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(zip(wanted, pool.map(lambda remote: _ask(gateway, remote), wanted)))


def _ask(gateway: Gateway, remote: Remote) -> str | None:
    if remote.kind == LOCAL:  # opening it would also commit its journal
        uuid = local_uuid(remote, gateway.parts.git.env)
        if uuid == remote.uuid:
            return None
        return "it can't be read" if uuid is None else "it is another repository than before"
    try:
        repository = gateway.connect(remote)
        try:
            repository.present(_SOME_KEY)
        finally:
            repository.close()
    except (AnnexshellError, OSError) as error:
        return str(error).removeprefix(f"{remote.name}: ")
    return None
