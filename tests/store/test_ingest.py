"""Storing content, side by side with the real git-annex-shell on copies of one repository."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from annexshell.annexlog.journal import Journal
from annexshell.annexlog.lines import MISSING, PRESENT
from annexshell.errors import AnnexshellError, DiskError, DiskFull, NotPresent, VerificationFailed
from annexshell.model.key import parse_key
from annexshell.relay.copy import receive
from annexshell.repo.local import turn
from annexshell.repo.local.repository import LocalRepository
from annexshell.repo.port import Writing
from annexshell.serve.session import Session
from annexshell.store import ingest
from annexshell.store.layout import Layout
from annexshell.stream.memory import MemoryStream
from tests.conftest import CLIENT_UUID
from tests.repo.places import existing, make_repo, open_repo, waiting_for
from tests.store.conftest import Connect
from tests.support.client import Client, sha256_key
from tests.support.faulty import faulty_shell
from tests.support.real import Repo

SIDES = ["ours", "real"]
PAIRS = [("ours", "real"), ("real", "ours"), ("ours", "ours")]
CONTENT = b"content to be stored"
KEY = sha256_key(CONTENT)


def objects(repo: Repo) -> dict[str, bytes]:
    paths = repo.annex_dir.glob("objects/**/*")
    return {path.name: path.read_bytes() for path in paths if path.name == path.parent.name and path.is_file()}


def partials(repo: Repo) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in repo.annex_dir.glob("tmp/*")}


def failed(repo: Repo) -> set[str]:
    return {path.name for path in repo.annex_dir.glob("transfer/failed/download/*/*")}


def logged_present(repo: Repo) -> set[str]:
    """The keys whose content is here as far as the git-annex branch knows."""
    lines = repo.git("grep", "-h", "--full-name", "-e", f" 1 {repo.uuid}$", "--name-only", "git-annex", check=False)
    names = {line.rpartition("/")[2].removesuffix(".log") for line in lines.splitlines()}
    return {name for name in names if "--" in name}


def upload(client: Client, key: str, content: bytes, valid: str = "VALID") -> tuple[int, str]:
    """Sends exactly `content`, whatever is there already; returns the offset that was offered and the answer."""
    answer = client.ask(f"PUT  {key}")
    assert answer.startswith("PUT-FROM "), answer
    client.raw(b"DATA %d\n%b%b\n" % (len(content), content, valid.encode()))
    return int(answer.split()[1]), client.line()


# What is here already, what comes, and what the client says of it


class Case:
    """One upload on top of what an earlier one has left."""

    def __init__(self, number: int, key: str, partial: str, sent: str, valid: str) -> None:
        self.content = b"0123456789%06d" % number
        self.key = {
            "hash": f"SHA256--{hashlib.sha256(self.content).hexdigest()}",
            "hash and size": sha256_key(self.content),
            "size": f"WORM-s{len(self.content)}--{number}",
            "nothing": f"WORM--{number}",
        }[key]
        half = len(self.content) // 2
        self.partial = {
            "none": None,
            "empty": b"",
            "start": self.content[:half],
            "bad start": b"x" * half,
            "all": self.content,
            "bad": b"x" * len(self.content),
        }[partial]
        self.what = (key, partial, sent, valid)
        self._sent = sent
        self.valid = valid

    def data(self, offset: int) -> bytes:
        rest = self.content[offset:]
        return {"rest": rest, "none": b"", "less": rest[:-1], "more": rest + b"!", "bad": b"?" * len(rest)}[self._sent]


KEYS = ["hash", "hash and size", "size", "nothing"]
PARTIALS = ["none", "empty", "start", "bad start", "all", "bad"]
SENT = ["rest", "none", "less", "more", "bad"]


def cases(*tables: list[str]) -> list[Case]:
    return [Case(number, *words) for number, words in enumerate(product(*tables))]


Outcome = dict[tuple[str, str, str, str], tuple[int, str, bytes | None, bytes | None, bool]]


REMEMBERED = 100  # failed transfers of which we leave a note; the original has no limit


def outcomes(connect: Connect, side: str, repo: Repo, table: list[Case]) -> Outcome:
    """The answers, and what is there of each key afterwards."""
    (repo.annex_dir / "tmp").mkdir()
    client = connect(side, repo)
    answers = {}
    for case in table:
        if case.partial is not None:
            (repo.annex_dir / "tmp" / case.key).write_bytes(case.partial)
        offset = 0 if case.partial is None else len(case.partial)
        answers[case.key] = upload(client, case.key, case.data(offset), case.valid)
    assert client.close()[0] == 0
    stored, left, noted = objects(repo), partials(repo), failed(repo)
    bad = [case.key for case in table if case.key in noted][:REMEMBERED]
    assert stored.keys() == {key for key, (_, answer) in answers.items() if answer == "SUCCESS"}
    assert stored.keys() == logged_present(repo)
    return {
        case.what: (*answers[case.key], stored.get(case.key), left.get(case.key), case.key in bad) for case in table
    }


def test_uploads_go_on_where_they_ended(tmp_path: Path, connect: Connect) -> None:
    table = cases(KEYS, PARTIALS, SENT, ["VALID", "INVALID"])
    found = []
    for side in SIDES:
        repo = make_repo(tmp_path / side)
        found.append(outcomes(connect, side, repo, table))
        if side == "ours":
            repo.annex("fsck", "-q", "--all")
    assert found[0] == found[1]
    stored = {what: content for what, (_, _, content, _, _) in found[0].items() if content is not None}
    by_what = {case.what: case.content for case in table}
    for what, content in stored.items():
        assert what[0] == "nothing" or len(content) == len(by_what[what])
        assert "hash" not in what[0] or content == by_what[what]
    assert len(stored) > 30


def test_without_verification_only_what_comes_at_once_is_believed(tmp_path: Path, connect: Connect) -> None:
    """An empty partial file is no difference to us. And where the size shows that something is wrong, it is; no file at
    all can have another hash than that of nothing."""
    table = cases(KEYS, PARTIALS, SENT, ["VALID", "INVALID"])
    found = []
    for side in SIDES:
        repo = make_repo(tmp_path / side)
        repo.git("config", "annex.verify", "false")
        found.append(outcomes(connect, side, repo, table))
    for what, ours in found[0].items():
        key, partial, sent, valid = what
        same_as = (key, "none", sent, valid) if partial == "empty" else what
        _, answer, stored, _, _ = found[1][same_as]
        wrong = ("none", "less", "more") if "size" in key else ("none",) if "hash" in key else ()
        if partial in ("none", "empty") and sent in wrong and valid == "VALID":
            assert answer == "SUCCESS"
            assert ours[1:3] == ("FAILURE", None), what
        else:
            assert ours[1] == answer, what
            assert (ours[2] is None) == (stored is None), what
    assert found[0]["hash", "none", "bad", "VALID"][1] == "SUCCESS"
    assert found[0]["hash", "start", "bad", "VALID"][1] == "FAILURE"


def test_a_partial_file_that_is_too_long_is_no_beginning(tmp_path: Path, connect: Connect) -> None:
    """The original makes an offer behind the end, and then fails; a new attempt is worth more."""
    repo = make_repo(tmp_path / "repo")
    (repo.annex_dir / "tmp").mkdir()
    (repo.annex_dir / "tmp" / KEY).write_bytes(CONTENT + b"more")
    assert upload(connect("ours", repo), KEY, CONTENT) == (0, "SUCCESS")
    assert objects(repo) == {KEY: CONTENT}


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_one_goes_on_with_what_the_other_has_received(
    tmp_path: Path, connect: Connect, first: str, second: str
) -> None:
    content = os.urandom(3_000_000)
    key = sha256_key(content)
    repo = make_repo(tmp_path / "repo")
    client = connect(first, repo)
    assert client.ask(f"PUT  {key}") == "PUT-FROM 0"
    client.raw(b"DATA %d\n" % len(content) + content[:2_000_000])
    client.close()
    left = partials(repo)[key]
    assert 0 < len(left) <= 2_000_000
    assert failed(repo) == {key}
    assert upload(connect(second, repo), key, content[len(left) :]) == (len(left), "SUCCESS")
    assert objects(repo) == {key: content}
    assert partials(repo) == {}
    assert failed(repo) == set()


# Keys of special kinds


def equivalents(repo: Repo, key: str, *keys: str) -> None:
    """Records the keys whose content a VURL key may have, in the journal, as somebody does who has just begun to."""
    path = repo.annex("examinekey", "--format=${hashdirlower}${key}", key).strip()
    journal = repo.annex_dir / "journal"
    journal.mkdir(exist_ok=True)
    name = f"{path}.log.ek".replace("_", "__").replace("/", "_")
    (journal / name).write_text("".join(f"1700000000s 1 {each}\n" for each in keys))


VURLS = {
    "VURL--http://example.com/none": [],
    "VURL--http://example.com/one": [KEY],
    "VURL--http://example.com/two": [sha256_key(b"another version"), KEY],
    "VURL--http://example.com/other": [sha256_key(b"another version")],
    "VURL--http://example.com/insecure": [f"MD5--{hashlib.md5(CONTENT).hexdigest()}"],
    f"VURL-s{len(CONTENT)}--http://example.com/size": [],
    "VURL-s7--http://example.com/wrongsize": [],
}


@pytest.mark.parametrize("secure", [False, True])
def test_urls_that_stand_for_several_contents(tmp_path: Path, connect: Connect, secure: bool) -> None:
    found: list[dict[str, str]] = []
    for side in SIDES:
        repo = make_repo(tmp_path / side)
        repo.git("config", "annex.securehashesonly", str(secure).lower())
        for key, keys in VURLS.items():
            equivalents(repo, key, *keys)
        found.append({})
        for key in VURLS:
            with connect(side, repo) as client:  # the original dies where it refuses
                found[-1][key] = upload(client, key, CONTENT)[1] or "FAILURE"
                client.close()
        assert objects(repo).keys() == {
            key.replace(":", "&c").replace("/", "%") for key, answer in found[-1].items() if answer == "SUCCESS"
        }
    assert found[0] == found[1]
    assert set(found[0].values()) == {"SUCCESS", "FAILURE"}


def test_only_secure_hashes(tmp_path: Path, connect: Connect) -> None:
    """What is refused is refused before it is sent: an offer behind the end makes clients send nothing."""
    digests = {name: hashlib.new(name, CONTENT).hexdigest() for name in ("md5", "sha1", "sha256", "sha3_256")}
    keys = {
        f"MD5-s20--{digests['md5']}": False,
        f"SHA1E--{digests['sha1']}.txt": False,
        f"SHA256E--{digests['sha256']}.txt": True,
        f"SHA3_256-s20--{digests['sha3_256']}": True,
        "WORM-s20--x": False,
        "URL--http://example.com/": False,
        "UNKNOWN-s20--x": False,
        "GITMANIFEST--x": False,
        f"GITBUNDLE-s20--x-{digests['sha256']}": True,
    }
    for side in SIDES:
        repo = make_repo(tmp_path / side)
        repo.git("config", "annex.securehashesonly", "true")
        client = connect(side, repo)
        for key, secure in keys.items():
            _, answer = upload(client, key, CONTENT)
            assert (answer == "SUCCESS") == secure, key
            client = client if answer else connect(side, repo)
        assert len(objects(repo)) == sum(keys.values())
        assert partials(repo) == {}


def test_a_private_repository_tells_nobody(tmp_path: Path, connect: Connect) -> None:
    for side in SIDES:
        repo = make_repo(tmp_path / side)
        repo.git("config", "annex.private", "true")
        branch = repo.git("rev-parse", "git-annex")
        client = connect(side, repo)
        assert client.put(KEY, CONTENT) == "SUCCESS"
        assert client.close() == (0, "")
        assert repo.git("rev-parse", "git-annex") == branch
        (path,) = (repo.annex_dir / "journal-private").iterdir()
        assert path.name.endswith(f"_{KEY}.log")
        assert path.read_text().split()[1:] == ["1", repo.uuid]
        assert "here" in repo.annex("whereis", "--key", KEY)
        client = connect("real" if side == "ours" else "ours", repo)
        assert client.ask(f"REMOVE {KEY}") == "SUCCESS"
        client.close()
        assert path.read_text().split()[1:] == ["0", repo.uuid]
        assert repo.git("rev-parse", "git-annex") == branch
        assert list(repo.annex_dir.glob("journal/*")) == []


# Several at once


def half_sent(client: Client, repo: Repo) -> None:
    """Has a client send the beginning of the content."""
    assert client.ask(f"PUT  {KEY}") == "PUT-FROM 0"
    client.raw(b"DATA %d\n%b" % (len(CONTENT), CONTENT[:5]))
    waiting_for((repo.annex_dir / f"transfer/download/lck/lck.{KEY}").exists)  # the original takes it only now


def test_the_original_refuses_who_comes_second(tmp_path: Path, connect: Connect) -> None:
    repo = make_repo(tmp_path / "repo")
    half_sent(connect("ours", repo), repo)
    late = connect("real", repo)
    assert late.ask(f"PUT  {KEY}").startswith("PUT-FROM")
    late.raw(b"DATA 0\nVALID\n")
    assert (late.line(), late.close()[0]) == ("", 1)


@pytest.mark.parametrize("first", SIDES)
def test_who_comes_second_waits_until_the_first_is_done(tmp_path: Path, connect: Connect, first: str) -> None:
    repo = make_repo(tmp_path / "repo")
    holder, late = connect(first, repo), connect("ours", repo)
    half_sent(holder, repo)
    late.send(f"PUT  {KEY}")
    waiting_for(lambda: any((repo.annex_dir / "annexshell/wanted").glob("*")))
    holder.raw(CONTENT[5:] + b"VALID\n")
    assert holder.line() == "SUCCESS"
    assert late.line() == "ALREADY-HAVE"
    assert objects(repo) == {KEY: CONTENT}
    assert os.listdir(repo.annex_dir / "annexshell/wanted") == []


def test_who_comes_second_goes_on_where_the_first_breaks_off(tmp_path: Path, connect: Connect) -> None:
    repo = make_repo(tmp_path / "repo")
    holder, late = connect("ours", repo), connect("ours", repo)
    half_sent(holder, repo)
    late.send(f"PUT  {KEY}")
    waiting_for(lambda: any((repo.annex_dir / "annexshell/wanted").glob("*")))
    holder.close()
    assert late.line() == "PUT-FROM 5"
    late.raw(b"DATA %d\n%bVALID\n" % (len(CONTENT) - 5, CONTENT[5:]))
    assert late.line() == "SUCCESS"
    assert objects(repo) == {KEY: CONTENT}


def test_who_is_gone_waits_no_longer(tmp_path: Path, connect: Connect) -> None:
    repo = make_repo(tmp_path / "repo")
    holder, late = connect("ours", repo), connect("ours", repo)
    half_sent(holder, repo)
    late.send(f"PUT  {KEY}")
    waiting_for(lambda: any((repo.annex_dir / "annexshell/wanted").glob("*")))
    assert late.process.stdin is not None
    assert late.process.stdout is not None
    late.process.stdin.close()
    late.process.stdout.close()
    late.process.wait(10)
    assert os.listdir(repo.annex_dir / "annexshell/wanted") == []
    holder.raw(CONTENT[5:] + b"VALID\n")
    assert holder.line() == "SUCCESS"


def test_nobody_waits_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = make_repo(tmp_path / "repo")
    monkeypatch.setattr(turn, "LIMIT", 0.0)
    holder, late = open_repo(repo), open_repo(repo)
    writing = begin(holder)
    stream = MemoryStream(f"VERSION 1\nPUT  {KEY}\nDATA 0\nVALID\n".encode())
    told: list[AnnexshellError] = []
    Session(stream, late, told.append).serve()
    assert bytes(stream.outgoing) == b"VERSION 1\nPUT-FROM 20\nFAILURE\n"
    writing.finish(True)
    for repository in (holder, late):
        repository.close()
    assert [str(error) for error in told] == ["another process is receiving this content at the moment"]


def test_many_upload_the_same(tmp_path: Path, connect: Connect) -> None:
    """Each in pieces, of two clients' repositories and of both programs; whoever gets SUCCESS has stored it whole."""
    repo = make_repo(tmp_path / "repo")
    content = os.urandom(500_000)
    key = sha256_key(content)
    uuids = [CLIENT_UUID, CLIENT_UUID.replace("1", "2")]
    clients = [connect("ours", repo, client=uuids[n % 2]) for n in range(6)] + [connect("real", repo)]
    answers: list[str] = []
    together = threading.Barrier(len(clients))

    def send(client: Client) -> None:
        together.wait(20)
        try:
            answers.append(client.put(key, content))
        except BrokenPipeError:  # the original has died of it
            answers.append("")

    threads = [threading.Thread(target=send, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers) <= {"SUCCESS", "ALREADY-HAVE", "FAILURE", ""}
    assert "SUCCESS" in answers
    assert objects(repo) == {key: content}
    for client in clients:
        client.close()
    assert partials(repo) == {}
    assert logged_present(repo) == {key}
    assert not list(repo.annex_dir.glob("transfer/download/**/lck.*"))
    repo.annex("fsck", "-q", "--key", key)


# In this process: what happens between two steps


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[LocalRepository]:
    opened = open_repo(make_repo(tmp_path / "repo"))
    yield opened
    opened.close()


@pytest.fixture
def repo(repository: LocalRepository, tmp_path: Path) -> Repo:
    return existing(tmp_path / "repo")


def begin(repository: LocalRepository) -> Writing:
    """All of the content is here but not yet stored."""
    writing = repository.put(parse_key(KEY.encode()), b"")
    assert isinstance(writing, Writing)
    rest = CONTENT[writing.offset :]
    receive(MemoryStream(rest), writing.begin, len(rest))
    return writing


def test_an_object_that_appears_meanwhile_stays(repository: LocalRepository, repo: Repo) -> None:
    writing = begin(repository)
    (repo.path / "file").write_bytes(CONTENT)
    repo.git("config", "annex.backend", "SHA256")
    repo.annex("add", "-q", "file")
    (path,) = repo.annex_dir.glob(f"objects/*/*/{KEY}/{KEY}")
    before = path.stat().st_ino
    writing.finish(True)
    assert path.stat().st_ino == before
    assert partials(repo) == {}


def test_a_modified_file_in_its_place_is_not_taken_for_it(tmp_path: Path) -> None:
    """With annex.thin it may be one that the user is editing, in the work tree. (The original claims to have stored the
    content.)"""
    repo = make_repo(tmp_path / "thin")
    repo.git("config", "annex.thin", "true")
    repository = open_repo(repo)
    path = Path(os.fsdecode(repository._parts.annex.layout.object_candidates(parse_key(KEY.encode()))[0]))
    path.parent.mkdir(parents=True)
    (repo.path / "file").write_bytes(b"edited")
    path.hardlink_to(repo.path / "file")
    writing = begin(repository)
    with pytest.raises(VerificationFailed, match="modified"):
        writing.finish(True)
    assert path.read_bytes() == b"edited"
    repository.close()
    assert logged_present(repo) == set()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_removal_between_the_object_and_its_record(
    repository: LocalRepository, repo: Repo, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """What is recorded last must be what is true."""
    record = Journal.set_locations
    other = open_repo(repo)

    def disturbed(self: Journal, log: bytes, uuids: list[bytes], status: bytes, *rest: Any) -> None:
        statuses.append(status)
        if len(statuses) == 1 and moment == "before":
            other.remove(parse_key(KEY.encode()))
        record(self, log, uuids, status, *rest)
        if status == PRESENT and moment == "after":
            other.remove(parse_key(KEY.encode()))

    statuses: list[bytes] = []
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "set_locations", disturbed)
        writing = begin(repository)
        with pytest.raises(VerificationFailed, match="removed again"):
            writing.finish(True)
    assert statuses[-1] == MISSING
    other.close()
    repository.close()
    assert objects(repo) == {}
    assert repo.location_log(KEY) == {repo.uuid: "0"}


def test_an_upload_that_is_killed_before_its_record(
    repository: LocalRepository, repo: Repo, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next session records it, so that the object is not one that nobody knows of."""

    def die(source: bytes, target: bytes) -> None:
        if b"/unrecorded/" in source:
            raise SystemExit
        rename(source, target)

    rename = os.rename
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", die)
        writing = begin(repository)
        with pytest.raises(SystemExit):
            writing.finish(True)
    assert repo.location_log(KEY) == {}
    assert connect("ours", repo).close() == (0, "")
    assert not (repo.annex_dir / "annexshell/unrecorded").exists()
    assert repo.location_log(KEY) == {repo.uuid: "1"}
    repository.close()


# Somebody else has his hands on it


def objects_place(repo: Repo) -> Path:
    layout = Layout(os.fsencode(repo.annex_dir), bare=False)
    return Path(os.fsdecode(layout.object_candidates(parse_key(KEY.encode()))[0]))


def delete(repo: Repo) -> None:
    (repo.annex_dir / "tmp" / KEY).unlink()


def replace(repo: Repo) -> None:
    delete(repo)
    (repo.annex_dir / "tmp" / KEY).write_bytes(CONTENT.upper())


def truncate(repo: Repo) -> None:
    os.truncate(repo.annex_dir / "tmp" / KEY, 3)


def lengthen(repo: Repo) -> None:
    with (repo.annex_dir / "tmp" / KEY).open("ab") as file:
        file.write(b"more")


def remove_tmp(repo: Repo) -> None:
    shutil.rmtree(repo.annex_dir / "tmp")


def replace_tmp(repo: Repo) -> None:
    remove_tmp(repo)
    (repo.annex_dir / "tmp").mkdir()
    (repo.annex_dir / "tmp" / KEY).write_bytes(CONTENT.upper())


MEDDLING = [delete, replace, truncate, lengthen, remove_tmp, replace_tmp]


@pytest.mark.parametrize("key", [KEY, "WORM-s20--x", "WORM--x"])
@pytest.mark.parametrize("meddle", MEDDLING)
def test_only_what_was_received_is_acknowledged(
    repository: LocalRepository, repo: Repo, monkeypatch: pytest.MonkeyPatch, meddle: Callable[[Repo], None], key: str
) -> None:
    """Whoever deletes or changes the partial file, before it is looked at or at the last moment."""
    monkeypatch.setitem(globals(), "KEY", key)
    writing = begin(repository)
    meddle(repo)
    with pytest.raises(VerificationFailed, match="another program"):
        writing.finish(True)
    assert objects(repo) == {}
    (repo.annex_dir / "tmp" / key).unlink(missing_ok=True)
    begin(repository).finish(True)
    assert objects(repo) == {key: CONTENT}


@pytest.mark.parametrize("meddle", MEDDLING)
def test_the_last_look_at_the_partial_file_may_be_too_early(
    repository: LocalRepository, repo: Repo, monkeypatch: pytest.MonkeyPatch, meddle: Callable[[Repo], None]
) -> None:
    move = ingest.move

    def meddled(source: bytes, path: bytes) -> None:
        meddle(repo)
        move(source, path)

    writing = begin(repository)
    with monkeypatch.context() as patch:
        patch.setattr(ingest, "move", meddled)
        with pytest.raises(VerificationFailed, match="another program"):
            writing.finish(True)
    assert objects(repo) == {}
    assert not repository.present(parse_key(KEY.encode()))
    begin(repository).finish(True)
    assert objects(repo) == {KEY: CONTENT}


def test_a_partial_file_that_is_cut_short_while_it_grows(repository: LocalRepository, repo: Repo) -> None:
    """What comes after that must not leave a hole that makes its size right again."""
    writing = repository.put(parse_key(KEY.encode()), b"")
    assert isinstance(writing, Writing)
    sink = writing.begin(len(CONTENT))
    sink.write(CONTENT[:10])
    os.truncate(repo.annex_dir / "tmp" / KEY, 0)
    sink.write(CONTENT[10:])
    with pytest.raises(VerificationFailed, match="another program"):
        writing.finish(True, verified=True)
    assert objects(repo) == partials(repo) == {}


def test_a_beginning_that_is_gone_before_the_rest_comes(repository: LocalRepository, repo: Repo) -> None:
    (repo.annex_dir / "tmp").mkdir()
    (repo.annex_dir / "tmp" / KEY).write_bytes(CONTENT[:5])
    writing = repository.put(parse_key(KEY.encode()), b"")
    assert isinstance(writing, Writing)
    assert writing.offset == 5
    delete(repo)
    stream = MemoryStream(CONTENT[5:] + b"VALID\n")
    with pytest.raises(VerificationFailed, match="another program"):
        receive(stream, writing.begin, len(CONTENT) - 5)
    writing.abandon()
    assert stream.read_line() == b"VALID"


def test_the_directory_of_the_object_goes_away(
    repository: LocalRepository, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right after the file was moved there: nothing is acknowledged that was not seen there last."""
    record = Journal.set_locations

    def disturbed(self: Journal, log: bytes, uuids: list[bytes], status: bytes, *rest: Any) -> None:
        record(self, log, uuids, status, *rest)
        if status == PRESENT:
            objects_place(repo).parent.chmod(0o755)
            shutil.rmtree(objects_place(repo).parent)

    writing = begin(repository)
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "set_locations", disturbed)
        with pytest.raises(VerificationFailed, match="removed again"):
            writing.finish(True)
    repository.close()
    assert repo.location_log(KEY) == {repo.uuid: "0"}


def test_content_that_is_said_to_be_there_and_vanishes(
    repository: LocalRepository, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing = repository.put(parse_key(KEY.encode()), b"")
    assert isinstance(writing, Writing)
    objects_place(repo).parent.mkdir(parents=True)
    objects_place(repo).write_bytes(CONTENT)
    record = Journal.set_locations

    def disturbed(self: Journal, log: bytes, uuids: list[bytes], status: bytes, *rest: Any) -> None:
        objects_place(repo).unlink(missing_ok=True)
        record(self, log, uuids, status, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "set_locations", disturbed)
        with pytest.raises(NotPresent):
            writing.finish_present()
    repository.close()
    assert repo.location_log(KEY) == {}


# Bad objects


def spoil(repo: Repo, content: bytes) -> Path:
    path = objects_place(repo)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o755)
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    path.chmod(0o444)
    path.parent.chmod(0o555)
    return path


@pytest.mark.parametrize("linked", [False, True])
def test_a_bad_object_makes_room_for_a_good_one(repository: LocalRepository, repo: Repo, linked: bool) -> None:
    """It goes where `git annex fsck` has it go, with the mode that it had, even if a clone on the machine shares it."""
    begin(repository).finish(True)
    path = spoil(repo, CONTENT[:5])
    if linked:
        (repo.path / "linked").hardlink_to(path)
    assert not repository.present(parse_key(KEY.encode()))
    begin(repository).finish(True)
    assert objects(repo) == {KEY: CONTENT}
    moved = repo.annex_dir / "bad" / KEY
    assert moved.read_bytes() == CONTENT[:5]
    assert moved.stat().st_mode & 0o777 == 0o444
    assert os.listdir(path.parent) == [KEY]
    assert path.parent.stat().st_mode & 0o777 == 0o555
    repository.close()
    assert repo.location_log(KEY) == {repo.uuid: "1"}
    assert KEY in repo.annex("unused")


def test_what_was_bad_is_recorded_as_gone_before_anything_else(
    repository: LocalRepository, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the log would go on about a copy if nothing comes to take its place."""
    begin(repository).finish(True)
    spoil(repo, b"")

    def fail(_source: bytes, path: bytes) -> None:
        raise OSError(5, "Input/output error", path)

    writing = begin(repository)
    with monkeypatch.context() as patch:
        patch.setattr(ingest, "move", fail)
        with pytest.raises(DiskError):
            writing.finish(True)
    repository.close()
    assert objects(repo) == {}
    assert (repo.annex_dir / "bad" / KEY).read_bytes() == b""
    assert repo.location_log(KEY) == {repo.uuid: "0"}


def test_a_size_that_contradicts_the_key_is_not_stored(repository: LocalRepository, repo: Repo) -> None:
    """Whatever its hash is: it would not count afterwards. (The original stores it, and its fsck takes it away.)"""
    for size in (len(CONTENT) - 1, len(CONTENT) + 1):
        key = parse_key(b"SHA256-s%d--%b" % (size, KEY.rpartition("-")[2].encode()))
        writing = repository.put(key, b"")
        assert isinstance(writing, Writing)
        receive(MemoryStream(CONTENT), writing.begin, len(CONTENT))
        with pytest.raises(VerificationFailed):
            writing.finish(True)
    assert objects(repo) == partials(repo) == {}


def test_the_size_in_the_key_of_a_chunk_is_that_of_the_whole(repository: LocalRepository) -> None:
    key = parse_key(b"SHA256-s99-S20-C1--%b" % KEY.rpartition("-")[2].encode())
    writing = repository.put(key, b"")
    assert isinstance(writing, Writing)
    receive(MemoryStream(CONTENT), writing.begin, len(CONTENT))
    writing.finish(True)
    assert repository.present(key)


# Objects on another file system


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A directory of another file system than tests usually have."""
    try:
        directory = Path(tempfile.mkdtemp(dir="/dev/shm"))
    except OSError:
        pytest.skip("there is no /dev/shm")
    yield directory
    for path in directory.rglob("*/"):
        path.chmod(0o755)
    shutil.rmtree(directory)


def move_objects(repo: Repo, directory: Path) -> None:
    """What an owner may do whose disk is full."""
    if directory.stat().st_dev == repo.annex_dir.stat().st_dev:
        pytest.skip("there is only one file system")
    shutil.rmtree(repo.annex_dir / "objects", ignore_errors=True)
    (repo.annex_dir / "objects").symlink_to(directory)


@pytest.mark.parametrize("side", SIDES)
def test_objects_may_lie_on_another_file_system(tmp_path: Path, connect: Connect, elsewhere: Path, side: str) -> None:
    repo = make_repo(tmp_path / "repo")
    move_objects(repo, elsewhere)
    client = connect(side, repo)
    assert client.put(KEY, CONTENT) == "SUCCESS"
    (path,) = elsewhere.glob(f"*/*/{KEY}/*")
    assert path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o777 == 0o444
    assert path.parent.stat().st_mode & 0o777 == 0o555
    assert client.get(KEY) == CONTENT
    assert client.close() == (0, "")
    assert partials(repo) == {}
    repo.annex("fsck", "-q", "--key", KEY)
    assert connect("ours", repo).ask(f"REMOVE {KEY}") == "SUCCESS"


def test_no_part_of_an_object_is_left_there(
    repository: LocalRepository, repo: Repo, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move_objects(repo, elsewhere)

    def fill_up(source: bytes, target: bytes) -> None:
        Path(os.fsdecode(target)).write_bytes(CONTENT[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", fill_up)
    writing = begin(repository)
    with pytest.raises(DiskFull):
        writing.finish(True)
    assert partials(repo) == {KEY: CONTENT}, "the client would have to send it again"
    assert [path for path in elsewhere.rglob("*") if path.is_file()] == []
    monkeypatch.undo()
    begin(repository).finish(True)
    (path,) = elsewhere.glob(f"*/*/{KEY}/*")
    assert path.read_bytes() == CONTENT


# What is acknowledged is on disk


def calls(shell: Path, repo: Repo, directory: Path, action: Callable[[Client], None]) -> list[str]:
    """The system calls of a session up to the answer."""
    trace = directory / "trace"
    env = {"FAULT": "NONE:0", "FAULT_TRACE": str(trace)}
    with Client(faulty_shell(shell, directory), "p2pstdio", str(repo.path), CLIENT_UUID, env=env) as client:
        assert client.ask("VERSION 4") == "VERSION 4"
        action(client)
        found = trace.read_text().splitlines()
        client.close()
    return [line.split(" ", 1)[1] for line in found]


def test_content_is_flushed_before_it_is_acknowledged(shell: Path, tmp_path: Path) -> None:
    """The file before it gets its name, and its name before anybody is told; by default and not where git would not."""

    def put(client: Client) -> None:
        assert client.put(KEY, CONTENT) == "SUCCESS"

    made = calls(shell, make_repo(tmp_path / "default"), tmp_path, put)
    in_place = next(n for n, call in enumerate(made) if call.startswith("rename") and "/objects/" in call)
    published = next(n for n, call in enumerate(made) if call.startswith("rename") and "/journal/" in call)
    flushed = [n for n, call in enumerate(made) if call.startswith("fsync")]
    assert any(n < in_place for n in flushed)
    assert sum(in_place < n < published for n in flushed) >= 2, "the directory, and the record itself"
    assert any(n > published for n in flushed), "the journal's directory"
    repo = make_repo(tmp_path / "off")
    repo.git("config", "core.fsync", "none")
    assert not [call for call in calls(shell, repo, tmp_path, put) if "sync" in call.split()[0]]
