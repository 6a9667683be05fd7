"""What a client may say to do harm, over a real process: it gets a clear answer, nothing appears outside of the
repository, and the session goes on where the protocol allows it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import CLIENT_UUID
from tests.repo.places import waiting_for
from tests.support.client import Client, sha256_key
from tests.support.real import Repo

Serve = Callable[..., Client]

CONTENT = b"harmless"
HUGE = "1" + "0" * 1000
ANNEX_FILES = {
    "annexshell",
    "fsck",
    "index",
    "index.lck",
    "journal",
    "journal.lck",
    "mergedrefs",
    "objects",
    "othertmp",
    "othertmp.lck",
    "sentinal",
    "sentinal.cache",
    "tmp",
    "transfer",
}


def listing(directory: Path, without: Path) -> set[str]:
    """Everything below a directory, but not what is below `without`; with the contents of files."""
    found = set()
    for top, directories, files in os.walk(directory):
        if Path(top) == without:
            directories.clear()
            continue
        found |= {os.path.join(top, name) for name in directories}
        found |= {f"{os.path.join(top, name)}: {(Path(top) / name).read_bytes()!r}" for name in files}
    return found


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile") / "repo"


@pytest.fixture
def surrounded(template: Path, tmp_path: Path) -> Iterator[Repo]:
    """A repository whose surroundings, and whose git directory, must look the same afterwards."""
    if not template.exists():  # made by the first test, in the environment of a test
        Repo(template)
    shutil.copytree(template, tmp_path / "repo", symlinks=True)
    repo = Repo(tmp_path / "repo", init=False)
    for name in ("x", "victim", "lck"):
        (tmp_path / name).write_text("not yours")
        (repo.path / name).write_text("not yours")
        (repo.git_dir / name).write_text("not yours")
    annex_before = set(os.listdir(repo.annex_dir))
    before = listing(tmp_path, repo.git_dir)
    git_before = set(os.listdir(repo.git_dir))
    beside = {path.name for path in tmp_path.parent.iterdir()}
    yield repo
    assert listing(tmp_path, repo.git_dir) == before
    assert set(os.listdir(repo.git_dir)) == git_before
    assert {path.name for path in tmp_path.parent.iterdir()} == beside
    assert set(os.listdir(repo.annex_dir)) - annex_before <= ANNEX_FILES
    for name in ("x", "victim", "lck"):
        assert (repo.git_dir / name).read_text() == "not yours"
    transfers = repo.annex_dir / "transfer"
    if transfers.exists():
        assert set(os.listdir(transfers)) <= {"upload", "download", "failed"}


NAMES = {
    "slashes": b"WORM--a/b/c",
    "root": b"WORM--/etc/passwd",
    "upwards": b"WORM--../../../../../victim",
    "upwards in the variety": b"../../../victim--../../x",
    "dots": b"..--..",
    "two dots": b"WORM--..",
    "no name": b"WORM--",
    "escapes": b"WORM--&s%&a:/&c%%",
    "quotes": b"WORM--a\tb \"c\" \\n 'd' $(touch victim2) `touch victim2`",
    "option": b"WORM----force",
    "carriage return": b"WORM--a\rb\r",
    "line separators": b"WORM--a\xe2\x80\xa8b\xc2\x85c\x0b\x0c\x1e",
    "not UTF-8": b"WORM--\xff\xfe\xc0\xaf",
    "control characters": b"WORM--\x01\x1b[31m\x7f",
    "a log's name": b"WORM--x.log",
    "longest that fits": b"WORM--" + b"a" * 237,  # with what the name of its location log in the journal adds
}
REFUSED = {
    "NUL": b"WORM--a\0b",
    "only NUL": b"WORM--\0",
    "NUL and upwards": b"WORM--\0/../../victim",
    "one too long": b"WORM--" + b"a" * 238,
    "no lock file beside it": b"WORM--" + b"a" * 246,
    "grows in the journal": b"WORM--" + b"_" * 120,
    "longer than a file name": b"WORM--" + b"a" * 255,
    "grows by escaping": b"WORM--" + b"&" * 128,
    "longer than a path": b"WORM--" + b"a/" * 3000,
    "longest line": b"WORM--" + b"a" * 32700,
    "longest line of NULs": b"WORM--" + b"\0" * 32700,
}


@pytest.mark.parametrize("key", NAMES.values(), ids=list(NAMES))
def test_odd_keys_are_keys(surrounded: Repo, serve: Serve, key: bytes) -> None:
    client = serve(surrounded)
    assert client.ask(b"CHECKPRESENT " + key) == "FAILURE"
    assert put(client, key) == "SUCCESS"
    assert client.ask(b"CHECKPRESENT " + key) == "SUCCESS"
    assert client.ask(b"GET 0  " + key) == f"DATA {len(CONTENT)}"
    assert client.data(len(CONTENT)) == CONTENT
    assert client.line() == "VALID"
    assert client.ask(b"SUCCESS", b"LOCKCONTENT " + key) == "SUCCESS"
    assert client.ask(b"UNLOCKCONTENT", b"REMOVE " + key) == "SUCCESS"
    assert put(client, key) == "SUCCESS"
    assert client.close() == (0, "")
    name = key.removesuffix(b"\r")  # that was the end of the line
    assert surrounded.annex("whereis", "--format=${uuid}", b"--key=" + name) == surrounded.uuid


def put(client: Client, key: bytes) -> str:
    """Offers the content whatever is answered to PUT; returns the last answer."""
    answer = client.ask(b"PUT  " + key)
    if not answer.startswith("PUT-FROM "):
        return answer
    rest = CONTENT[int(answer.split()[1]) :]
    client.raw(b"DATA %d\n%bVALID\n" % (len(rest), rest))
    return client.line()


@pytest.mark.parametrize("key", REFUSED.values(), ids=list(REFUSED))
def test_keys_that_no_file_can_be_named_after(surrounded: Repo, serve: Serve, key: bytes) -> None:
    client = serve(surrounded)
    assert client.ask(b"CHECKPRESENT " + key) == "FAILURE"
    assert put(client, key) == "FAILURE"
    assert client.ask(b"PUT  " + key) == "PUT-FROM 0"
    assert client.ask("DATA-PRESENT") == "FAILURE"
    assert client.ask(b"GET 0  " + key) == "DATA 0"
    assert client.line() == "INVALID"
    assert client.ask(b"FAILURE", b"LOCKCONTENT " + key) == "FAILURE"
    assert client.ask(b"REMOVE " + key) == "SUCCESS"
    goes_on(client)
    code, errors = client.close()
    assert code == 0
    assert "the key's name" in errors
    assert "Traceback" not in errors
    assert len(errors) < 1000


def goes_on(client: Client) -> None:
    key = sha256_key(CONTENT)
    assert client.put(key, CONTENT) in ("SUCCESS", "ALREADY-HAVE")
    assert client.get(key) == CONTENT


@pytest.mark.parametrize(
    "line",
    [
        b"CHECKPRESENT",
        b"CHECKPRESENT ../../victim",
        b"CHECKPRESENT /etc/passwd",
        b"CHECKPRESENT WORM-s-1--x",
        b"CHECKPRESENT WORM-s%b--x" % (b"9" * 2000),
        b"CHECKPRESENT WORM-s1-s1--x",
        b"CHECKPRESENT --",
        b"GET -1  WORM--x",
        b"GET -%b  WORM--x" % HUGE.encode(),
        b"GET %b  WORM--x" % HUGE.encode(),
        b"GET 0x%b  WORM--x" % HUGE.encode(),
        b"VERSION %b" % HUGE.encode(),
        b"VERSION -%b" % HUGE.encode(),
        b"REMOVE-BEFORE %b WORM--x" % HUGE.encode(),
        b"PUT /etc/passwd WORM--x",
        b"CONNECT git-upload-pack;ls",
        b"CONNECT ../git-upload-pack",
        b"\0" * 1000,
        b"\xff" * 32767,
        b"A" * 32767,
        b" " * 32767,
        b"\t" * 32767,
        b"(" * 32767,
        b"VERSION " + b"(" * 32000,
        b"VERSION " + b"-" * 32000,
        b"VERSION " + b" " * 32000,
    ],
    ids=lambda line: line[:30].decode("ascii", "replace").replace("\0", "0"),
)
def test_nonsense_is_an_unknown_command(surrounded: Repo, serve: Serve, line: bytes) -> None:
    client = serve(surrounded)
    assert client.ask(line) == "ERROR unknown command"
    goes_on(client)
    assert client.close() == (0, "")


def test_huge_numbers_that_are_still_numbers(surrounded: Repo, serve: Serve) -> None:
    huge = "9" * 900
    key = sha256_key(CONTENT)
    client = serve(surrounded)
    assert client.put(key, CONTENT) == "SUCCESS"
    assert client.ask(f"VERSION {huge}") == "VERSION 4"
    assert client.ask(f"GET {huge}  {key}") == "DATA 0"
    assert client.line() == "VALID"
    assert client.ask("SUCCESS", f"REMOVE-BEFORE -{huge} {key}") == "FAILURE"
    assert client.ask(f"REMOVE-BEFORE {huge} {key}") == "SUCCESS"
    assert client.ask(f"CHECKPRESENT WORM-s{huge}-m{huge}-S{huge}-C{huge}--x") == "FAILURE"
    assert client.ask(f"VERSION -{huge}") == f"VERSION -{huge}"
    assert client.ask("VERSION 4") == "VERSION 4"
    goes_on(client)
    assert client.close() == (0, "")


@pytest.mark.parametrize("size", ["9" * 30, "9" * 200, str(1 << 63), str(1 << 64), str((1 << 63) - 1)])
def test_a_key_larger_than_any_disk(surrounded: Repo, serve: Serve, size: str) -> None:
    client = serve(surrounded)
    key = f"WORM-s{size}--x"
    assert client.ask(f"PUT  {key}") == f"PUT-FROM {size}"
    assert client.ask("DATA 0", "VALID") == "FAILURE"
    goes_on(client)
    code, errors = client.close()
    assert code == 0
    assert "space" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("length", ["9" * 30, str(1 << 63), str(1 << 64), str((1 << 63) - 1), "9" * 900])
@pytest.mark.parametrize("key", ["WORM--x", sha256_key(CONTENT)])
def test_more_data_is_announced_than_can_come(surrounded: Repo, serve: Serve, length: str, key: str) -> None:
    """There is no end to what would have to be read: only the end of the connection ends it."""
    client = serve(surrounded)
    assert client.ask(f"PUT  {key}") == "PUT-FROM 0"
    client.raw(f"DATA {length}\n".encode() + CONTENT)
    client.stdin.close()
    assert client.line() == "FAILURE"
    code, errors = client.close()
    assert code == 1
    assert "closed" in errors
    assert "Traceback" not in errors
    again = serve(surrounded)
    assert again.ask(f"CHECKPRESENT {key}") == "FAILURE"


@pytest.mark.parametrize("line", [b"DATA -1", b"DATA -" + b"9" * 900, b"DATA " + b"9" * 2000, b"DATA", b"DATA x"])
def test_no_length_at_all(surrounded: Repo, serve: Serve, line: bytes) -> None:
    client = serve(surrounded)
    assert client.ask("PUT  WORM--x") == "PUT-FROM 0"
    assert client.ask(line) == "ERROR expected DATA"
    goes_on(client)
    assert client.close() == (0, "")


@pytest.mark.parametrize("noise", [b"\0", b"\xff", b"A", b"\r", b" ", b"VERSION 1\t"])
def test_a_line_without_an_end(surrounded: Repo, serve: Serve, noise: bytes) -> None:
    client = serve(surrounded)
    client.raw((noise * 40000)[:40000])
    assert client.line() == ""
    code, errors = client.close()
    assert code == 1
    assert "protocol error" in errors
    assert "Traceback" not in errors


CLIENTS = {
    "upwards": "../../x",
    "further upwards": "../../../../victim",
    "the common lock directory": "lck",
    "disguised as that": "l/ck",
    "long": "x" * 10000,
    "empty": "",
    "dot": ".",
    "dots": "..",
    "slash": "/",
    "root": "/etc",
    "newline": "a\nb",
    "blank": " ",
    "control characters": "\x01\x1b[31m",
    "not UTF-8": os.fsdecode(b"\xff\xfe"),
    "a key": "WORM--x",
    "a direction": "download",
}


@pytest.mark.parametrize("uuid", CLIENTS.values(), ids=list(CLIENTS))
def test_absurd_clients_are_served(surrounded: Repo, shell: Path, uuid: str) -> None:
    large = os.urandom(200_000)
    key = sha256_key(large)
    with Client(shell, "p2pstdio", str(surrounded.path), uuid, "--uuid", surrounded.uuid) as client:
        assert client.ask("VERSION 4") == "VERSION 4"
        assert client.put(key, b"wrong" + large[5:]) == "FAILURE"  # which is remembered in a file of the client's
        assert client.ask(f"PUT  {key}") == "PUT-FROM 0"
        client.raw(b"DATA 200000\n" + large[:150_000])
        with Client(shell, "p2pstdio", str(surrounded.path), CLIENT_UUID, "--uuid", surrounded.uuid) as other:
            # The locks of both clients exclude each other, whatever they are called.
            assert other.ask("VERSION 4") == "VERSION 4"
            other.send(f"PUT  {key}")
            waiting_for(lambda: any((surrounded.annex_dir / "annexshell/wanted").glob("*")))
            client.raw(large[150_000:] + b"VALID\n")
            assert client.line() == "SUCCESS"
            assert other.line() == "ALREADY-HAVE"
        assert client.get(key) == large
        code, errors = client.close()
    assert code == 0
    assert "Traceback" not in errors
    names = [name for top, _, files in os.walk(surrounded.annex_dir / "transfer") for name in files]
    assert not [name for name in names if name.startswith("lck.")], "a lock file was left behind"


@pytest.mark.parametrize("uuid", ["../../x", "", "x" * 10000, "a\nb", os.fsdecode(b"\xff"), "*", "$(touch victim2)"])
def test_absurd_repositories_are_refused(surrounded: Repo, shell: Path, uuid: str) -> None:
    code, output, errors = run(shell, "p2pstdio", str(surrounded.path), CLIENT_UUID, "--uuid", uuid)
    assert (code, output) == (1, "")
    shown = os.fsencode(uuid).decode("utf-8", "backslashreplace")
    assert errors == f"git-annex-shell: expected repository UUID {shown} but found UUID {surrounded.uuid}\n"


def run(shell: Path, *arguments: str | bytes) -> tuple[int, str, str]:
    done = subprocess.run([shell, *arguments], stdin=subprocess.DEVNULL, capture_output=True)
    return done.returncode, os.fsdecode(done.stdout), os.fsdecode(done.stderr)


@pytest.mark.parametrize(
    "key",
    ["WORM--../../../../../victim", "../../../victim--x", "WORM--/etc/passwd", "WORM--..", "WORM--" + "a" * 10000],
)
@pytest.mark.parametrize(
    ("command", "options", "expected"),
    [("inannex", [], 1), ("dropkey", ["--force"], 0), ("sendkey", [], 1)],
)
def test_keys_on_the_command_line(
    surrounded: Repo, shell: Path, key: str, command: str, options: list[str], expected: int
) -> None:
    code, output, errors = run(shell, command, str(surrounded.path), *options, key)
    assert (code, output) == (expected, "")
    assert "Traceback" not in errors


@pytest.mark.parametrize("key", ["victim", "../victim", "", "--", "-", "WORM-s" + "9" * 2000 + "--x"])
@pytest.mark.parametrize("command", ["inannex", "dropkey", "sendkey", "recvkey"])
def test_no_keys_on_the_command_line(surrounded: Repo, shell: Path, key: str, command: str) -> None:
    code, output, errors = run(shell, command, str(surrounded.path), *["--force"] * (command == "dropkey"), key)
    if (command, key) in (("inannex", "--"), ("dropkey", "--")):  # that ends the keys, of which there are none
        assert (code, output, errors) == (0, "", "")
        return
    assert (code, output) == (1, "")
    assert errors.startswith("git-annex-shell: ")
    assert errors.count("\n") == 1
