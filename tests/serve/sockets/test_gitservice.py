"""Leading a client to git, which here is a program that does as a test says."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from annexshell.disk.spawn import spawn
from annexshell.errors import AccessDenied, PeerGone, Stalled
from annexshell.git.watching import RefFiles
from annexshell.serve.sockets.gitservice import Running, SocketGitService
from annexshell.stream.blocking import FdStream
from annexshell.stream.polling import PollWaiter

UPLOAD = b"git-upload-pack"
_LARGE = 1 << 20

ECHO = "import os\nwhile data := os.read(0, 65536):\n    os.write(1, data)\n"


class Service:
    """A service, and the client's end of the connection, on which a thread may talk meanwhile."""

    def __init__(self, limit: float = 20) -> None:
        self.client, ours = socket.socketpair()
        self.client.settimeout(20)
        fd = ours.detach()
        self._stream = FdStream(fd, fd)
        self._waiter = PollWaiter(limit)
        self._stream.use(self._waiter)
        self.pids: list[int] = []
        self._watching = -1

    def serve(self, program: str) -> None:
        """Until the program has ended."""

        def start(_service: bytes) -> Running:
            child_in, to_child = os.pipe()
            from_child, child_out = os.pipe()
            argv = [os.fsencode(sys.executable), b"-ISc", program.encode()]
            pid = spawn(argv, os.environb, stdin=child_in, stdout=child_out)
            os.close(child_in)
            os.close(child_out)
            self.pids.append(pid)
            return Running(pid, to_child, from_child)

        self.service(start).connect(UPLOAD)

    def service(self, start: Callable[[bytes], Running]) -> SocketGitService:
        return SocketGitService(self._stream, self._waiter, start, lambda: RefFiles(b"/nonexistent"), 0)

    def news(self, refs: Path, since: int) -> SocketGitService:
        """One that watches refs."""
        refs_of = RefFiles(os.fsencode(refs))
        self._watching = refs_of.fd
        return SocketGitService(self._stream, self._waiter, lambda _: Running(0, -1, -1), lambda: refs_of, since)

    def read(self) -> bytes:
        """All that the client is told until we hang up."""
        self._stream.close()
        pieces = []
        while piece := self.client.recv(1 << 16):
            pieces.append(piece)
        return b"".join(pieces)

    def close(self) -> None:
        self._stream.close()
        self.client.close()
        if self._watching >= 0:
            os.close(self._watching)
        for pid in self.pids:
            with pytest.raises(ChildProcessError):  # it has been waited for
                os.waitpid(pid, 0)


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.close()


def data(text: bytes) -> bytes:
    return b"DATA %d\n%b" % (len(text), text)


def contents(said: bytes) -> tuple[bytes, bytes]:
    """(the bytes in all messages with data, what else was said)."""
    found, other = b"", b""
    while said:
        line, _, said = said.partition(b"\n")
        if line.startswith(b"DATA "):
            length = int(line[5:])
            found, said = found + said[:length], said[length:]
        else:
            other += line + b"\n"
    return found, other


def test_there_and_back(service: Service) -> None:
    service.client.sendall(data(b"one") + data(b"") + data(b"two") + b"CONNECTDONE 0\n")
    service.serve(ECHO)
    assert contents(service.read()) == (b"onetwo", b"CONNECTDONE 0\n")


def test_the_end_of_what_git_says_is_not_lost(service: Service) -> None:
    """It has gone before all of that was read."""
    seen = []
    thread = threading.Thread(target=lambda: seen.append(_until_done(service.client)))
    thread.start()
    service.serve(f"import os\nos.write(1, b'x' * {_LARGE})")
    thread.join(20)
    assert contents(seen[0]) == (b"x" * _LARGE, b"CONNECTDONE 0\n")


def _until_done(client: socket.socket) -> bytes:
    said = b""
    while b"CONNECTDONE" not in said[-20:]:
        said += client.recv(1 << 16)
    client.sendall(b"CONNECTDONE 0\n")
    return said


def test_much_in_both_directions_at_once(service: Service) -> None:
    sent = os.urandom(4 * _LARGE)

    def send() -> None:
        for at in range(0, len(sent), 50_001):
            service.client.sendall(data(sent[at : at + 50_001]))
        service.client.sendall(b"CONNECTDONE 0\n")

    seen = []
    threads = [threading.Thread(target=send), threading.Thread(target=lambda: seen.append(_until_done(service.client)))]
    for thread in threads:
        thread.start()
    service.serve(ECHO)
    for thread in threads:
        thread.join(20)
    assert contents(seen[0]) == (sent, b"CONNECTDONE 0\n")


