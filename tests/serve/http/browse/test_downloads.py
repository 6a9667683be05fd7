"""What a browser is told of a file that it gets."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annexshell.serve.http.browse.downloads import headers_for, kind_of
from annexshell.serve.http.browse.links import FILE, IMAGE
from annexshell.serve.http.browse.pages import IMAGES, is_readme


@given(st.binary(min_size=1, max_size=60))
def test_any_name_fits_into_the_header(name: bytes) -> None:
    disposition = dict(headers_for(name, "application/octet-stream"))["Content-Disposition"]
    assert re.fullmatch(r"attachment; filename=\"[\w. -]+\"; filename\*=UTF-8''[\w.~%-]+", disposition, re.ASCII)


def test_names_in_any_script() -> None:
    disposition = dict(headers_for("übung \u202e.mp3".encode(), "image/png"))["Content-Disposition"]
    assert disposition.startswith("inline; filename=\"_bung _u202e.mp3\"; filename*=UTF-8''%C3%BCbung%20_u202e.mp3")


@pytest.mark.parametrize("name", [b"x.svg", b"x.svgz", b"x.html", b"x.pdf", b"x.png.html", b"png", b"x.xml", b"x"])
def test_what_is_no_image_is_only_saved(name: bytes) -> None:
    assert kind_of(name, IMAGE) == "application/octet-stream"


def test_images_are_shown_only_where_that_is_asked_for() -> None:
    assert kind_of(b"x.PNG", IMAGE) == "image/png"
    assert kind_of(b"x.PNG", FILE) == "application/octet-stream"
    assert not any("svg" in kind or not kind.startswith("image/") for kind in IMAGES.values())


def test_which_files_are_readmes() -> None:
    assert all(map(is_readme, (b"README", b"readme.md", b"ReadMe.txt", b"README.rst")))
    assert not any(map(is_readme, (b"README.exe", b"README~", b"read.me", b"xREADME", b"README.md.gpg", b".")))
