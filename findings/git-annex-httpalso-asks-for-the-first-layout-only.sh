#!/bin/sh
# git-annex 10.20261026: a special remote of type httpalso fetches content from any of six layouts of directories, whichever
# the web server has. Whether content is there it asks at the first layout only, and believes a 404. So an object that
# `git annex get` has just fetched from a flat directory (a bucket's, say) is "missing" for fsck, which takes the copy out of the
# location log.
#
# Output seen:
#   get: ok, after 404s from other layouts
#   fsck: HEAD asked 1 time, "content is missing"
#   copies known: 1 before, 0 after
#
# Fails if fsck finds the object, or get does not.
set -eu
work=$(mktemp -d)
trap 'kill $server 2>/dev/null || true; chmod -R u+w "$work"; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check git-annex==10.20261026
PATH=$work/venv/bin:$PATH
export HOME="$work" GIT_CONFIG_NOSYSTEM=1
git config --global user.name tester
git config --global user.email tester@example.com
git config --global annex.security.allowed-ip-addresses 127.0.0.1
mkdir "$work/bucket" "$work/disk"
cat >"$work/serve.py" <<'END'
import functools
import http.server
import sys

handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
print(server.server_port, flush=True)
server.serve_forever()
END
mkfifo "$work/port"
python3 "$work/serve.py" "$work/bucket" >"$work/port" 2>"$work/log" &
server=$!
read -r port <"$work/port"
git init -q "$work/repo"
cd "$work/repo"
git annex init -q repo
git annex initremote -q disk type=directory directory="$work/disk" encryption=none
git annex initremote -q web2 type=httpalso --sameas=disk url="http://127.0.0.1:$port"
echo content >file
git annex add -q file
git commit -q -m file
git annex copy -q --to disk file
key=$(git annex lookupkey file)
cp "$(find "$work/disk" -type f -name "$key")" "$work/bucket/$key" # the flat layout
git annex drop -q --force file
git annex get -q --from web2 file && got=ok || got=failed
echo "get: $got, after $(grep -c '" 404 ' "$work/log") answers of 404"
before=$(git annex find --in web2 | wc -l)
: >"$work/log"
said=$(git annex fsck --from web2 file 2>&1 || true)
after=$(git annex find --in web2 | wc -l)
asked=$(grep -c '"HEAD ' "$work/log")
echo "fsck: HEAD asked $asked time, \"$(printf '%s' "$said" | grep -o 'content is missing')\""
echo "copies known: $before before, $after after"
[ "$got $before $asked $after" = "ok 1 1 0" ]