def test_byte_by_byte(service: Service) -> None:
    def send() -> None:
        for byte in data(b"one\n") + data(b"two\n") + b"CONNECTDONE 0\r\n":
            service.client.sendall(bytes([byte]))

    thread = threading.Thread(target=send)
    thread.start()
    service.serve(ECHO)
    thread.join(20)
    assert contents(service.read()) == (b"one\ntwo\n", b"CONNECTDONE 0\n")


def test_git_that_fails_says_so_in_its_protocol(service: Service) -> None:
    service.client.sendall(b"")
    thread = threading.Thread(target=lambda: service.client.sendall(b"CONNECTDONE 1\n"))
    thread.start()
    thread.join()
    service.serve("raise SystemExit(128)")
    assert contents(service.read())[1] == b"CONNECTDONE 128\n"


def test_git_that_fails_while_the_client_waits(service: Service) -> None:
    said = []
    thread = threading.Thread(target=lambda: said.append(_until_done(service.client)))
    thread.start()
    service.serve("raise SystemExit(128)")
    thread.join(20)
    assert contents(said[0]) == (b"0025ERR git has failed on the server\n", b"CONNECTDONE 1\n")


@pytest.mark.parametrize(
    "confusion",
    [b"GET 0  SHA256E-s1--aa\n", b"\n", b"DATA -1\n", b"DATA x\n", b"CONNECT git-upload-pack\n", b"x" * 40_000],
)
def test_anything_else(service: Service, confusion: bytes) -> None:
    service.client.sendall(data(b"one") + confusion)
    service.serve(ECHO)
    found, other = contents(service.read())
    assert other == b"ERROR expected DATA or CONNECTDONE\nCONNECTDONE 1\n"
    assert b"one".startswith(found)


@pytest.mark.parametrize("how", [socket.SHUT_WR, socket.SHUT_RDWR])
def test_a_client_that_goes_ends_git_s_input(service: Service, tmp_path: Path, how: int) -> None:
    """In the middle of a message, and whether or not it still listens. git ends by itself."""
    service.client.sendall(b"DATA 100\nabc")
    service.client.shutdown(how)
    try:
        service.serve(f"import sys\nopen({str(tmp_path / 'got')!r}, 'wb').write(sys.stdin.buffer.read())")
    except PeerGone:
        pass
    assert (tmp_path / "got").read_bytes() == b"abc"


def test_a_client_that_goes_while_git_speaks(service: Service, tmp_path: Path) -> None:
    """git is heard to the end, so that it may tidy up."""
    service.client.close()
    with pytest.raises(PeerGone, match="before git had ended"):
        service.serve(f"import os\nos.write(1, b'x' * {_LARGE})\nopen({str(tmp_path / 'end')!r}, 'w')")
    assert (tmp_path / "end").exists()


def test_git_that_does_not_listen(service: Service) -> None:
    """What the client still says goes nowhere."""
    service.client.sendall(data(b"x" * 70_000) + data(b"y" * 70_000) + b"CONNECTDONE 0\n")
    service.serve("import os\nos.close(0)\nos.write(1, b'enough')")
    assert contents(service.read()) == (b"enough", b"CONNECTDONE 0\n")


def test_a_client_that_stands_still() -> None:
    service = Service(limit=0.05)
    with pytest.raises(Stalled):
        service.serve(ECHO)
    service.close()


def test_what_git_leaves_running_keeps_nobody(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annexshell.serve.sockets.gitservice._GRACE", 0.1)
    program = "import os\nos.write(1, b'said')\nif os.fork() == 0:\n    import time\n    time.sleep(3)\n"
    service.client.sendall(b"CONNECTDONE 0\n")
    service.serve(program)
    assert contents(service.read()) == (b"said", b"CONNECTDONE 0\n")


def test_a_refusal(service: Service) -> None:
    def refuse(_service: bytes) -> Running:
        raise AccessDenied("not you")

    service.client.sendall(b"CONNECTDONE 1\n")
    service.service(refuse).connect(b"git-receive-pack")
    assert service.read() == b"DATA 16\n0010ERR not you\nCONNECTDONE 1\n"


# News


def test_changes(tmp_path: Path) -> None:
    (tmp_path / "refs/heads").mkdir(parents=True)
    service = Service()
    news = service.news(tmp_path / "refs", 1 << 62)
    thread = threading.Timer(0.1, lambda: (tmp_path / "refs/heads/main").write_text("a" * 40))
    thread.start()
    assert news.changed() == [b"a" * 40]
    thread.join()
    service.client.close()
    with pytest.raises(PeerGone, match="the client closed the connection"):
        news.changed()
    service.close()


def test_changes_since_the_client_came(tmp_path: Path) -> None:
    (tmp_path / "refs").mkdir()
    for number in range(500):
        (tmp_path / f"refs/{number}").write_text(f"{number:040}")
    service = Service()
    news = service.news(tmp_path / "refs", 0)
    told = [news.changed(), news.changed()]
    assert [len(values) for values in told] == [400, 100]
    service.close()
