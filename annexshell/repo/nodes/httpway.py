"""The way to a server of git-annex's HTTP API: its address, the connections there, and who we are to it; and where it
leads on to, if the server has moved."""

from __future__ import annotations

from annexshell.net.httpclient import HttpClient
from annexshell.repo.nodes.httpauth import HttpCredentials
from annexshell.wire.httpapi import parse_moved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.repo.nodes.dial import Line
    from annexshell.stream.port import Waiting
    from annexshell.wire.httpapi import BaseUrl


class HttpWay:
    """`asked_for` is the url that git is asked about when the server wants to know who we are, `git_credential` as for
    HttpCredentials. `may_follow` says whether the server may send us elsewhere."""

    def __init__(
        self,
        url: BaseUrl,
        asked_for: bytes,
        git_credential: Callable[[bytes], Line],
        waiting: Waiting,
        hops: int = 0,
        may_follow: bool = True,
    ) -> None:
        self.url = url
        self.client = HttpClient(url, waiting, hops)
        self.credentials = HttpCredentials(url, asked_for, git_credential)
        self._asked_for = asked_for
        self._start = git_credential
        self._waiting = waiting
        self._may_follow = may_follow

    def moved(self, location: bytes, target: bytes) -> HttpWay | None:
        """The way to where a server sends us that was asked for `target`; None if that is not where the same could be
        asked, or would give away what https protects. Another server gets no password that was for this one: git is
        asked anew."""
        url = parse_moved(self.url, location, target) if self._may_follow else None
        if url is None or (self.url.secure and not url.secure):
            return None
        asked_for = self._asked_for if url.origin == self.url.origin else url.known_as
        return HttpWay(url, asked_for, self._start, self._waiting, self.client.hops)

    def close(self) -> None:
        """Hangs up."""
        self.client.close()
