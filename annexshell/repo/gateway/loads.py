"""How many transfers to and from each node are running, in all processes of a gateway."""

from __future__ import annotations

from annexshell.disk.perms import make_directories
from annexshell.disk.slots import Slots
from annexshell.model.ids import uuid_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.disk.perms import Perms


class Loads:
    """Files AD/annexshell/busy.UUID, in which each transfer locks a byte."""

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
        directory = self._annex_dir + b"/annexshell"
        if uuid not in self._nodes:
            make_directories(directory, self._annex_dir, self._perms)
            self._nodes[uuid] = Slots(b"%b/busy.%b" % (directory, uuid_directory(uuid)), self._perms.new_file)
        return self._nodes[uuid]
