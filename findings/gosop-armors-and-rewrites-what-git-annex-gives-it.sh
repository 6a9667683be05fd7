#!/bin/sh
# git-annex 10.20261026 with gosop 2022-11-15 (Debian 12): with annex.shared-sop-command git-annex has a sop program encrypt for
# encryption=shared, and calls it with --no-armor and --as=binary. This gosop writes ASCII armor in spite of the one and a
# text literal in spite of the other, so that line ends are taken for text's. What comes back is other than what was stored:
# git-annex says that the copy is ok, and only a later download finds that the content is wrong, when it may be the only one.
# sqop 0.27.3 gives the same content back as it was.
#
# Output seen:
#   sqop: copy ok, get ok; begins with -----BEGIN PGP MESSAGE-----: 0
#   gosop: copy ok, get failed; begins with -----BEGIN PGP MESSAGE-----: 1
#
# Fails if gosop's object is binary or its content comes back, or sqop's does not.
set -eu
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check git-annex==10.20261026
cd "$work"
apt-get download -q gosop=0.0~git20221115.92fc880-1+b6 sqop=0.27.3-1+b1 >/dev/null 2>&1
for package in *.deb; do dpkg -x "$package" debian; done
PATH=$work/debian/usr/bin:$work/venv/bin:$PATH
export HOME="$work" GIT_CONFIG_NOSYSTEM=1
git config --global user.name tester
git config --global user.email tester@example.com
git init -q repo
cd repo
git annex init -q repo
python3 -c 'import sys; sys.stdout.buffer.write(bytes(range(256)) * 4 + b"one\r\ntwo\r\n" * 100)' >file
git annex add -q file
git commit -q -m file
key=$(git annex lookupkey file)
result=
for program in sqop gosop; do
    mkdir "$work/$program"
    git config annex.shared-sop-command "$program"
    git annex initremote -q "with-$program" type=directory directory="$work/$program" encryption=shared
    git annex copy -q --to "with-$program" file && copied=ok || copied=failed
    cp -r .git/annex/objects "$work/kept-$program"
    git annex drop -q --force file
    git annex get -q --from "with-$program" file >"$work/said" 2>&1 && got=ok || got=failed
    object=$(find "$work/$program" -type f -name 'GPG*')
    armored=$(head -c 27 "$object" | tr -c '[:print:]' . | grep -c -e '-----BEGIN PGP MESSAGE-----' || true)
    echo "$program: copy $copied, get $got; begins with -----BEGIN PGP MESSAGE-----: $armored"
    result="$result $copied $got $armored"
    [ $got = ok ] || git annex setkey -q "$key" "$(find "$work/kept-$program" -type f -name "$key")"
done
[ "$result" = " ok ok 0 ok failed 1" ]
