"""What pages show, as values. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from annexshell.model.key import Key
    from annexshell.serve.http.browse.links import FileView
    from annexshell.serve.http.browse.tree import TreeEntry
    from annexshell.serve.http.browse.whereabouts import Whereabouts

LONGEST_PAGE = 200  # entries
_READMES = ("", ".md", ".txt", ".rst", ".org", ".markdown", ".adoc")
# What browsers draw and never run, by the ends of names.
IMAGES = {
    b"png": "image/png",
    b"jpg": "image/jpeg",
    b"jpeg": "image/jpeg",
    b"gif": "image/gif",
    b"webp": "image/webp",
    b"avif": "image/avif",
    b"bmp": "image/bmp",
}


class Frame:
    """What surrounds each page: the repository's `name`, the `view` that is shown, all `branches`, and the `clone` url,
    which is empty where there is none to tell."""

    __slots__ = ("branches", "clone", "name", "view")

    def __init__(self, name: bytes, view: FileView, branches: Sequence[bytes], clone: bytes) -> None:
        self.name = name
        self.view = view
        self.branches = branches
        self.clone = clone


class Directory:
    """A page of a directory. `places` has annexed files of which that is known; `has_more` is whether pages follow."""

    __slots__ = ("entries", "has_more", "places", "readme", "readme_name")

    def __init__(self, entries: Sequence[TreeEntry], has_more: bool) -> None:
        self.entries = entries
        self.has_more = has_more
        self.places: Mapping[Key, Whereabouts] = {}
        self.readme = b""
        self.readme_name = b""


def image_kind(name: bytes) -> str:
    """The media type of an image that may be shown, by the name of its file; else empty."""
    return IMAGES.get(name.rpartition(b".")[2].lower(), "") if b"." in name else ""


def is_readme(name: bytes) -> bool:
    stem, dot, ending = name.lower().partition(b".")
    return stem == b"readme" and (dot + ending).decode("utf-8", "replace") in _READMES
