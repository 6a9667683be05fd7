"""Notes of what could not be recorded."""

from __future__ import annotations

import os
from pathlib import Path

from annexshell.annexlog.lines import PRESENT, PresenceLog
from annexshell.model.key import parse_key
from annexshell.repo.local.parts import Parts
from annexshell.repo.local.unrecorded import note, settle

KEY = parse_key(b"WORM-s3--key")


def recorded(parts: Parts) -> bool:
    log = parts.journal.read(parts.annex.layout.location_log(KEY))
    return parts.uuid in PresenceLog(log).with_status(PRESENT)


def put(parts: Parts) -> Path:
    path = Path(os.fsdecode(parts.annex.layout.object_candidates(KEY)[0]))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"abc")
    return path


def test_what_is_true_is_recorded(parts: Parts) -> None:
    path = put(parts)
    assert note(parts, KEY)
    settle(parts)
    found = [recorded(parts)]
    path.unlink()
    assert note(parts, KEY)
    settle(parts)
    assert [*found, recorded(parts)] == [True, False]
    assert not os.path.exists(parts.annex.layout.unrecorded)


def test_files_of_others_stay(parts: Parts) -> None:
    assert note(parts, KEY)
    stranger = Path(os.fsdecode(parts.annex.layout.unrecorded)) / "README"
    stranger.write_text("not a key")
    settle(parts)
    assert [path.name for path in stranger.parent.iterdir()] == ["README"]


def test_a_disk_that_takes_no_note(parts: Parts) -> None:
    unrecorded = Path(os.fsdecode(parts.annex.layout.unrecorded))
    unrecorded.parent.mkdir(parents=True, exist_ok=True)
    unrecorded.write_text("in the way")
    assert not note(parts, KEY)
    unrecorded.unlink()
