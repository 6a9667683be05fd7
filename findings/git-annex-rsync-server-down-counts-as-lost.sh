#!/bin/sh
# git-annex 10.20261026, rsync 3.5.0: a special remote of type rsync whose server can't be reached answers "absent" when it is
# asked for a key, since every failure of rsync counts as that. fsck --from takes the copy out of the location log, and the
# file has no known copy any more, although nothing happened to it. With type=directory and its directory gone the same
# question is an error, and the location log stays as it was.
#
# Output seen:
#   rsync, server up: 1 copy known
#   rsync, server down: fsck says "content is missing", 0 copies known
#   directory gone: fsck fails, 1 copy known
#
# Fails if any of these changes.
set -eu
work=$(mktemp -d)
trap 'kill $(cat "$work/pid" 2>/dev/null) 2>/dev/null || true; chmod -R u+w "$work"; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check git-annex==10.20261026
(cd "$work" && apt-get download -q rsync >/dev/null 2>&1 && dpkg -x rsync_3.5.0*.deb debian)
PATH=$work/debian/usr/bin:$work/venv/bin:$PATH
export HOME="$work" GIT_CONFIG_NOSYSTEM=1
rsync --version | head -n 1
git config --global user.name tester
git config --global user.email tester@example.com
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir "$work/module" "$work/disk"
printf "use chroot = no\npid file = %s/pid\nuid = %s\ngid = %s\n[m]\npath = %s/module\nread only = no\n" "$work" "$(id -u)" "$(id -g)" "$work" >"$work/rsyncd.conf"
rsync --daemon --config="$work/rsyncd.conf" --address=127.0.0.1 --port="$port"
git init -q "$work/repo"
cd "$work/repo"
git annex init -q repo
git annex initremote -q far type=rsync rsyncurl="rsync://127.0.0.1:$port/m" encryption=none
git annex initremote -q disk type=directory directory="$work/disk" encryption=none
head -c 1000 /dev/urandom >file
git annex add -q file
git commit -q -m file
git annex copy -q --to far file
git annex copy -q --to disk file

copies() { # of the remote $1 that git-annex knows of
    git annex find --in "$1" | wc -l
}

up=$(copies far)
echo "rsync, server up: $up copy known"
kill "$(cat "$work/pid")"
said=$(git annex fsck --from far file 2>&1 || true)
down=$(copies far)
missing=$(printf '%s' "$said" | grep -c 'content is missing' || true)
echo "rsync, server down: fsck says \"$(printf '%s' "$said" | grep -o 'content is missing')\", $down copies known"
mv "$work/disk" "$work/unmounted"
status=0
git annex fsck --from disk file >/dev/null 2>&1 || status=$?
gone=$(copies disk)
echo "directory gone: fsck exits with $status, $gone copy known"
[ "$up $down $missing $status $gone" = "1 0 1 1 1" ]
