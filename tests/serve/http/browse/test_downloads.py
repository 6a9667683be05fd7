"""What a browser is told of a file that it gets."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annexshell.errors import NodeError, NotPresent, WrongRepository
from annexshell.model.key import parse_key
from annexshell.serve.http.browse.downloads import headers_for, kind_of, send_key
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


@pytest.mark.parametrize(
    ("failures", "asked", "expected"),
    [
        ({b"own": NotPresent("x")}, [b"own"], NotPresent),
        ({b"own": NotPresent("x"), b"a": NodeError("a", "x"), b"b": NotPresent("x")}, [b"own", b"a", b"b"], NodeError),
        ({b"own": NotPresent("x"), b"a": WrongRepository("x")}, [b"own", b"a"], NotPresent),
        ({b"own": NodeError("disk", "x"), b"a": NotPresent("x")}, [b"own"], NodeError),
    ],
)
def test_why_a_file_can_not_be_had(
    failures: dict[bytes, Exception], asked: list[bytes], expected: type[Exception]
) -> None:
    """What a node that failed may have is not said to be nowhere; and of an error nothing is to be saved."""
    tried: list[bytes] = []

    def lend(uuid: bytes) -> Any:
        tried.append(uuid)
        raise failures[uuid]

    exchange: Any = SimpleNamespace(headers=(("X", "y"),), answered=False)
    served: Any = SimpleNamespace(uuid=b"own", lend=lend)
    with pytest.raises(expected):
        send_key(exchange, served, parse_key(b"WORM-s1--x"), "", (("Z", "z"),), lambda: list(failures)[1:])
    assert tried == asked
    assert exchange.headers == (("X", "y"),)
