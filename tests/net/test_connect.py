"""Connections to other hosts, with TLS and without. (Failures to connect: tests/repo/nodes/test_httppeer.py.)"""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from annexshell.errors import LineTooLong, PeerGone, Stalled
from annexshell.net.connect import TlsStream, open_tcp, open_unix
from annexshell.stream.polling import PollWaiter
from annexshell.stream.port import Waiting

WAITING = Waiting(PollWaiter(10), PollWaiter(10))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost, with its key."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    argv = [*make.split(), "-addext", "subjectAltName=DNS:localhost", "-keyout", str(path), "-out", "-"]
    done = subprocess.run(argv, check=True, capture_output=True)
    with path.open("ab") as file:
        file.write(done.stdout)
    return path


Connect = Callable[..., TlsStream]


@pytest.fixture
def connect(certificate: Path) -> Iterator[Connect]:
    """connect(function) is a stream to a server that does this with its end, in a thread."""
    ends: list[threading.Thread] = []
    streams: list[TlsStream] = []
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)

    def make(function: Callable[[ssl.SSLSocket], None], waiting: Waiting = WAITING) -> TlsStream:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)

        def serve() -> None:
            with theirs, server.wrap_socket(theirs, server_side=True) as wrapped:
                function(wrapped)

        ends.append(threading.Thread(target=serve))
        ends[-1].start()
        streams.append(TlsStream(ours, "localhost", ssl.create_default_context(cafile=str(certificate)), waiting))
        return streams[-1]

    yield make
    for stream in streams:
        stream.close()
    for thread in ends:
        thread.join(20)
        assert not thread.is_alive()


def test_lines_and_payload(connect: Connect) -> None:
    data = bytes(range(256)) * 1000
    stream = connect(lambda end: end.sendall(b"a line\r\n" + data + b"another\n"))
    assert stream.in_fd == -1
    assert stream.read_line() == b"a line"
    buffer = memoryview(bytearray(len(data)))
    got = len(ahead := stream.buffered(100))
    buffer[:got] = ahead
    while got < len(data):
        got += stream.read_into(buffer[got:])
    assert buffer == data
    assert stream.read_line() == b"another"
    assert stream.read_line() is None
    assert stream.read_into(buffer) == 0


def test_writing_more_than_fits(connect: Connect) -> None:
    data = bytes(range(256)) * 20_000
    received = bytearray()

    def read(end: ssl.SSLSocket) -> None:
        while len(received) < len(data):
            received.extend(end.recv(1 << 16))
        end.sendall(b"thanks\n")

    stream = connect(read)
    stream.write(data[:10])
    stream.write(memoryview(data)[10:])
    stream.write(b"")
    assert stream.read_line() == b"thanks"
    assert received == data


def test_silence_and_noise(connect: Connect) -> None:
    done = threading.Event()

    def noise(end: ssl.SSLSocket) -> None:
        done.wait(20)
        end.sendall(b"x" * 40_000)

    stream = connect(noise, Waiting(PollWaiter(0.1), PollWaiter(10)))
    with pytest.raises(Stalled):
        stream.read_line()
    done.set()
    with pytest.raises(LineTooLong):
        _patiently(stream.read_line)


def _patiently(function: Callable[[], object]) -> object:
    while True:
        try:
            return function()
        except Stalled:
            continue


def test_a_peer_that_is_gone(connect: Connect) -> None:
    stream = connect(lambda _end: None)
    assert stream.read_line() is None
    with pytest.raises(PeerGone):
        stream.write(b"x" * 10_000_000)


def test_a_name_that_the_certificate_does_not_have(certificate: Path) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)

    def serve() -> None:
        with theirs, pytest.raises((ssl.SSLError, OSError)):
            server.wrap_socket(theirs, server_side=True).recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    context = ssl.create_default_context(cafile=str(certificate))
    with pytest.raises(PeerGone, match=r"its TLS certificate is not trusted .*elsewhere"):
        TlsStream(ours, "elsewhere.example", context, WAITING)
    thread.join()


def test_sockets_for_others(tmp_path: Path) -> None:
    """They don't block, and small messages are not held back."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        connected = open_tcp("127.0.0.1", listening.getsockname()[1], WAITING)
        assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert not connected.getblocking()
        connected.close()
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        stream = open_unix(path.encode(), WAITING.answer)
        stream.write(b"hello\n")
        with listening.accept()[0] as accepted:
            assert accepted.recv(10) == b"hello\n"
        assert stream.read_line() is None
        stream.close()


def test_name_servers_that_do_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's own limit is half a minute and more for each of them."""
    late, looked = threading.Event(), threading.Event()

    def getaddrinfo(*_params: object) -> list[object]:
        late.wait(60)
        looked.set()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(PeerGone, match="name servers do not answer"):
        open_tcp("host.invalid", 80, Waiting(PollWaiter(0.05), PollWaiter(0.05)))
    late.set()
    assert looked.wait(60)


def test_a_host_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_params: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(PeerGone, match=r"was not found \(Name or service not known\)"):
        open_tcp("host.invalid", 80, WAITING)
