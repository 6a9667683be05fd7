"""A node of a gateway that does what it is told: a program that stands in for ssh.

It speaks the server's side of the P2P protocol by the script of the host that it is asked for, and logs what was said.
It runs as a copy with `DIRECTORY` set, on an interpreter that starts fast, and so imports nothing else from here; see
tests.support.fakenodes for how a test uses it. In DIRECTORY there are

- HOST.script: lines `step=what to do`. The steps are greet, version, check, remove, ts, lock, get, valid, put, present
  and stored; further there are `uuid`, `maxver` (the highest version it speaks, -1 for one that knows no VERSION),
  `refuse` (an exit code, before anything is said), `die_after` and `stall_after` (bytes of an upload), `cut_after`
  (bytes of a download), `length` (what it announces in place of a content's length) and `program` (a git-annex-shell
  to run in place of all this).
- contents/KEY: what can be downloaded.
- HOST.log: each request in one line, as in a vector, written when it is done with. Locked while the node runs.

An answer is sent as it stands, but for `close`, `stall`, `endless` (a line without an end) and `garbage`.
"""

from __future__ import annotations

import os
import select
import sys
from fcntl import LOCK_SH, flock

DIRECTORY = ""
_PIECE = 1 << 16
_CONTINUING = ("VERSION", "BYPASS", "UNLOCKCONTENT", "ERROR")  # these belong to what was said before


class Closed(Exception):
    """The conversation is over."""


class Node:
    """One conversation."""

    def __init__(self, host: str, uuid: str) -> None:
        self.script = _read_script(f"{DIRECTORY}/{host}.script")
        self._uuid = self.script.get("uuid", uuid)
        self._version = 0
        self._ahead = b""
        self._said: list[str] = []
        self._log = os.open(f"{DIRECTORY}/{host}.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        flock(self._log, LOCK_SH)

    def serve(self) -> None:
        try:
            self._answer("greet", f"AUTH-SUCCESS {self._uuid}", shown=False)
            while True:
                word, _, rest = self._line().partition(" ")
                if word not in _CONTINUING:
                    self._end_of_request(len(self._said) - 1)
                getattr(self, "do_" + word.lower().replace("-", "_"), self.do_unknown)(rest)
        except Closed:
            pass
        finally:
            self._end_of_request(len(self._said))

    def _end_of_request(self, count: int) -> None:
        """What was said before the present request goes into the log."""
        if count > 0:
            os.write(self._log, ("  ".join(self._said[:count]) + "\n").encode())
            del self._said[:count]

    # What is asked

    def do_version(self, text: str) -> None:
        highest = int(self.script.get("maxver", "4"))
        if highest < 0:
            self._answer("version", "ERROR unknown command")
            return
        self._version = min(int(text), highest)
        self._answer("version", f"VERSION {self._version}")

    def do_unknown(self, _: str) -> None:
        self._answer("unknown", "ERROR unknown command")

    def do_bypass(self, _: str) -> None:
        pass

    def do_error(self, _: str) -> None:
        pass

    def do_checkpresent(self, _: str) -> None:
        self._answer("check", "SUCCESS")

    def do_remove(self, _: str) -> None:
        self._answer("remove", "SUCCESS")

    def do_remove_before(self, _: str) -> None:
        self._answer("remove", "SUCCESS")

    def do_gettimestamp(self, _: str) -> None:
        self._answer("ts", "TIMESTAMP 1000")

    def do_lockcontent(self, _: str) -> None:
        self._answer("lock", "SUCCESS")

    def do_unlockcontent(self, _: str) -> None:
        pass

    def do_get(self, text: str) -> None:
        offset, _, rest = text.partition(" ")
        content = _read(f"{DIRECTORY}/contents/{rest.partition(' ')[2]}")
        if "get" in self.script:
            self._answer("get", "")
            return
        if content is None:
            self._send("DATA 0")
            self._answer("valid", "INVALID")
            return
        data = content[int(offset) :]
        self._send(f"DATA {self.script.get('length', len(data))}")
        self._raw(data[: int(self.script.get("cut_after", len(data)))])
        if "cut_after" in self.script:
            self._answer("cut", "close")
        if self._version >= 1:
            self._answer("valid", "VALID")
        self._line()

    def do_put(self, _: str) -> None:
        self._answer("put", "PUT-FROM 0")
        if not self._said[-1].startswith("< PUT-FROM"):
            return
        word, _, length = self._line().partition(" ")
        if word == "DATA-PRESENT":
            self._answer("present", "SUCCESS")
        elif word == "DATA":
            if data := self._data(int(length)):
                self._said.append("> " + _shown(data))
            if self._version >= 1:
                self._line()
            self._answer("stored", "SUCCESS")

    # How it is said

    def _answer(self, step: str, usual: str, shown: bool = True) -> None:
        text = self.script.get(step, usual)
        if text == "close":
            raise Closed
        if text == "stall":
            poll = select.poll()
            poll.register(0, 0)  # only that the other side has closed
            poll.poll()
            raise Closed
        if text == "endless":
            while True:
                self._raw(b"x" * _PIECE)
        if text == "garbage":
            self._raw(b"\xff\xfe\x00 is no message\n")
        else:
            self._send(text, shown)

    def _send(self, text: str, shown: bool = True) -> None:
        if shown:
            self._said.append("< " + text)
        self._raw(text.encode() + b"\n")

    def _raw(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(1, data) :]
        except BrokenPipeError:
            raise Closed from None

    def _line(self) -> str:
        while b"\n" not in self._ahead:
            self._more()
        line, _, self._ahead = self._ahead.partition(b"\n")
        text = line.decode("utf-8", "surrogateescape")
        self._said.append("> " + text)
        return text

    def _data(self, length: int) -> bytes:
        limits = {
            step: int(self.script[step + "_after"]) for step in ("die", "stall") if step + "_after" in self.script
        }
        data = bytearray()
        while len(data) < length:
            if not self._ahead:
                self._more()
            piece = self._ahead[: length - len(data)]
            self._ahead = self._ahead[len(piece) :]
            data += piece
            for step, limit in limits.items():
                if len(data) >= limit:
                    self._said.append(f"> [over {limit} of {length} bytes]")
                    self._answer(step, "close" if step == "die" else "stall")
        return bytes(data)

    def _more(self) -> None:
        data = os.read(0, _PIECE)
        if not data:
            raise Closed
        self._ahead += data


def _shown(data: bytes) -> str:
    """As tests.support.vectors shows a payload."""
    for length in range(1, 21) if len(data) > 80 else ():
        if (data[:length] * (len(data) // length + 1))[: len(data)] == data:
            return f"[{len(data)} bytes] {data[:length].decode()}..."
    return f"[{len(data)} bytes] {data[:100].decode('utf-8', 'backslashreplace')}"


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _read_script(path: str) -> dict[str, str]:
    lines = (_read(path) or b"").decode().splitlines()
    return {name: text for name, _, text in (line.partition("=") for line in lines)}


def main() -> None:
    *options, command = sys.argv[1:]
    host = [option for option in options[-2:] if option != "-T"][-1]  # git-annex puts this behind the host
    script = _read_script(f"{DIRECTORY}/{host}.script")
    if "refuse" in script:
        print(f"ssh: connect to host {host} port 22: Connection refused", file=sys.stderr)
        sys.exit(int(script["refuse"]))
    if "program" in script:
        os.execv(script["program"], [script["program"], "-c", command])
    Node(host, command.rpartition("--uuid")[2].strip("' ")).serve()


if __name__ == "__main__":
    main()
