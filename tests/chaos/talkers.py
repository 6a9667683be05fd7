"""Scripted clients: one line of requests to one place, over ssh or HTTP. What is broken on the way raises Gone."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import quote

from tests.support.client import Client

Result = TypeVar("Result")
_BROKEN = (OSError, ValueError, IndexError, AssertionError, http.client.HTTPException)


class Gone(Exception):
    """The other side is gone, or says that it can't."""


class Talker(Protocol):
    """`put` and `remove` return the other places that it also happened at, None if it was refused."""

    def put(self, key: str, content: bytes) -> list[str] | None: ...
    def present(self, key: str) -> bool: ...
    def get(self, key: str, size: int) -> bytes | None: ...
    def lock(self, key: str) -> bool: ...
    def unlock(self) -> None: ...
    def remove(self, key: str) -> list[str] | None: ...
    def close(self, cut: bool) -> None: ...


class Stopwatch:
    """Asks, and notes whoever had to wait for too long."""

    def __init__(self, patience: float, accuse: Callable[[str], None]) -> None:
        self.patience = patience
        self._accuse = accuse

    def timed(self, what: str, ask: Callable[[], Result]) -> Result:
        began = time.monotonic()
        try:
            return ask()
        except _BROKEN as error:
            raise Gone(str(error)) from None
        finally:
            took = time.monotonic() - began
            if took > self.patience:
                self._accuse(f"waited {took:.0f} s for {what}")


class SshTalker:
    """A session of git-annex-shell p2pstdio."""

    def __init__(self, argv: list[str | Path], path: str, client: str, uuid: str, watch: Stopwatch) -> None:
        self._watch = watch
        command = f"git-annex-shell 'p2pstdio' '{path}' '{client}' --uuid {uuid}"
        self._client = watch.timed("a session", lambda: Client(*argv, command, timeout=watch.patience + 5))
        try:
            if self._ask("VERSION", "VERSION 3") != "VERSION 3":
                raise Gone("no version")
        except Gone:
            self._client.kill()
            raise

    def _ask(self, what: str, line: str) -> str:
        answer = self._watch.timed(what, lambda: self._client.ask(line))
        if not answer or answer.startswith("ERROR"):
            raise Gone(answer or "the session has ended")
        return answer

    def put(self, key: str, content: bytes) -> list[str] | None:
        answer = self._watch.timed("PUT", lambda: self._client.put(key, content))
        if not answer or answer.startswith("ERROR"):
            raise Gone(answer)
        return _places(answer)

    def present(self, key: str) -> bool:
        return self._ask("CHECKPRESENT", f"CHECKPRESENT {key}") == "SUCCESS"

    def get(self, key: str, size: int) -> bytes | None:
        header = self._ask("GET", f"GET 0  {key}")
        if not header.startswith("DATA "):
            raise Gone(header)
        content = self._watch.timed("DATA", lambda: self._client.data(int(header.split()[1])))
        valid = self._watch.timed("VALID", self._client.line) == "VALID"
        self._watch.timed("an end", lambda: self._client.send("SUCCESS" if valid else "FAILURE"))
        return content if valid and len(content) == size else None

    def lock(self, key: str) -> bool:
        return self._ask("LOCKCONTENT", f"LOCKCONTENT {key}") == "SUCCESS"

    def unlock(self) -> None:
        self._watch.timed("UNLOCKCONTENT", lambda: self._client.send("UNLOCKCONTENT"))

    def remove(self, key: str) -> list[str] | None:
        return _places(self._ask("REMOVE", f"REMOVE {key}"))

    def close(self, cut: bool) -> None:
        if cut:
            self._client.kill()
            return
        try:
            self._watch.timed("the end of a session", self._client.close)
        except Gone:
            self._client.kill()


def _places(answer: str) -> list[str] | None:
    word, *places = answer.split()
    if word not in ("SUCCESS", "SUCCESS-PLUS", "ALREADY-HAVE", "ALREADY-HAVE-PLUS"):
        return None
    return places


class HttpTalker:
    """Requests on one connection."""

    def __init__(self, port: int, client: str, uuid: str, watch: Stopwatch) -> None:
        self._client = client
        self._uuid = uuid
        self._watch = watch
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=watch.patience + 5)
        self._lock = ""

    def _post(self, endpoint: str, body: bytes = b"", headers: dict[str, str] | None = None, **more: str) -> object:
        named = {"clientuuid": self._client, **more}
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in named.items())
        path = f"/git-annex/{self._uuid}/v4/{endpoint}?{query}"

        def ask() -> object:
            self._connection.request("POST", path, body, headers or {})
            answer = self._connection.getresponse()
            text = answer.read()
            if answer.status != 200:
                raise ValueError(f"{answer.status} {text[:200]!r}")
            return json.loads(text)

        return self._watch.timed(endpoint, ask)

    def _flag(self, found: object, name: str) -> list[str] | None:
        assert isinstance(found, dict)
        return list(found.get("plusuuids", [])) if found[name] else None

    def put(self, key: str, content: bytes) -> list[str] | None:
        length = {"X-git-annex-data-length": str(len(content))}
        return self._flag(self._post("put", content, length, key=key), "stored")

    def present(self, key: str) -> bool:
        return self._flag(self._post("checkpresent", key=key), "present") is not None

    def get(self, key: str, size: int) -> bytes | None:
        path = f"/git-annex/{self._uuid}/v4/key/{quote(key, safe='')}?clientuuid={self._client}"

        def ask() -> bytes:
            self._connection.request("GET", path)
            answer = self._connection.getresponse()
            announced, content = answer.getheader("X-git-annex-data-length"), answer.read()
            if answer.status != 200 or announced != str(len(content)):
                raise ValueError(f"{answer.status} with {len(content)} of {announced} bytes")
            return content

        content = self._watch.timed("key", ask)
        return content if len(content) == size else None

    def lock(self, key: str) -> bool:
        found = self._post("lockcontent", key=key)
        assert isinstance(found, dict)
        self._lock = found.get("lockid", "") if found["locked"] else ""
        return bool(self._lock)

    def unlock(self) -> None:
        self._post("keeplocked", b'{"unlock":true}\n', {"Connection": "keep-alive"}, lockid=self._lock)

    def remove(self, key: str) -> list[str] | None:
        return self._flag(self._post("remove", key=key), "removed")

    def close(self, cut: bool) -> None:
        self._connection.close()
