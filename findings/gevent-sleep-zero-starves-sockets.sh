#!/bin/sh
# gevent 26.9.0 (libev loop, Python 3.11, Linux): gevent.sleep(0) is said to let other greenlets run. A greenlet that calls it
# in a loop is resumed over a thousand times before the loop looks at its sockets once, although another greenlet's socket
# has been readable all the time: callbacks run until sys.getswitchinterval() (5 ms) is over, and a sleep(0) is such a
# callback. With a timer of a nanosecond in place of 0 the other greenlet runs after one or two rounds.
#
# Output seen: sleep(0) returned 1251 times before the ready socket was served; sleep(1e-9) 2 times
# (the first number differs from run to run: 1251, 4051).
#
# Fails if sleep(0) has come to serve sockets within 20 rounds, or a tiny timer has ceased to.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check gevent==26.9.0
"$work/venv/bin/python" - <<'END'
import socket

import gevent
from gevent.socket import wait_read


def rounds(seconds):
    ours, theirs = socket.socketpair()
    count, served = 0, []
    gevent.spawn(lambda: (wait_read(ours.fileno()), served.append(count)))
    gevent.sleep(0.01)  # it waits now
    theirs.send(b"x")
    while not served and count < 1_000_000:
        count += 1
        gevent.sleep(seconds)
    return served[0]


zero, tiny = rounds(0), rounds(1e-9)
print(f"gevent {gevent.__version__}: sleep(0) returned {zero} times before the ready socket was served; sleep(1e-9) {tiny} times")
assert zero > 20, "sleep(0) serves sockets now"
assert tiny <= 20, "a tiny timer does not serve sockets any more"
END
