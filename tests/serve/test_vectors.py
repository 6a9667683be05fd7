"""Conversations recorded from the real git-annex-shell, replayed against ours through real processes on pipes.

Each is delivered in three ways: every message whole, byte by byte, and with the messages that follow already sent in
the same write.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.replay import BYTEWISE, PIPELINED, WHOLE, Replay
from tests.support.vectors import (
    SOMETHING,
    Line,
    Session,
    Vector,
    Workspace,
    escape,
    make_template,
    read_vectors,
    substitute,
)

VECTORS = read_vectors(Path(__file__).resolve().parent.parent / "vectors" / "direct")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vectors") / "template"


@pytest.fixture
def directory(template: Path, tmp_path: Path) -> Path:
    if not template.exists():  # made by the first test, in the environment of a test
        make_template(template)
    return tmp_path / "work"


@pytest.fixture
def impatient(shell: Path, tmp_path: Path) -> Path:
    """Our git-annex-shell, which does not wait for its turn to store what another client is storing, as the original
    doesn't."""
    script = tmp_path / "git-annex-shell"
    script.write_text(
        shell.read_text().replace("\nmain()", "\nfrom annexshell.repo.local import turn\n\nturn.LIMIT = 0\nmain()")
    )
    script.chmod(0o755)
    return script


@pytest.mark.parametrize("delivery", [WHOLE, BYTEWISE, PIPELINED])
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.path.stem)
def test_answers_as_recorded(
    vector: Vector, delivery: str, shell: Path, impatient: Path, template: Path, directory: Path
) -> None:
    if vector.path.stem == "put-busy":
        shell = impatient
    workspace = Workspace(directory, vector, template)
    for session in vector.sessions:
        if session.is_protocol:
            with Replay(shell, workspace, session, delivery) as replay:
                replay.run()
        elif delivery == WHOLE:
            run_command(shell, workspace, session)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.path.stem)
def test_is_written_as_it_was_read(vector: Vector) -> None:
    assert str(vector) == vector.path.read_text()
    assert not [
        str(line)
        for session in vector.sessions
        for line in session.lines
        if line.kind == "exchange" and any(item.text == SOMETHING for item in line.items)
    ], "not recorded yet"


def run_command(shell: Path, workspace: Workspace, session: Session) -> None:
    done = subprocess.run(
        [shell, *workspace.argv(session.command)],
        env={**os.environ, **workspace.env(session)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    found = [Line("stdout", escape(text)) for text in done.stdout.split(b"\n") if text]
    found += [Line("stderr", escape(text)) for text in done.stderr.split(b"\n") if text]
    found += [Line("exit", str(done.returncode))] * (done.returncode != 0)
    names = {**workspace.names, "HOST": os.uname().nodename, "DIR": str(workspace.directory)}
    expected = [Line(line.kind, substitute(line.text, names)) for line in session.ours() if line.kind != "comment"]
    assert "\n".join(map(str, found)) == "\n".join(map(str, expected)), session.title
