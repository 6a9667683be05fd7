"""No name can break out of its place in a page."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from annexshell.model.key import Key
from annexshell.serve.http.browse.html import HEADERS, directory_page, empty_page, file_page
from annexshell.serve.http.browse.links import FileView
from annexshell.serve.http.browse.pages import Directory, Frame
from annexshell.serve.http.browse.tree import DIRECTORY, LINK, MODULE, TreeEntry
from annexshell.serve.http.browse.whereabouts import Whereabouts

NASTY = [b"<", b"<script>", b"'", b'"', b"&", b">", b"=", b"&quot;", b"]]>", b"-->", b"\xe2\x80\xae", b"\x1b", b"\xff"]
names = st.one_of(
    st.binary(min_size=1, max_size=30).filter(
        lambda name: not {b"\0", b"/"} & {name[i : i + 1] for i in range(len(name))}
    ),
    st.lists(st.sampled_from(NASTY), min_size=1, max_size=6).map(b"".join),
)
TAGS = set("html head meta title style body main h1 h2 bdi div span details summary ul li a p pre dl dt dd img".split())
NAMES = {"lang", "charset", "name", "content", "class", "href", "src", "alt"}


class Skeleton(HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(page.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


def pages(name: bytes) -> list[bytes]:
    """Pages in which everything is called so."""
    frame = Frame(name, FileView(name, name), [name, b"other"], name)
    key = Key(b"WORM", name.replace(b"\n", b""), 5)
    places = Whereabouts(True, {b"u": name.decode("utf-8", "surrogateescape")})
    entries = [TreeEntry(mode, b"1", name) for mode in (DIRECTORY, LINK, MODULE, b"100644", b"100644")]
    entries[1].target = name
    entries[4].key = key
    directory = Directory(entries, True)
    directory.places = {key: places}
    directory.readme = directory.readme_name = name
    image = TreeEntry(b"100644", b"1", name + b".png")
    return [
        empty_page(frame),
        directory_page(frame, directory),
        *(file_page(frame, entry, places) for entry in (*entries[1:], image)),
    ]


PLAIN = [Skeleton(page) for page in pages(b"plain")]


@given(names)
def test_names_change_nothing_but_texts(name: bytes) -> None:
    for page, plain in zip(pages(name), PLAIN):
        found = Skeleton(page)
        assert found.tags == plain.tags
        assert [name for name, _ in found.attributes] == [name for name, _ in plain.attributes]
        assert set(found.tags) <= TAGS
        assert {name for name, _ in found.attributes} <= NAMES
        assert all(value.startswith("?") for name, value in found.attributes if name in ("href", "src"))
        text = page.decode()
        assert "\u202e" not in text
        assert all(
            character.isprintable() or character in "\n\t\u200c\u200d" or ord(character) > 127 for character in text
        )


def test_a_page_may_do_nothing() -> None:
    policy = dict(HEADERS)["Content-Security-Policy"].split("; ")
    assert "default-src 'none'" in policy
    assert "img-src 'self'" in policy
    assert not any(rule.startswith(("script-src", "connect-src", "frame-src")) for rule in policy)
