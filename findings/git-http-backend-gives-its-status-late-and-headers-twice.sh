#!/bin/sh
# git 2.39.5 (Debian 12): git http-backend is a CGI program. Where it refuses a service, "Status: 403 Forbidden" is not its first header:
# Expires, Pragma and Cache-Control come before it and once more after it. A server that takes the first
# line for the status, or answers 200 as soon as the first header has come, tells the client that all is well, and one that
# passes headers on as they come sends them twice.
#
# Output seen:
#   a repository that is not there: Status is header 1 of 4
#   a push that is not allowed: Status is header 4 of 7; Cache-Control comes 2 times
#
# Fails if the status comes first in the second case, or no header comes twice.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && apt-get download -q git=1:2.39.5-0+deb12u3 >/dev/null 2>&1 && dpkg -x git_*.deb debian)
git=$work/debian/usr/bin/git
export HOME="$work" GIT_CONFIG_NOSYSTEM=1 GIT_EXEC_PATH="$work/debian/usr/lib/git-core"
"$git" --version
"$git" init -q --bare --template= "$work/repo"

asked() { # for the service of a push at the path $1
    env GIT_PROJECT_ROOT="$work" PATH_INFO="$1/info/refs" QUERY_STRING=service=git-receive-pack REQUEST_METHOD=GET \
        GIT_HTTP_EXPORT_ALL=1 SERVER_PROTOCOL=HTTP/1.1 "$git" http-backend 2>/dev/null | tr -d '\r' | sed '/^$/q' | sed '$d'
}

asked /none >"$work/none"
asked /repo >"$work/refused"
place() { grep -n '^Status:' "$1" | cut -d : -f 1; }
twice=$(grep -c '^Cache-Control:' "$work/refused")
echo "a repository that is not there: Status is header $(place "$work/none") of $(wc -l <"$work/none")"
echo "a push that is not allowed: Status is header $(place "$work/refused") of $(wc -l <"$work/refused"); Cache-Control comes $twice times"
[ "$(place "$work/none")" = 1 ]
[ "$(place "$work/refused")" -gt 1 ]
[ "$twice" = 2 ]
