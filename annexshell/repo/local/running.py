"""Transfers that are going on in a repository, whichever program makes them, for people."""

from __future__ import annotations

import os
from typing import TypedDict

from annexshell.store.layout import UPLOAD
from annexshell.store.ongoing import ongoing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.repo.local.parts import Parts


class RunningTransfer(TypedDict):
    """Plain for JSON: `transfer` is SENDING or RECEIVING, `peer` the other repository's uuid, `started` in seconds
    since the epoch, `done` and `size` in bytes; None stands for what is not known."""

    transfer: str
    key: str
    file: str
    peer: str
    started: float | None
    done: int | None
    size: int | None


SENDING, RECEIVING = "sending", "receiving"


def transfers(parts: Parts) -> list[RunningTransfer]:
    """All of them."""
    return [
        {
            "transfer": SENDING if transfer.direction == UPLOAD else RECEIVING,
            "key": os.fsdecode(transfer.key.serialized),
            "file": os.fsdecode(transfer.file),
            "peer": os.fsdecode(transfer.peer),
            "started": transfer.started,
            "done": transfer.done,
            "size": transfer.key.size,
        }
        for transfer in ongoing(parts.annex.layout, parts.annex.locks)
    ]
