"""The log of operations: one JSON object a line, to a file or to syslog.

Everything that a client chose (key, uuid) is text inside the JSON and can't begin a line of its own.
"""

from __future__ import annotations

import json
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from annexshell.wire.messages import Message

_LOGGED = (b"GET", b"PUT", b"REMOVE", b"REMOVE-BEFORE", b"LOCKCONTENT", b"CHECKPRESENT")
SYSLOG = b"syslog"
PRIVATE, SHARED = 0o640, 0o660  # modes of the file; the latter where several accounts use one repository


class OperationLog:
    """Writes to `target`: a file that is appended to, or SYSLOG. `who` is added to every line.

    A line is one write(2), so that sessions may share a file, whose `mode` the first one sets. Not being able to log
    ends no operation.
    """

    def __init__(self, target: bytes, who: dict[str, str], warn: Callable[[str], None], mode: int = PRIVATE) -> None:
        self._target = target
        self._mode = mode
        self._who = who
        self._warn = warn

    def operation(self, message: Message, outcome: Callable[[], tuple[int, str]]) -> _Operation:
        """A context around an operation; `outcome` gives the bytes of payload and a word about the result."""
        return _Operation(self, message, outcome)

    def write(self, message: Message, moved: int, seconds: float, result: str) -> None:
        if message.word not in _LOGGED:
            return
        entry = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            **self._who,
            "operation": message.word.decode(),
            "key": _text(message.args[-1].serialized),
            "bytes": moved,
            "ms": round(seconds * 1000, 3),
            "result": result,
        }
        line = json.dumps(entry)
        try:
            if self._target == SYSLOG:
                import syslog

                syslog.syslog(syslog.LOG_INFO, "git-annex-shell: " + line)
            else:
                _append(self._target, line.encode() + b"\n", self._mode)
        except OSError as error:
            self._warn(f"can't write to the log {_text(self._target)}: {error.strerror}")


class _Operation:
    def __init__(self, log: OperationLog, message: Message, outcome: Callable[[], tuple[int, str]]) -> None:
        self._log = log
        self._message = message
        self._outcome = outcome
        self._started = time.monotonic()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        moved, result = self._outcome()
        if error is not None:
            result = f"failed: {error}"
        self._log.write(self._message, moved, time.monotonic() - self._started, result)


def _append(path: bytes, line: bytes, mode: int) -> None:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
    try:
        fd = os.open(path, flags)
    except FileNotFoundError:
        fd = os.open(path, flags | os.O_CREAT, PRIVATE)
        if mode != PRIVATE:
            os.fchmod(fd, mode)  # whatever the umask is
    try:
        os.write(fd, line)
    finally:
        os.close(fd)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def who(env: Mapping[bytes, bytes], client: bytes, repository: bytes, token: bytes = b"") -> dict[str, str]:
    """Who is on the other side, as far as sshd tells: the account, the address, and with `ExposeAuthInfo yes` the
    fingerprint of the key; or what the token of a client from a P2P network is called."""
    found = {
        "user": env.get(b"USER") or env.get(b"LOGNAME") or b"",
        "address": env.get(b"SSH_CONNECTION", b"").split(b" ")[0],
        "key_fingerprint": _fingerprint(env.get(b"SSH_USER_AUTH")),
        "token": token,
        "client": client,
        "repository": repository,
    }
    return {name: _text(value) for name, value in found.items() if value}


def _fingerprint(auth_info: bytes | None) -> bytes:
    """The fingerprint, as ssh-keygen -l prints it, of the first public key in sshd's file about the authentication."""
    from base64 import b64decode, b64encode
    from hashlib import sha256

    try:
        with open(auth_info or b"", "rb") as file:
            for line in file:
                words = line.split()
                if len(words) >= 3 and words[0] == b"publickey":
                    return b"SHA256:" + b64encode(sha256(b64decode(words[2], validate=True)).digest()).rstrip(b"=")
    except (OSError, ValueError):
        pass
    return b""
