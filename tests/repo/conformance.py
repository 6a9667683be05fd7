"""What every Repository has to do, whatever is behind it.

An implementation is tested by a class that inherits `RepositoryConformance` and has a fixture `backing`: a Backing that
opens it. The suite asks for nothing but the port (annexshell.repo.port), so that it can be run on a repository behind a
connection, or on one made of others, as well as on the one on this disk.
"""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
import threading
from collections.abc import Iterator

import pytest

from annexshell.errors import AnnexshellError, ContentLocked, NotPresent, PeerGone, TooLate, VerificationFailed
from annexshell.model.key import Key, parse_key
from annexshell.relay.copy import pump, receive, send_file
from annexshell.repo.port import AlreadyHave, Reading, Repository, Writing
from annexshell.stream.blocking import FdStream
from annexshell.stream.memory import MemoryStream

SMALL = b"a small content\n"
LARGE = bytes(range(256)) * 9000 + b"the end"  # needs several buffers of the relay, and is no multiple of anything


def key_of(content: bytes) -> Key:
    return parse_key(b"SHA256E-s%d--%b.bin" % (len(content), hashlib.sha256(content).hexdigest().encode()))


class Backing:
    """Contents that can be opened as a Repository, again and again. `plus` are the further uuids that it names in its
    answers; `keeps_partial` says whether an interrupted upload can be continued; `locked` and `too_late` are what a
    removal raises, which not everybody explains."""

    plus: tuple[bytes, ...] = ()
    keeps_partial = True
    locked: tuple[type[AnnexshellError], ...] = (ContentLocked,)
    too_late: tuple[type[AnnexshellError], ...] = (TooLate,)

    def open(self) -> Repository:
        """Another user of the contents; `RepositoryConformance` closes it."""
        raise NotImplementedError

    def settle(self, repository: Repository) -> None:
        """Returns when what nobody answers has been done."""


class User:
    """Somebody who uses a Repository as a session does: each thing that is begun is ended."""

    def __init__(self, backing: Backing) -> None:
        self.repository = backing.open()
        self._locked = backing.locked

    def put(self, key: Key, content: bytes, valid: bool | None = True, file: bytes = b"") -> list[bytes]:
        """Stores content and returns the uuids that the repository names."""
        writing = self.begin(key, file)
        rest = content[writing.offset :]
        receive(MemoryStream(rest), writing.begin, len(rest))
        return writing.finish(valid)

    def begin(self, key: Key, file: bytes = b"") -> Writing:
        writing = self.repository.put(key, file)
        assert not isinstance(writing, AlreadyHave)
        return writing

    def offset(self, key: Key) -> int:
        """How much the repository has of a content that isn't all there."""
        writing = self.begin(key)
        writing.abandon()
        return writing.offset

    def get(self, key: Key, offset: int = 0) -> bytes:
        """Fetches content by way of `send`."""
        reading = self.repository.get(key, offset, b"")
        stream = MemoryStream()
        try:
            assert reading.send(stream) == reading.length
            assert reading.is_valid()
        finally:
            reading.close(True)
        assert len(stream.outgoing) == reading.length
        return bytes(stream.outgoing)

    def is_locked(self, key: Key) -> bool:
        """Whether removal is refused; if not, the content is gone."""
        try:
            self.repository.remove(key)
        except self._locked:
            assert self.repository.present(key)
            return True
        assert not self.repository.present(key)
        return False


