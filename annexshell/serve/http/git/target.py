"""The urls of a repository besides those of the API: git's, `config`, and objects as they lie on disk. Pure."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

UPLOAD_PACK, RECEIVE_PACK = b"git-upload-pack", b"git-receive-pack"
SERVICES = (UPLOAD_PACK, RECEIVE_PACK)
INFO_REFS, CONFIG, OBJECT, DUMB = "info/refs", "config", "object", "dumb"

_READ = (b"GET", b"HEAD")
_SERVICE = b"service="
_DOT_GIT = b".git"
_MOST_WORDS = 64


class Target:
    """What a url is about: a repository, as the words of its path, and what is wanted of it. `service` is the one of
    git's that is asked or asked for, empty if there is none, and `name` the file name of an object."""

    __slots__ = ("endpoint", "methods", "name", "service", "words")

    def __init__(self, words: tuple[bytes, ...], endpoint: str, service: bytes = b"", name: bytes = b"") -> None:
        self.words = words
        self.endpoint = endpoint
        self.service = service
        self.name = name
        self.methods = (b"POST",) if endpoint == service.decode() else _READ

    @property
    def asks_for_push(self) -> bool:
        return self.service == RECEIVE_PACK


def parse_target(path: bytes, query: bytes, base: bytes = b"") -> Target | None:
    """The target with a path below `base` (such as /annex) and a query; None if it is none of these.

    Split first, then decoded, once. Superfluous slashes count for nothing, since a git url may end in one, and neither
    does a `.git` behind the url of a work tree. What could lead out of a directory has no meaning.
    """
    words = split_path(path, base)
    if words is None:
        return None
    found = _split_endpoint(words, query)
    if found is not None and found.words[-1:] == (_DOT_GIT,):
        found.words = found.words[:-1]
    return found


_API = re.compile(rb"(.*)(/git-annex/[^/]+/(?:v[0-9]+/[^/]+|(?:v[0-9]+/)?key/[^/]+)/?)", re.DOTALL).fullmatch


def split_api(path: bytes, base: bytes = b"") -> tuple[tuple[bytes, ...], bytes] | None:
    """Of a url of the API below that of a repository: the words of the repository's path, and the path without them;
    None for any other."""
    if path.startswith(base + b"/git-annex/"):
        return None  # as nearly all are
    found = _API(path)
    words = None if found is None else split_path(found[1], base)
    return (words, base + found[2]) if found is not None and words else None


def split_path(path: bytes, base: bytes = b"") -> tuple[bytes, ...] | None:
    """The decoded words of a path below `base`; None for one that is not below it, or that no repository can have."""
    words = [word for word in path.split(b"/") if word]
    prefix = [word for word in base.split(b"/") if word]
    if words[: len(prefix)] != prefix or len(words) > _MOST_WORDS:
        return None
    decoded = tuple(map(unquote_to_bytes, words[len(prefix) :]))
    if any(word in (b"", b".", b"..") or b"/" in word or b"\0" in word for word in decoded):
        return None
    return decoded


def _split_endpoint(words: tuple[bytes, ...], query: bytes) -> Target | None:
    last = words[-1:]
    if last and last[0] in SERVICES:
        return Target(words[:-1], last[0].decode(), last[0])
    if words[-2:] == (b"info", b"refs"):
        return Target(words[:-2], INFO_REFS, _service(query))
    if last == (b"config",):
        return Target(words[:-1], CONFIG)
    return _split_object(words)


def _service(query: bytes) -> bytes:
    """The service that is asked for; empty if it is none of those that we have."""
    wanted = [part[len(_SERVICE) :] for part in query.split(b"&") if part.startswith(_SERVICE)]
    return wanted[0] if len(wanted) == 1 and wanted[0] in SERVICES else b""


def _split_object(words: tuple[bytes, ...]) -> Target | None:
    """Clients look in both kinds of hash directories, of which some repositories have one level only."""
    for levels in (2, 1):
        first = len(words) - levels - 4
        if first >= 0 and words[first : first + 2] == (b"annex", b"objects") and words[-1] == words[-2]:
            return Target(words[:first], OBJECT, name=words[-1])
    return None
