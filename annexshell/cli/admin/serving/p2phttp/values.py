"""Values of the server's options, as docopt gives them. Raises BadUsage for what makes no sense."""

from __future__ import annotations

import os

from annexshell.errors import BadUsage
from annexshell.model.amounts import parse_duration, parse_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.options import Options

_MOST = 10**9  # the limit of any number, so that a typing error is noticed
_LAST_PORT = 65535
_LONGEST_PORT = 5  # digits


class Given:
    """The options of one command line, by their names."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def flag(self, name: str) -> bool:
        return self._options.flag(name)

    def text(self, name: str) -> str:
        """Empty if the option is not given."""
        return self._options.given(name) or ""

    def path(self, name: str) -> str | None:
        """The absolute path of a file; None if the option is not given."""
        path = self._options.given(name)
        return None if path is None else os.path.abspath(path)

    def texts(self, name: str) -> list[str]:
        return self._options.texts(name)

    def number(self, name: str) -> int:
        text = self.text(name)
        try:
            number = int(text)
        except ValueError:
            number = -1
        if not 0 <= number <= _MOST:
            raise BadUsage(f"{name} has to be a number, not {text!r}")
        return number

    def number_if_given(self, name: str) -> int | None:
        return self.number(name) if self.text(name) else None

    def size(self, name: str) -> int | None:
        """A size such as git-annex takes it, in bytes; None if the option is not given."""
        text = self._options.given(name)
        if text is None:
            return None
        size = parse_size(text)
        if size is None or not 0 <= size < 1 << 63:
            raise BadUsage(f"{name} has to be a size such as 100GB, not {text!r}")
        return size

    def age(self, name: str) -> float:
        """Seconds; 0 for never."""
        text = self.text(name)
        age = parse_duration(text) or 0.0
        if (age <= 0 or not text[-1:].isalpha()) and text != "never":
            raise BadUsage(f"{name} has to be a time such as 12h or 14d, or never, not {text!r}")
        return age

    def port(self, name: str) -> int:
        port = self.number(name)
        if port > _LAST_PORT:  # the operating system would take it modulo 65536
            raise BadUsage(f"{name} has to be a number up to {_LAST_PORT}, not {port}")
        return port

    def mode(self, name: str) -> int:
        """Permissions of a file."""
        text = self.text(name)
        try:
            mode = int(text, 8)
        except ValueError:
            mode = -1
        if not 0 <= mode <= 0o777:
            raise BadUsage(f"{name} has to be three octal digits such as 660, not {text!r}")
        return mode

    def place(self, name: str) -> tuple[str, int] | None:
        """Address and port to listen at, of PORT or ADDRESS:PORT; None if the option is not given."""
        text = self.text(name)
        if not text:
            return None
        address, _, port = text.rpartition(":")
        if not (port.isascii() and port.isdigit()) or len(port) > _LONGEST_PORT or int(port) > _LAST_PORT:
            raise BadUsage(f"{name} has to be a port, or ADDRESS:PORT, not {self.text(name)!r}")
        return address.strip("[]") or "127.0.0.1", int(port)
