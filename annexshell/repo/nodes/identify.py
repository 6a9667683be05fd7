"""Which repositories the remotes are: asks those whose uuid the git config does not have, and remembers the answer
there (upstream: Remote/Git.hs: configRead)."""

from __future__ import annotations

import os

from annexshell.errors import AnnexshellError, Cause, NodeError
from annexshell.git.config import read_config, set_config
from annexshell.git.paths import locate
from annexshell.git.program import Git
from annexshell.model.ids import is_cluster_uuid, is_recordable
from annexshell.model.remote import LOCAL, SSH
from annexshell.repo.nodes.remedies import remedy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.disk.spawn import Environment
    from annexshell.model.remote import Remote
    from annexshell.repo.local.parts import Parts

_LIMIT = 60.0  # seconds that another host may take to answer


def local_uuid(remote: Remote, env: Environment) -> bytes | None:
    """The uuid of a repository on this machine, empty if it has none; None if it can't be read now."""
    try:
        return read_config(Git(locate(remote.location).git_dir, env)).get("annex.uuid") or b""
    except (AnnexshellError, OSError):
        return None


def ask_uuid(parts: Parts, remote: Remote, limit: float) -> bytes:
    """The uuid of a repository that is reached over ssh, which has up to `limit` seconds. Raises NodeError."""
    from annexshell.repo.nodes.reach import Origin
    from annexshell.stream.polling import PollWaiter
    from annexshell.stream.port import Waiting

    waiter = PollWaiter(limit)
    parts.use.tell(f"asking {remote.name}", 0, None)
    dialer = Origin(parts, Waiting(waiter, waiter)).dialer()
    uuid = dialer.ask(remote, b"configlist").get(b"annex.uuid")
    if uuid is None:
        reason = f"{os.fsdecode(remote.location)} is not a git-annex repository"
        raise NodeError(remote.name, reason, cause=Cause.NO_REPOSITORY)
    return uuid


class Identifier:
    """Finds uuids out, and says so once of each remote where that fails."""

    def __init__(self, parts: Parts, warn: Callable[[str], None]) -> None:
        self._parts = parts
        self._warn = warn
        self._asked: dict[str, bytes] = {}

    def identified(self, remote: Remote, ask: bool) -> Remote:
        """The remote with its uuid, which is noted in the git config. One on this machine is looked at even if it has
        one, since another may lie there now; another host is asked only with `ask`."""
        local = remote.kind == LOCAL and remote.setting("annex-checkuuid").strip().lower() != b"false"
        if not local and not (ask and remote.kind == SSH and not remote.uuid):
            return remote
        if remote.name not in self._asked:
            self._asked[remote.name] = self._found(remote)
        uuid = self._asked[remote.name]
        if not uuid or uuid == remote.uuid:
            return remote
        set_config(self._parts.git, f"remote.{remote.name}.annex-uuid", uuid)
        return remote.with_uuid(uuid)

    def _found(self, remote: Remote) -> bytes:
        """What the repository calls itself; empty if it can't be reached or has no uuid that we could use."""
        if remote.kind == LOCAL:
            uuid = local_uuid(remote, self._parts.git.env)
            if uuid is None:
                if not remote.uuid:
                    self._warn(f"Remote {remote.name} cannot currently be accessed.")
                return b""
        else:
            try:
                uuid = ask_uuid(self._parts, remote, _LIMIT)
            except NodeError as error:
                self._warn(
                    f"Unable to connect to repository {remote.name} to get its annex.uuid configuration."
                    f" ({error.reason}; {remedy(remote.name, error.cause)})"
                )
                return b""
        return uuid if is_recordable(uuid) and not is_cluster_uuid(uuid) else b""
