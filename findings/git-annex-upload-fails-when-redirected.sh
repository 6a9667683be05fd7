#!/bin/sh
# git-annex 10.20261026 as a client of an annex+http url whose server answers every request with 307 to another server (a
# moved service, http to https): the questions and downloads follow it, an upload does not. It has begun to send the content, and
# can't begin again: "hGetBuf: illegal operation (handle is closed)". A server that moves must serve the old address itself.
#
# Output seen:
#   get through the redirect: ok
#   copy through the redirect: failed, "hGetBuf: illegal operation"
#   copy without it: ok
#
# Fails if the upload works, or the download does not.
set -eu
work=$(mktemp -d)
trap 'kill -9 $server $moved 2>/dev/null || true; chmod -R u+w "$work"; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check git-annex==10.20261026
PATH=$work/venv/bin:$PATH
export HOME="$work" GIT_CONFIG_NOSYSTEM=1
git config --global user.name tester
git config --global user.email tester@example.com
git config --global annex.security.allowed-ip-addresses 127.0.0.1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$work/moved.py" <<'END'
import http.server
import sys


class Moved(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        self.send_response(307)
        self.send_header("Location", f"http://127.0.0.1:{sys.argv[1]}{self.path}")
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    do_GET = do_POST = answer


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Moved)
print(server.server_port, flush=True)
server.serve_forever()
END
git init -q "$work/there"
cd "$work/there"
git annex init -q there
echo theirs >theirs
git annex add -q theirs
git commit -q -m theirs
uuid=$(git config annex.uuid)
git annex p2phttp -J4 --wideopen --bind 127.0.0.1 --port "$port" >"$work/log" 2>&1 &
server=$!
until curl -s -o "$work/ready" "http://127.0.0.1:$port/"; do sleep 0.2; done
mkfifo "$work/port"
python3 "$work/moved.py" "$port" >"$work/port" 2>"$work/moved.log" &
moved=$!
read -r old <"$work/port"
git clone -q "$work/there" "$work/here" 2>/dev/null
cd "$work/here"
git annex init -q here
git config remote.origin.annexUrl "annex+http://127.0.0.1:$old/git-annex/"
git annex get -q theirs && got=ok || got=failed
echo "get through the redirect: $got"
echo ours >ours
git annex add -q ours
git commit -q -m ours
git annex copy --to origin ours >"$work/said" 2>&1 && sent=ok || sent=failed
echo "copy through the redirect: $sent, \"$(grep -o 'hGetBuf: illegal operation' "$work/said" | head -n 1)\""
git config remote.origin.annexUrl "annex+http://127.0.0.1:$port/git-annex/"
git annex copy -q --to origin ours && direct=ok || direct=failed
echo "copy without it: $direct"
[ "$got $sent $direct" = "ok failed ok" ]
grep -q 'hGetBuf: illegal operation' "$work/said"