class RepositoryConformance:
    """Inherit this, and say in the fixture `backing` what is to be tested."""

    @pytest.fixture
    def backing(self) -> Backing:
        raise NotImplementedError

    @pytest.fixture
    def users(self, backing: Backing) -> Iterator[tuple[User, User]]:
        """Two at the same time."""
        users = User(backing), User(backing)
        yield users
        for user in users:
            user.repository.close()

    @pytest.fixture
    def user(self, backing: Backing) -> Iterator[User]:
        user = User(backing)
        yield user
        user.repository.close()

    # What is not there

    def test_an_absent_content(self, user: User) -> None:
        key, repository = key_of(b"never stored"), user.repository
        assert not repository.present(key)
        with pytest.raises(NotPresent):
            repository.lock(key)
        with pytest.raises(NotPresent):
            repository.get(key, 0, b"")
        assert sorted(repository.remove(key)) == sorted(repository.remove(key))
        repository.remove(key, repository.timestamp())  # too late for a content, but there is none
        assert not repository.present(key)

    def test_it_has_a_uuid(self, user: User) -> None:
        assert user.repository.uuid
        assert isinstance(user.repository.uuid, bytes)

    # Storing and reading

    @pytest.mark.parametrize("content", [b"", b"x", SMALL, LARGE], ids=["empty", "byte", "small", "large"])
    def test_what_was_stored_can_be_read(self, user: User, backing: Backing, content: bytes) -> None:
        key = key_of(content)
        assert sorted(user.put(key, content)) == sorted(backing.plus)
        assert user.repository.present(key)
        assert user.get(key) == content

    @pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
    def test_it_can_be_read_from_any_offset(self, user: User, content: bytes) -> None:
        key = key_of(content)
        user.put(key, content)
        for offset in (0, 1, len(content) - 1, len(content)):
            assert user.get(key, offset) == content[offset:]

    def test_behind_the_end_there_is_nothing(self, user: User) -> None:
        key = key_of(SMALL)
        user.put(key, SMALL)
        reading = user.repository.get(key, len(SMALL) + 5, b"")
        assert reading.length == 0
        reading.close(False)

    @pytest.mark.parametrize("content", [b"", SMALL, LARGE], ids=["empty", "small", "large"])
    @pytest.mark.parametrize("offset", [0, 5])
    def test_reading_in_one_piece_is_the_same(self, user: User, content: bytes, offset: int) -> None:
        key = key_of(content)
        user.put(key, content)
        reading = user.repository.get(key, offset, b"")
        data = reading.read_small()
        if data is None:
            stream = MemoryStream()
            reading.send(stream)
            data = bytes(stream.outgoing)
        assert data == content[offset:]
        assert reading.length == len(content[offset:])
        assert reading.is_valid()
        reading.close(True)

    def test_through_descriptors(self, user: User) -> None:
        """As bytes really come and go: no reading in full is promised, and what follows is left alone."""
        key = key_of(LARGE)
        arriving, sending = os.pipe()
        coming = FdStream(arriving, -1)
        feeder = threading.Thread(target=_write_and_close, args=(sending, b"before\n" + LARGE + b"VALID\nafter\n"))
        feeder.start()
        assert coming.read_line() == b"before"
        writing = user.begin(key)
        receive(coming, writing.begin, len(LARGE))
        assert coming.read_line() == b"VALID"
        assert coming.read_line() == b"after"
        feeder.join()
        coming.close()
        writing.finish(True)
        assert _through_a_pipe(user.repository.get(key, 1000, b"")) == LARGE[1000:]

    def test_in_small_pieces(self, user: User) -> None:
        key = key_of(SMALL)
        stream = MemoryStream(SMALL + b"VALID\n", piece=3)
        writing = user.begin(key)
        receive(stream, writing.begin, len(SMALL))
        assert stream.read_line() == b"VALID"
        writing.finish(True)
        assert user.get(key) == SMALL

    @pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
    def test_an_upload_is_a_sink_like_others(self, user: User, content: bytes) -> None:
        """It is given pieces, a part of a file and what comes from a source, in any order."""
        key = key_of(content)
        third = len(content) // 3
        writing = user.begin(key)
        sink = writing.begin(len(content))
        buffer = bytearray(content[:third])
        sink.write(buffer)
        buffer[:] = bytes(third)
        sink.write(b"")
        with tempfile.TemporaryFile() as file:
            file.write(content)
            file.flush()
            assert send_file(file.fileno(), third, third, sink) == third
        source = MemoryStream(b"DATA\n" + content[2 * third :] + b"VALID\n")
        assert source.read_line() == b"DATA"
        assert pump(source, sink, len(content) - 2 * third) == len(content) - 2 * third
        assert source.read_line() == b"VALID"
        writing.finish(True)
        assert user.get(key) == content

    def test_a_source_that_breaks_is_no_fault_of_the_upload(self, user: User) -> None:
        key = key_of(LARGE)
        near, far = socket.socketpair()
        near.sendall(b"never read, so that its end is a reset")
        far.close()
        source = FdStream(near.fileno(), -1)
        writing = user.begin(key)
        with near, pytest.raises(PeerGone):
            pump(source, writing.begin(len(LARGE)), len(LARGE))
        writing.abandon()

    def test_names_for_display_mean_nothing(self, user: User) -> None:
        for number, file in enumerate((b"a/b c", b"../../x", b"\xff\n\r\t%", b"-rf", b"x" * 4000)):
            content = b"content %d" % number
            user.put(key_of(content), content, file=file)
            reading = user.repository.get(key_of(content), 0, file)
            assert reading.read_small() in (content, None)
            reading.close(False)

    @pytest.mark.parametrize("name", [b"WORM--a/b", b"WORM--..", b"URL--http://x/a%b&c:d", b"WORM--\xff \\'\"$(x)"])
    def test_odd_keys(self, user: User, name: bytes) -> None:
        key = parse_key(name)
        user.put(key, SMALL)
        assert user.get(key) == SMALL
        user.repository.remove(key)
        assert not user.repository.present(key)

    def test_chunks_and_their_key_are_different_contents(self, user: User) -> None:
        whole, chunk = parse_key(b"WORM-s16--x"), parse_key(b"WORM-s16-S10-C1--x")
        user.put(whole, SMALL)
        assert not user.repository.present(chunk)
        user.put(chunk, b"0123456789abcdef")
        assert user.get(whole) == SMALL
        user.repository.remove(chunk)
        assert user.repository.present(whole)

    def test_it_stays_when_everybody_has_left(self, backing: Backing) -> None:
        first = User(backing)
        first.put(key_of(SMALL), SMALL)
        first.repository.close()
        second = User(backing)
        assert second.get(key_of(SMALL)) == SMALL
        second.repository.close()

    def test_what_is_there_need_not_be_sent(self, users: tuple[User, User], backing: Backing) -> None:
        user, other = users
        user.put(key_of(SMALL), SMALL)
        for each in (user, other):
            answer = each.repository.put(key_of(SMALL), b"")
            assert isinstance(answer, AlreadyHave)
            assert set(answer.uuids) <= set(backing.plus)

    def test_a_removal_does_not_disturb_who_is_reading(self, user: User) -> None:
        key = key_of(LARGE)
        user.put(key, LARGE)
        reading = user.repository.get(key, 0, b"")
        user.repository.remove(key)
        assert _through_a_pipe(reading) == LARGE

    def test_a_reading_that_nobody_wants_any_more(self, user: User) -> None:
        key = key_of(LARGE)
        user.put(key, LARGE)
        reading = user.repository.get(key, 0, b"")
        with pytest.raises(PeerGone):
            reading.send(MemoryStream(breaks_after=100))
        reading.close(False)
        assert user.get(key) == LARGE

    # Verification

    @pytest.mark.parametrize("valid", [True, False, None])
    def test_the_hash_decides(self, user: User, valid: bool | None) -> None:
        good, bad = b"good content", b"evil content"
        with pytest.raises(VerificationFailed):
            user.put(key_of(good), bad, valid)
        assert not user.repository.present(key_of(good))
        assert user.offset(key_of(good)) == 0, "bad content would spoil every further attempt"
        user.put(key_of(good), good, valid)
        assert user.get(key_of(good)) == good

    @pytest.mark.parametrize("sent", [b"a small conten", b"a small content\nand more"], ids=["short", "long"])
    @pytest.mark.parametrize("name", [key_of(SMALL).serialized, b"WORM-s16--x", b"XOTHER-s16--x"])
    def test_the_length_has_to_be_right(self, user: User, sent: bytes, name: bytes) -> None:
        key = parse_key(name)
        with pytest.raises(VerificationFailed):
            user.put(key, sent)
        assert not user.repository.present(key)
        assert user.offset(key) == 0
        user.put(key, SMALL)
        assert user.get(key) == SMALL

    def test_a_sender_that_has_nothing(self, user: User) -> None:
        key = key_of(SMALL)
        with pytest.raises(VerificationFailed):
            user.put(key, b"", valid=False)
        assert not user.repository.present(key)
        user.put(key, SMALL)

    # Interrupted uploads

    def interrupt(self, user: User, key: Key, sent: bytes, announced: int) -> None:
        """An upload whose connection is lost."""
        writing = user.begin(key)
        with pytest.raises(PeerGone):
            receive(MemoryStream(sent[writing.offset :]), writing.begin, announced - writing.offset)
        writing.abandon()

    def complete(self, user: User, key: Key, content: bytes) -> None:
        """Stores content after an attempt that was interrupted."""
        user.put(key, content)

    @pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
    def test_an_interrupted_upload_goes_on(self, user: User, backing: Backing, content: bytes) -> None:
        key = key_of(content)
        for came in (len(content) // 3, len(content) - 1):
            self.interrupt(user, key, content[:came], len(content))
            assert not user.repository.present(key)
            assert user.offset(key) == (came if backing.keeps_partial else 0)
        self.complete(user, key, content)
        assert user.get(key) == content

    def test_somebody_else_may_go_on(self, users: tuple[User, User]) -> None:
        user, other = users
        key = key_of(SMALL)
        self.interrupt(user, key, SMALL[:5], len(SMALL))
        self.complete(other, key, SMALL)
        assert user.get(key) == SMALL

    def test_all_has_come_but_not_the_end(self, user: User) -> None:
        key = key_of(SMALL)
        writing = user.begin(key)
        receive(MemoryStream(SMALL), writing.begin, len(SMALL))
        writing.abandon()
        assert not user.repository.present(key)
        user.put(key, SMALL)
        assert user.get(key) == SMALL

    def test_nothing_good_comes_of_a_bad_beginning(self, user: User) -> None:
        key = key_of(SMALL)
        self.interrupt(user, key, b"bad", len(SMALL))
        if user.offset(key) > 0:
            with pytest.raises(VerificationFailed):
                user.put(key, SMALL)
        assert not user.repository.present(key)
        assert user.offset(key) == 0
        user.put(key, SMALL)
        assert user.get(key) == SMALL

    def test_a_sender_that_has_lost_it_meanwhile(self, user: User, backing: Backing) -> None:
        key = key_of(SMALL)
        self.interrupt(user, key, SMALL[:5], len(SMALL))
        with pytest.raises(VerificationFailed):
            user.put(key, SMALL[:5], valid=False)
        assert user.offset(key) == (5 if backing.keeps_partial else 0)
        user.put(key, SMALL)
        assert user.get(key) == SMALL

    # Uploads at the same time

    def test_two_uploads_never_mix(self, users: tuple[User, User]) -> None:
        """Whether the second is refused, is faster, or makes the first give way because that stands still: its content
        is good, and the first can't spoil it."""
        user, other = users
        key = key_of(SMALL)
        writing = user.begin(key)
        is_refused = False
        try:
            other.put(key, SMALL)
        except AnnexshellError:
            is_refused = True
            assert not other.repository.present(key)
        try:
            receive(MemoryStream(SMALL), writing.begin, len(SMALL))
            writing.finish(True)
        except AnnexshellError:
            assert not is_refused, "one of them has to succeed"
            writing.abandon()
        assert other.get(key) == SMALL

    def test_uploads_of_different_keys(self, user: User) -> None:
        contents = [b"content %d" % number for number in range(3)]
        writings = [user.begin(key_of(content)) for content in contents]
        for writing, content in zip(writings, contents):
            receive(MemoryStream(content), writing.begin, len(content))
        for writing in reversed(writings):
            writing.finish(True)
        assert [user.get(key_of(content)) for content in contents] == contents

    def test_content_that_comes_by_another_way(self, users: tuple[User, User]) -> None:
        user, _ = users
        key = key_of(SMALL)
        writing = user.begin(key)
        with pytest.raises(NotPresent):
            writing.finish_present()
        assert not user.repository.present(key)
        user.put(key, SMALL)
        assert user.get(key) == SMALL

    # Removal

    def test_removal(self, user: User, backing: Backing) -> None:
        key = key_of(SMALL)
        user.put(key, SMALL)
        assert sorted(user.repository.remove(key)) == sorted(backing.plus)
        assert not user.repository.present(key)
        with pytest.raises(NotPresent):
            user.repository.get(key, 0, b"")
        user.put(key, SMALL)
        assert user.get(key) == SMALL

    def test_a_removal_in_time(self, user: User) -> None:
        key = key_of(SMALL)
        user.put(key, SMALL)
        user.repository.remove(key, user.repository.timestamp() + 100)
        assert not user.repository.present(key)

    @pytest.mark.parametrize("late", [0, 1, 1000])
    def test_a_removal_that_comes_too_late(self, user: User, backing: Backing, late: int) -> None:
        key = key_of(SMALL)
        user.put(key, SMALL)
        with pytest.raises(backing.too_late):
            user.repository.remove(key, user.repository.timestamp() - late)
        assert user.get(key) == SMALL
        assert not user.is_locked(key)

    def test_the_clock_runs_forward(self, user: User) -> None:
        first = user.repository.timestamp()
        assert isinstance(first, int)
        assert user.repository.timestamp() >= first >= 0

    # Locks

    def test_a_lock_keeps_content(self, users: tuple[User, User], backing: Backing) -> None:
        user, other = users
        key = key_of(SMALL)
        user.put(key, SMALL)
        held = user.repository.lock(key)
        assert user.is_locked(key)
        assert other.is_locked(key)
        with pytest.raises(backing.locked):
            other.repository.remove(key, other.repository.timestamp() + 100)
        held.release()
        backing.settle(user.repository)
        assert not other.is_locked(key)

    def test_it_hinders_nobody_else(self, users: tuple[User, User]) -> None:
        user, other = users
        key = key_of(SMALL)
        user.put(key, SMALL)
        held = user.repository.lock(key)
        for each in (user, other):
            assert each.repository.present(key)
            assert each.get(key) == SMALL
            assert isinstance(each.repository.put(key, b""), AlreadyHave)
        assert user.is_locked(key), "what others do must not drop the lock"
        held.release()

    @pytest.mark.parametrize("same", [True, False], ids=["one user", "two users"])
    @pytest.mark.parametrize("order", [(0, 1), (1, 0)])
    def test_it_is_locked_until_the_last_lock_is_gone(
        self, users: tuple[User, User], same: bool, order: tuple[int, int]
    ) -> None:
        user, other = users
        key = key_of(SMALL)
        user.put(key, SMALL)
        held = [user.repository.lock(key), (user if same else other).repository.lock(key)]
        held[order[0]].release()
        assert user.is_locked(key)
        assert other.is_locked(key)
        held[order[1]].release()

    def test_whoever_is_gone_may_still_rely_on_the_lock(self, users: tuple[User, User]) -> None:
        user, other = users
        key = key_of(SMALL)
        user.put(key, SMALL)
        user.repository.lock(key).abandon()
        assert user.is_locked(key)
        assert other.is_locked(key)
        assert other.get(key) == SMALL

    def test_a_later_lock_does_not_end_what_was_promised(self, users: tuple[User, User]) -> None:
        user, other = users
        key = key_of(SMALL)
        user.put(key, SMALL)
        early = user.repository.lock(key)
        other.repository.lock(key).abandon()
        early.release()
        assert user.is_locked(key)

    def test_what_was_promised_outlives_later_locks(self, users: tuple[User, User]) -> None:
        user, other = users
        key = key_of(SMALL)
        user.put(key, SMALL)
        user.repository.lock(key).abandon()
        other.repository.lock(key).release()
        assert user.is_locked(key)

    def test_a_lock_that_was_left_is_ended_by_its_claim(self, users: tuple[User, User]) -> None:
        """By those only that say that it lasts by itself."""
        user, other = users
        key = key_of(SMALL)
        user.put(key, SMALL)
        first, second = user.repository.lock(key), other.repository.lock(key)
        first.abandon()
        second.abandon()
        if first.claim:
            assert first.claim != second.claim
            other.repository.unlock(key, first.claim)
            assert user.is_locked(key)
            user.repository.unlock(key, second.claim)
            assert not user.is_locked(key)

    def test_locks_are_of_one_key(self, user: User) -> None:
        contents = [b"locked content", b"another content"]
        for content in contents:
            user.put(key_of(content), content)
        held = user.repository.lock(key_of(contents[0]))
        assert not user.is_locked(key_of(contents[1]))
        assert user.is_locked(key_of(contents[0]))
        held.release()

    def test_a_lock_of_what_is_gone(self, users: tuple[User, User], backing: Backing) -> None:
        user, other = users
        key = key_of(SMALL)
        user.put(key, SMALL)
        user.repository.lock(key).release()
        backing.settle(user.repository)
        other.repository.remove(key)
        with pytest.raises(NotPresent):
            user.repository.lock(key)


def _write_and_close(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]
    os.close(fd)


def _through_a_pipe(reading: Reading) -> bytes:
    """What comes out at the other end of a pipe. Closes the reading."""
    receiving, sending = os.pipe()
    received = bytearray()

    def drain() -> None:
        while data := os.read(receiving, 1 << 16):
            received.extend(data)

    thread = threading.Thread(target=drain)
    thread.start()
    stream = FdStream(-1, sending)
    try:
        sent = reading.send(stream)
        assert reading.is_valid()
    finally:
        stream.close()
        thread.join()
        os.close(receiving)
        reading.close(True)
    assert sent == len(received) == reading.length
    return bytes(received)
