"""Who we are to a server that asks: from the url, or else from git's credential helpers (upstream: Git/Credential.hs).

Nobody sits at our terminal, so git is told never to ask there.
"""

from __future__ import annotations

from annexshell.errors import AnnexshellError, NodeError
from annexshell.wire.httpapi import basic_authorizations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.repo.nodes.dial import Line
    from annexshell.wire.httpapi import BaseUrl

NO_PROMPT = {b"GIT_TERMINAL_PROMPT": b"0"}


class HttpCredentials:
    """User name and password for one server. `git_credential` starts `git credential` with a word as its parameter;
    `asked_for` is the url that git is asked about."""

    def __init__(self, url: BaseUrl, asked_for: bytes, git_credential: Callable[[bytes], Line]) -> None:
        self._url = url
        self._asked_for = asked_for
        self._start = git_credential
        self._header = b""
        self._untried: list[bytes] | None = None  # None as long as nobody wanted to know
        self._from_git = b""  # what git told, until it is known whether it is right

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        """The header fields of a request that say who we are."""
        return [(b"Authorization", self._header)] if self._header else []

    def refused(self, challenges: list[bytes]) -> bool:
        """A request was answered with 401. Whether it is worthwhile to make it again, with other `fields`."""
        if self._untried is None:
            self._untried = self._find(challenges)
        if self._untried:
            self._header = self._untried.pop(0)
            return True
        self._tell(b"reject")
        self._header, self._untried = b"", None
        return False

    def accepted(self) -> None:
        """A request was carried out."""
        self._tell(b"approve")

    def _find(self, challenges: list[bytes]) -> list[bytes]:
        if self._url.password is not None:
            return basic_authorizations(self._url.user, self._url.password)
        wwwauth = b"".join(b"wwwauth[]=%b\n" % challenge for challenge in challenges)
        lines = self._git(b"fill", b"url=%b\n%b" % (self._asked_for, wwwauth))
        found = dict(line.partition(b"=")[::2] for line in lines)
        if b"username" not in found or b"password" not in found:
            return []
        self._from_git = b"".join(line + b"\n" for line in lines)
        return basic_authorizations(found[b"username"], found[b"password"])

    def _tell(self, word: bytes) -> None:
        if self._from_git:
            known, self._from_git = self._from_git, b""
            self._git(word, known)

    def _git(self, word: bytes, text: bytes) -> list[bytes]:
        """What git answers; nothing if it fails, which is as if it knew nothing."""
        lines = []
        try:
            line = self._start(word)
        except NodeError:
            return []
        try:
            line.stream.write(text + b"\n")
            while answer := line.stream.read_line():
                lines.append(answer)
        except AnnexshellError:
            return []
        finally:
            line.close()
        return lines
