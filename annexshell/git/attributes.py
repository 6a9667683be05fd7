"""git's attributes of files (Git/CheckAttr.hs, Annex/CheckAttr.hs)."""

from __future__ import annotations

from annexshell.disk.files import written
from annexshell.disk.spawn import Piped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.git.program import Git

_UNKNOWN = (b"unspecified", b"set", b"unset")


class Attributes:
    """Asks one running `git check-attr` for each attribute. It is started on first use, and again after .gitattributes
    at the top has changed, which it would not notice. `work_tree` is None in a bare repository."""

    def __init__(self, git: Git, work_tree: bytes | None) -> None:
        self._git = git
        self._directory = git.git_dir if work_tree is None else work_tree
        self._children: dict[bytes, Piped] = {}
        self._state: object = None

    def get(self, file: bytes, attribute: bytes) -> bytes | None:
        """The value of an attribute of a file, whose name is relative to the top; None if it is not set to a value.
        The file need not exist."""
        if b"\0" in file or file.startswith(b"/") or b".." in file.split(b"/"):  # git would exit at these
            return None
        state = written(self._directory + b"/.gitattributes")
        if state != self._state:
            self.close()
            self._state = state
        child = self._child(attribute)
        child.send(file + b"\0")
        found = [_until_zero(child) for _ in range(3)]  # file, attribute, value
        if found[1] != attribute:
            self._children.pop(attribute).close()
            return None
        return None if found[2] in _UNKNOWN else found[2]

    def _child(self, attribute: bytes) -> Piped:
        if attribute not in self._children:
            argv = self._git.argv("check-attr", "-z", "--stdin", attribute)
            # git looks for .gitattributes in the directory that it runs in.
            self._children[attribute] = Piped([argv[0], "-C", self._directory, *argv[1:]], self._git.env)
        return self._children[attribute]

    def close(self) -> None:
        """Ends the children."""
        while self._children:
            self._children.popitem()[1].close()


def _until_zero(child: Piped) -> bytes:
    text = bytearray()
    while (byte := child.stdout.read(1)) not in (b"\0", b""):
        text += byte
    return bytes(text)
