#!/bin/sh
# git-annex 10.20261026: content that a client has locked stays locked for ten minutes if its connection breaks, by a time
# stamp beside the object (OBJ.rtm). Any other client that locks the same content after that and unlocks it deletes the
# time stamp, and with it what the first client still relies on: a removal succeeds at once. A client that is only
# connected and has not unlocked loses nothing, as its file lock is held.
#
# Output seen:
#   A locks and loses its connection: SUCCESS
#   removal: no answer, and the session ends ("content is locked")
#   B locks and unlocks: SUCCESS
#   removal: SUCCESS
#
# Fails if any of these answers changes.
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
echo content >file
git annex add -q file
git commit -q -m file
"$work/venv/bin/python" - "$(git annex lookupkey file)" "$(git config annex.uuid)" <<'END'
import os
import subprocess
import sys

key, uuid = sys.argv[1:]


class Client:
    def __init__(self, name):
        argv = ["git-annex-shell", "p2pstdio", os.getcwd(), name, "--uuid", uuid]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        assert self.process.stdout.readline().startswith("AUTH-SUCCESS")
        self.ask("VERSION 1")

    def ask(self, line):
        self.send(line)
        return self.process.stdout.readline().rstrip("\n")

    def send(self, line):
        self.process.stdin.write(line + "\n")

    def leave(self):
        self.process.stdin.close()
        self.process.wait()


def client(number):
    return Client(f"{number}" * 8 + "-0000-4000-8000-000000000000")


def removal():
    c = client(3)
    answer = c.ask(f"REMOVE {key}")
    c.leave()
    print("removal:", answer or "no answer")
    return answer


first = client(1)
locked = first.ask(f"LOCKCONTENT {key}")
first.process.kill()  # its connection is gone without a word
first.process.wait()
print("A locks and loses its connection:", locked)
kept = removal()
second = client(2)
again = second.ask(f"LOCKCONTENT {key}")
second.send("UNLOCKCONTENT")
second.leave()
print("B locks and unlocks:", again)
gone = removal()
assert (locked, kept, again, gone) == ("SUCCESS", "", "SUCCESS", "SUCCESS")
END
git annex version | head -n 1
