#!/bin/sh
# git-annex 10.20261026 against moto 5.2.5 (an S3 server): with public=yes objects are uploaded with x-amz-acl: public-read. Those above
# partsize go up in parts, and the request that begins such an upload carries neither this header nor tags. So small files
# of a public remote can be downloaded by everybody, and large ones are answered with 403 by a server that keeps to access lists.
#
# Output seen:
#   small: everybody may read: 1
#   large: everybody may read: 0
#
# Fails if both are treated alike.
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
    bucket=open partsize=6MiB public=yes datacenter=US
head -c 1000 /dev/urandom >small
head -c 13000000 /dev/urandom >large
git annex add -q small large
git commit -q -m files
result=
for name in small large; do
    git annex copy -q --to bucket "$name"
    readers=$(curl -s "http://127.0.0.1:$port/open/$(git annex lookupkey "$name")?acl" | grep -c AllUsers || true)
    echo "$name: everybody may read: $readers"
    result="$result $readers"
done
[ "$result" = " 1 0" ]
