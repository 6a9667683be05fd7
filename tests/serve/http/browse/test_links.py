"""Links lead to what they are about, whatever it is called."""

from __future__ import annotations

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annexshell.errors import BadRequest
from annexshell.serve.http.browse.links import FILE, IMAGE, FileView, has_view, link, parse_view

words = st.binary(min_size=1, max_size=20).filter(
    lambda word: b"/" not in word and b"\0" not in word and word not in (b".", b"..")
)
paths = st.lists(words, max_size=4).map(b"/".join)


@given(paths, paths, st.integers(0, 999_999), st.sampled_from([b"", FILE, IMAGE]))
def test_a_link_asks_for_what_it_is_for(branch: bytes, path: bytes, page: int, get: bytes) -> None:
    text = link(FileView(branch, path, page, get))
    assert re.fullmatch(r"\?[A-Za-z0-9_.~/%=-]+(&amp;[A-Za-z0-9_.~/%=-]+)*", text)
    query = unescape(text)[1:].encode()
    view = parse_view(query)
    assert has_view(query)
    assert (view.branch, view.path, view.page, view.get) == (branch, path, page, get)


@given(st.binary(max_size=60))
def test_any_query_is_understood_or_refused(query: bytes) -> None:
    try:
        path = parse_view(query).path
    except BadRequest:
        return
    assert b"\0" not in path
    assert not {b"", b".", b".."} & set(path.split(b"/") if path else [])


@pytest.mark.parametrize("query", [b"", b"service=git-upload-pack", b"login", b"key=x", b"paths=x"])
def test_queries_of_others(query: bytes) -> None:
    assert not has_view(query)
