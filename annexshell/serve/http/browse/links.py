"""What a url of a page asks for, and the urls of links. Pure."""

from __future__ import annotations

from urllib.parse import quote, unquote_to_bytes

from annexshell.errors import BadRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

FILE, IMAGE = b"file", b"image"  # what may be got of a file: something to save, or to show in a page
_NAMES = (b"branch", b"path", b"page", b"get")
_LONGEST = 4096  # bytes, as for paths in Linux
_MOST_DIGITS = 6


class FileView:
    """What somebody wants to see: a `path` in a `branch`, or in the branch that HEAD names if it is empty. Of a large
    directory, the `page` with that number, from 0. `get` is FILE or IMAGE for the content of a file."""

    __slots__ = ("branch", "get", "page", "path")

    def __init__(self, branch: bytes = b"", path: bytes = b"", page: int = 0, get: bytes = b"") -> None:
        self.branch = branch
        self.path = path
        self.page = page
        self.get = get

    def link(self, path: bytes, page: int = 0, get: bytes = b"") -> str:
        """A link to another path in the same branch, for an attribute in double quotes."""
        return link(FileView(self.branch, path, page, get))


def link(view: FileView) -> str:
    """The link to a view, relative to any other of the same repository; fit for an attribute in double quotes."""
    values = (view.branch, view.path, b"%d" % view.page if view.page else b"", view.get)
    given = [f"{name.decode()}={quote(value, safe='/')}" for name, value in zip(_NAMES, values) if value]
    return "?" + "&amp;".join(given or ["path="])


def has_view(query: bytes) -> bool:
    """Whether a query can only be that of a link of ours."""
    return query.partition(b"=")[0] in _NAMES


def parse_view(query: bytes) -> FileView:
    """What a query asks for; parameters that we don't know count for nothing. Raises BadRequest."""
    values: dict[bytes, bytes] = {}
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        if name in _NAMES:
            values[name] = unquote_to_bytes(value)
    path = values.get(b"path", b"").strip(b"/")
    branch = values.get(b"branch", b"")
    if len(path) > _LONGEST or len(branch) > _LONGEST or b"\0" in path or b"\0" in branch:
        raise BadRequest("no file or branch is called so")
    if path and any(word in (b"", b".", b"..") for word in path.split(b"/")):
        raise BadRequest("no file is called so")
    return FileView(branch, path, _page(values), _get(values))


def _page(values: Mapping[bytes, bytes]) -> int:
    text = values.get(b"page", b"") or b"0"
    if not text.isdigit() or len(text) > _MOST_DIGITS:
        raise BadRequest("page has to be a number")
    return int(text)


def _get(values: Mapping[bytes, bytes]) -> bytes:
    get = values.get(b"get", b"")
    if get not in (b"", FILE, IMAGE):
        raise BadRequest("get has to be file or image")
    return get
