"""git-annex's P2P protocol over HTTP: urls, parameters and answers, as a client writes and reads them (upstream:
P2P/Http.hs, P2P/Http/Types.hs, P2P/Http/Url.hs, doc/design/p2p_protocol_over_http). Pure: no I/O, and payload never
comes here.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from urllib.parse import quote, unquote_to_bytes, urljoin, urlsplit

from annexshell.errors import BadResponse, NotEncodable
from annexshell.model.ids import is_word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Parameters = Iterable[tuple[str, bytes]]
    Answer = dict[str, Any]

DEFAULT_PORT = 9417
DATA_LENGTH = b"X-git-annex-data-length"  # bytes of content that a body should have; another length means invalid
MAX_ANSWER = 1 << 20  # bytes of JSON


# Values


def encode_value(value: bytes) -> bytes:
    """A key, uuid or file name as the API writes it: base64url in brackets if it is not UTF-8 or could be taken for
    such a thing."""
    if not (value.startswith(b"[") and value.endswith(b"]")):
        try:
            value.decode("utf-8")
            return value
        except UnicodeDecodeError:
            pass
    return b"[%b]" % urlsafe_b64encode(value)


def decode_value(text: bytes) -> bytes:
    """The inverse. Raises BadResponse for brackets without base64url in them; padding may be missing."""
    if not (len(text) >= 2 and text.startswith(b"[") and text.endswith(b"]")):
        return text
    inside = text[1:-1].rstrip(b"=")
    try:
        decoded = urlsafe_b64decode(inside + b"=" * (-len(inside) % 4))
    except ValueError:
        decoded = b""
    if urlsafe_b64encode(decoded).rstrip(b"=") != inside:  # it skips what is not base64
        raise BadResponse("it sent a value that is not base64")
    return decoded


# Requests


class BaseUrl:
    """The address of a server. `prefix` is what precedes /git-annex/ in paths."""

    __slots__ = ("host", "password", "port", "prefix", "secure", "user")

    def __init__(self, secure: bool, host: str, port: int, prefix: bytes, user: bytes, password: bytes | None) -> None:
        self.secure = secure
        self.host = host
        self.port = port
        self.prefix = prefix
        self.user = user
        self.password = password

    @property
    def authority(self) -> bytes:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}".encode("ascii")

    @property
    def origin(self) -> bytes:
        """The url of the server without any path."""
        return (b"https://" if self.secure else b"http://") + self.authority

    @property
    def known_as(self) -> bytes:
        """The url by which git keeps a login: without the usual port."""
        usual = b":443" if self.secure else b":80"
        return self.origin.removesuffix(usual) + self.prefix


def parse_url(url: bytes, uuid: bytes) -> BaseUrl:
    """An annexUrl without `annex+`, of the repository with a uuid. Raises ValueError.

    Paths are taken as git-annex takes them: it leaves out a `/git-annex` at the top that the url may end in. Unlike
    git-annex we also leave out the uuid behind that, and a lone slash: it asks for what no server has.
    """
    parts = urlsplit(url.decode("utf-8"))
    if parts.scheme not in ("http", "https") or not parts.hostname or not parts.hostname.isprintable():
        raise ValueError("no host")
    path = unquote_to_bytes(parts.path).rstrip(b"/")
    if path in (b"/git-annex", b"/git-annex/" + uuid):
        path = b""
    return BaseUrl(
        parts.scheme == "https",
        parts.hostname.encode("idna").decode("ascii"),
        parts.port or DEFAULT_PORT,
        quote(path, safe="/:@!$&'()*+,;=~").encode(),
        unquote_to_bytes(parts.username or ""),
        None if parts.password is None else unquote_to_bytes(parts.password),
    )


def parse_moved(base: BaseUrl, location: bytes, asked: bytes) -> BaseUrl | None:
    """The server to which an answer sends us whose Location is this, where the target `asked` was asked of `base`; None
    if the same target is not to be found there, behind another prefix at most. Only the same server gets the login."""
    try:
        found = urljoin(base.origin + asked, location, allow_fragments=False)
        parts = urlsplit(found.decode("ascii"))
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None
    wanted = asked[len(base.prefix) :]
    path = f"{parts.path}?{parts.query}".encode() if parts.query else parts.path.encode()
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or not path.endswith(wanted):
        return None
    moved = BaseUrl(parts.scheme == "https", parts.hostname, port, path[: -len(wanted)], b"", None)
    if moved.origin == base.origin:
        return BaseUrl(base.secure, base.host, base.port, moved.prefix, base.user, base.password)
    return moved


def target(prefix: bytes, uuid: bytes, version: int, endpoint: str, parameters: Parameters) -> bytes:
    """The target of a request: path and query. Raises NotEncodable."""
    query = "&".join(f"{name}={_sayable(value)}" for name, value in parameters)
    return prefix + f"/git-annex/{_quoted(uuid)}/v{version}/{endpoint}{'?' * bool(query)}{query}".encode()


def key_endpoint(key: bytes) -> str:
    """The endpoint that has the content of a key. Raises NotEncodable."""
    return "key/" + _sayable(key)


def _sayable(value: bytes) -> str:
    if b"\0" in value:
        raise NotEncodable("a key can't hold a NUL")
    return _quoted(value)


def _quoted(value: bytes) -> str:
    return quote(encode_value(value), safe="")


def basic_authorizations(user: bytes, password: bytes) -> list[bytes]:
    """The values of an Authorization header to be tried in turn: git-annex wants base64 in the alphabet of urls, others
    in the standard one. Most often both are the same."""
    urlsafe = urlsafe_b64encode(b"%b:%b" % (user, password))
    standard = urlsafe.replace(b"-", b"+").replace(b"_", b"/")
    return [b"Basic " + text for text in dict.fromkeys((urlsafe, standard))]


def unlock_request() -> bytes:
    """The body of a `keeplocked` that ends the lock."""
    return b'{"unlock":true}\n'


# Answers


def parse_answer(body: bytes) -> Answer:
    """The JSON object in a body. Raises BadResponse."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise BadResponse("its answer is not of the git-annex HTTP API")
    return answer


def flag(answer: Answer, name: str) -> bool:
    """A field that is true or false. Raises BadResponse."""
    value = answer.get(name)
    if not isinstance(value, bool):
        raise BadResponse(f"its answer does not say whether the content is {name}")
    return value


def number(answer: Answer, name: str) -> int:
    """A field that is a number, of bytes or of seconds. Raises BadResponse."""
    value = answer.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 63:
        raise BadResponse(f"its answer has no {name}")
    return value


def text(answer: Answer, name: str) -> bytes:
    """A field that is text. Raises BadResponse."""
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise BadResponse(f"its answer has no {name}")
    return value.encode("utf-8", "surrogatepass")


def plus_uuids(answer: Answer) -> list[bytes]:
    """The further repositories that a request was about; old versions name none. Raises BadResponse."""
    values = answer.get("plusuuids", [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise BadResponse("its answer has no list of plusuuids")
    uuids = [decode_value(value.encode("utf-8", "surrogatepass")) for value in values]
    if not all(map(is_word, uuids)):
        raise BadResponse("its answer has malformed uuids")
    return uuids
