"""How many transfers to and from each node are running, in all processes of a gateway."""

from __future__ import annotations

from annexshell.disk.perms import make_directories
from annexshell.disk.slots import Slots
from annexshell.model.ownfiles import OwnFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.disk.perms import Perms


class Loads:
    """Each transfer locks a byte of a file."""

    def __init__(self, annex_dir: bytes, perms: Perms) -> None:
        self._annex_dir = annex_dir
        self._perms = perms
        self._nodes: dict[bytes, Slots] = {}

    def count(self, uuid: bytes) -> int:
        """How many are running."""
        return self._slots(uuid).count()

    def take(self, uuid: bytes) -> int:
        """A file descriptor that counts as a running transfer until it is closed, -1 if that does not work."""
        try:
            return self._slots(uuid).take()
        except OSError:
            return -1

    def _slots(self, uuid: bytes) -> Slots:
        own = OwnFiles(self._annex_dir)
        if uuid not in self._nodes:
            make_directories(own.directory, self._annex_dir, self._perms)
            self._nodes[uuid] = Slots(own.busy(uuid), self._perms.new_file)
        return self._nodes[uuid]
