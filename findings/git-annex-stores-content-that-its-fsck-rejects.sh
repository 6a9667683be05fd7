#!/bin/sh
# git-annex 10.20261026: git-annex-shell checks the hash of what is uploaded, and not the size that the key says. Content whose
# hash is right is stored, acknowledged with SUCCESS and entered into the location log under a key with another size. The
# same program's fsck then calls it bad, moves it to annex/bad and takes the copy back: a client may have dropped its own
# meanwhile, trusting the SUCCESS.
#
# Output seen:
#   upload: SUCCESS
#   fsck: Bad file size
#   afterwards: annex/bad has the object, and annex/objects has 0 files
#
# Fails if the upload is refused, or fsck accepts the object.
set -eu
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check git-annex==10.20261026
PATH=$work/venv/bin:$PATH
export HOME="$work" GIT_CONFIG_NOSYSTEM=1
git config --global user.name tester
git config --global user.email tester@example.com
git init -q "$work/repo"
cd "$work/repo"
git annex init -q repo
uuid=$(git config annex.uuid)
key=SHA256-s5--$(printf 'hello\n' | sha256sum | cut -d ' ' -f 1) # of six bytes
printf 'VERSION 1\nPUT file %s\nDATA 6\nhello\nVALID\n' "$key" |
    git-annex-shell p2pstdio "$work/repo" 11111111-1111-4111-8111-111111111111 --uuid "$uuid" >"$work/said"
echo "upload: $(tail -n 1 "$work/said")"
git annex fsck --key "$key" >"$work/fsck" 2>&1 || true
echo "fsck: $(grep -o 'Bad file size' "$work/fsck")"
echo "afterwards: annex/bad has $(ls .git/annex/bad), and annex/objects has $(find .git/annex/objects -type f | wc -l) files"
git annex version | head -n 1
[ "$(tail -n 1 "$work/said")" = SUCCESS ]
grep -q "Bad file size" "$work/fsck"
[ -e ".git/annex/bad/$key" ]
