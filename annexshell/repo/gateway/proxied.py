"""One node behind a gateway, as clients of the gateway see it (upstream: P2P/Proxy.hs, Command/P2PStdIO.hs)."""

from __future__ import annotations

from functools import partial

from annexshell.errors import AnnexshellError, NodeError, WrongRepository
from annexshell.repo.forward import ForwardingRepository
from annexshell.repo.gateway.tracked import TrackedRepository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.model.remote import Remote
    from annexshell.repo.gateway.configuration import LiveConfiguration
    from annexshell.repo.gateway.tracked import LocationTracker
    from annexshell.repo.port import Repository


class ProxiedNode(ForwardingRepository):
    """Connected on first use. Each request checks again that we still proxy for the node: a session may last long."""

    def __init__(
        self,
        uuid: bytes,
        configuration: LiveConfiguration,
        connect: Callable[[Remote, list[bytes]], Repository],
        tracker: LocationTracker,
        warn: Callable[[AnnexshellError, str], None],
        close_gateway: Callable[[], None],
    ) -> None:
        self.uuid = uuid
        self._configuration = configuration
        self._connect = connect
        self._tracker = tracker
        self._warn = warn
        self._close_gateway = close_gateway
        self._bypassed: list[bytes] = []
        self._remote: Remote | None = None
        self._node: Repository | None = None

    def inner(self) -> Repository:
        try:
            remote = self._configuration.node_remote(self.uuid)
        except WrongRepository as error:
            self._drop()
            raise NodeError("gateway", str(error)) from None
        if self._node is None or not _is_same(remote, self._remote):
            self._drop()
            node = self._connect(remote, self._bypassed)
            vouched = partial(self._configuration.vouched, remote)
            self._node = TrackedRepository(node, self._tracker, vouched)
            self._remote = remote
        return self._node

    def _drop(self) -> None:
        if self._node is not None:
            node, self._node = self._node, None
            try:
                node.close()
            except AnnexshellError as error:  # what it has recorded stays in its journal
                self._warn(error, self._remote.name if self._remote is not None else "")

    def bypass(self, gateways: list[bytes]) -> None:
        """The node may be behind a further gateway, which is told so when it is connected to."""
        if gateways != self._bypassed:
            self._drop()
            self._bypassed = gateways

    def close(self) -> None:
        try:
            self._drop()
        finally:
            self._close_gateway()


def _is_same(one: Remote, other: Remote | None) -> bool:
    return other is not None and (one.name, one.location, one.settings) == (other.name, other.location, other.settings)
