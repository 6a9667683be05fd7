"""One node behind a gateway, as clients of the gateway see it (upstream: P2P/Proxy.hs, Command/P2PStdIO.hs)."""

from __future__ import annotations

from functools import partial

from annexshell.errors import AnnexshellError, NodeError, WrongRepository
from annexshell.repo.forward import ForwardingRepository
from annexshell.repo.gateway.tracked import TrackedRepository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.model.remote import Remote
    from annexshell.repo.gateway.gateway import Gateway
    from annexshell.repo.port import Repository
    from annexshell.stream.port import Waiting


class ProxiedNode(ForwardingRepository):
    """Connected on first use. Each request checks again that we still proxy for the node: a session may last long."""

    def __init__(self, gateway: Gateway, uuid: bytes, waiting: Waiting) -> None:
        self.uuid = uuid
        self._gateway = gateway
        self._waiting = waiting
        self._bypassed: list[bytes] = []
        self._remote: Remote | None = None
        self._node: Repository | None = None

    def inner(self) -> Repository:
        try:
            remote = self._gateway.configuration.node_remote(self.uuid)
        except WrongRepository as error:
            self._drop()
            raise NodeError("gateway", str(error)) from None
        if self._node is None or not _is_same(remote, self._remote):
            self._drop()
            node = self._gateway.connect(remote, self._waiting, self._bypassed)
            vouched = partial(self._gateway.configuration.vouched, remote)
            self._node = TrackedRepository(node, self._gateway.tracker, vouched)
            self._remote = remote
        return self._node

    def _drop(self) -> None:
        if self._node is not None:
            node, self._node = self._node, None
            try:
                node.close()
            except AnnexshellError as error:  # what it has recorded stays in its journal
                self._gateway.warn(error, self._remote.name if self._remote is not None else "")

    def bypass(self, gateways: list[bytes]) -> None:
        """The node may be behind a further gateway, which is told so when it is connected to."""
        if gateways != self._bypassed:
            self._drop()
            self._bypassed = gateways

    def close(self) -> None:
        try:
            self._drop()
        finally:
            self._gateway.close()


def _is_same(one: Remote, other: Remote | None) -> bool:
    return other is not None and (one.name, one.location, one.settings) == (other.name, other.location, other.settings)
