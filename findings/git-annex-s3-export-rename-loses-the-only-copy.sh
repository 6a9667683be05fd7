#!/bin/sh
# git-annex 10.20261026 against moto 5.2.5 (an S3 server): a file is renamed in a tree exported to S3 by copying the object on the
# server and deleting the old one. The name goes into x-amz-copy-source as it is, and servers decode that header, as S3's
# documentation says. So for a name with a percent sign and two hexadecimal digits in it, as browsers save downloads, the copy
# is answered with 404, the old object is deleted all the same, and content that was only there is gone.
#
# Output seen:
#   annual report.txt renamed: PUT 200,DELETE 204; 1 objects hold the content
#   annual%20report.txt renamed: PUT 404,DELETE 204; 0 objects hold the content
#
# Fails if the second rename keeps the content, or the first one loses it.
set -eu
work=$(mktemp -d)
trap 'kill -9 $server 2>/dev/null || true; chmod -R u+w "$work"; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check git-annex==10.20261026 'moto[s3,server]==5.2.5'
PATH=$work/venv/bin:$PATH
export HOME="$work" GIT_CONFIG_NOSYSTEM=1 AWS_ACCESS_KEY_ID=id AWS_SECRET_ACCESS_KEY=secret
git config --global user.name tester
git config --global user.email tester@example.com
git config --global annex.security.allowed-ip-addresses 127.0.0.1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
moto_server -H 127.0.0.1 -p "$port" >"$work/log" 2>&1 &
server=$!
until curl -s -o "$work/ready" "http://127.0.0.1:$port/"; do sleep 0.2; done
git init -q "$work/repo"
cd "$work/repo"
git annex init -q repo
git annex initremote -q bucket type=S3 encryption=none host=127.0.0.1 port="$port" protocol=http requeststyle=path \
    bucket=tree exporttree=yes datacenter=US

holding() { # objects of the bucket that are $1 bytes long
    curl -s "http://127.0.0.1:$port/tree?list-type=2" | grep -o "<Size>$1</Size>" | wc -l
}

result=
for name in 'annual report' 'annual%20report'; do
    length=$((1000 + ${#name}))
    head -c "$length" /dev/urandom >"$name.txt"
    git annex add -q "$name.txt"
    git commit -q -m add
    git annex export -q HEAD --to bucket
    git mv "$name.txt" "$name of 2026.txt"
    git commit -q -m rename
    git annex drop -q --force "$name of 2026.txt" # the bucket has the only copy
    : >"$work/log"
    git annex export -q HEAD --to bucket >"$work/said" 2>&1 || true
    left=$(holding "$length")
    sed -nE 's/\x1b\[[0-9]*m//g; s/.*"(PUT|DELETE) [^"]*" ([0-9]+).*/\1 \2/p' "$work/log" >"$work/requests"
    echo "$name.txt renamed: $(paste -s -d , "$work/requests"); $left objects hold the content"
    result="$result $left"
done
[ "$result" = " 1 0" ]
