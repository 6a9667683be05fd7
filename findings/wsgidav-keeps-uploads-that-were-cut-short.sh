#!/bin/sh
# wsgidav 4.4.0 with cheroot 11.1.2: a PUT whose connection breaks before all of Content-Length has come replaces the file that was
# there by what has come so far. A client that is told nothing and looks later finds a file (PROPFIND 207, HEAD 200) of the wrong
# length under the right name; who must not lose the old one uploads to another name and moves that.
#
# Output seen: before 5000 bytes of a; after an upload of 900 bytes of b that broke off at 400: 400 bytes of b
#
# Fails if the old file stays, or nothing is left.
set -eu
work=$(mktemp -d)
trap 'kill $server 2>/dev/null || true; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check wsgidav==4.4.0 cheroot==11.1.2
mkdir "$work/files"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$work/venv/bin/wsgidav" --host 127.0.0.1 --port "$port" --root "$work/files" --auth anonymous >"$work/log" 2>&1 &
server=$!
"$work/venv/bin/python" - "$port" <<'END'
import http.client
import socket
import sys
import time
from importlib.metadata import version

port = int(sys.argv[1])
for _ in range(200):  # until it listens
    try:
        socket.create_connection(("127.0.0.1", port)).close()
        break
    except ConnectionRefusedError:
        time.sleep(0.1)


def request(method, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request(method, "/object", body)
    answer = connection.getresponse()
    return answer.status, answer.read()


assert request("PUT", b"a" * 5000)[0] == 201
_, before = request("GET")
cut = socket.create_connection(("127.0.0.1", port))
cut.sendall(b"PUT /object HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900\r\n\r\n" + b"b" * 400)
cut.shutdown(socket.SHUT_WR)
cut.recv(10000)
cut.close()
status, after = request("GET")
print(f"wsgidav {version('wsgidav')}, cheroot {version('cheroot')}: before {len(before)} bytes of {before[:1].decode()};", end=" ")
print(f"after an upload of 900 bytes of b that broke off at 400: {len(after)} bytes of {after[:1].decode()}")
assert (len(before), status, after) == (5000, 200, b"b" * 400)
END
