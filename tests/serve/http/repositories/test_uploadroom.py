"""How many uploads may be under way at once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from annexshell.errors import TooBusy
from annexshell.serve.http.api.handlers import put
from annexshell.serve.http.http1.sender import Sender
from annexshell.serve.http.repositories.uploadroom import UploadRoom


def test_one_client_has_a_part_of_the_room() -> None:
    room = UploadRoom(8)
    with room.place("192.0.2.1"), room.place("192.0.2.1"):
        with pytest.raises(TooBusy), room.place("192.0.2.1"):
            pass
        with room.place("192.0.2.2"):
            pass
    with room.place("192.0.2.1"):
        pass


def test_ipv6_counts_by_the_network() -> None:
    room = UploadRoom(4)
    with room.place("2001:db8::1"):
        with pytest.raises(TooBusy), room.place("2001:db8::2"):
            pass
        with room.place("2001:db8:0:1::1"):
            pass


def test_all_have_a_limit_too_and_all_of_it_comes_back() -> None:
    room = UploadRoom(3)
    for _ in range(10):
        with room.place(""), room.place(""), room.place("192.0.2.1"):
            for address in ("", "192.0.2.2"):
                with pytest.raises(TooBusy), room.place(address):
                    pass


def test_an_upload_without_room_opens_nothing() -> None:
    served: Any = SimpleNamespace(uploads=UploadRoom(0))
    exchange: Any = SimpleNamespace(sender=Sender("192.0.2.1", False))
    call: Any = None
    with pytest.raises(TooBusy):
        put(exchange, call, served)
