"""A git remote, as far as a gateway is concerned: values from the git config (Types/GitConfig.hs, Remote/Git.hs)."""

from __future__ import annotations

from math import isnan

from annexshell.model.p2p import is_p2p_url

LOCAL, SSH, HTTP, P2P, OTHER, SPECIAL = "local", "ssh", "http", "p2p", "other", "special"

_DEFAULT_COSTS = {LOCAL: 100.0, SSH: 200.0, HTTP: 200.0, P2P: 1000.0, OTHER: 200.0, SPECIAL: 200.0}
_SPECIAL_COSTS = {b"directory": 100.0, b"adb": 175.0, b"compute": 1000.0, b"glacier": 1000.0}  # by type

# What a remote that is reached through another one takes over from that one's configuration.
INHERITED = frozenset(
    """annexurl annex-cost annex-cost-command annex-ignore annex-shell annex-ssh-options annex-stalldetection
    annex-stalldetection-upload annex-stalldetection-download annex-readonly annex-proxy""".split()
)


class Remote:
    """One remote. `settings` are its git configs without `remote.NAME.`, values as bytes."""

    __slots__ = ("hops", "kind", "location", "name", "proxied_by", "settings", "uuid")

    def __init__(
        self,
        name: str,
        uuid: bytes,
        kind: str,
        location: bytes,
        settings: dict[str, bytes],
        proxied_by: bytes = b"",
        hops: int = 0,
    ) -> None:
        self.name = name
        self.uuid = uuid
        self.kind = kind
        self.location = location  # a path, a url, or the type of a special remote
        self.settings = settings
        self.proxied_by = proxied_by  # uuid of the gateway through which it is reached
        self.hops = hops  # gateways on the way there

    def with_uuid(self, uuid: bytes) -> Remote:
        """The same remote, whose uuid has been found out."""
        return Remote(self.name, uuid, self.kind, self.location, self.settings, self.proxied_by, self.hops)

    def setting(self, name: str) -> bytes:
        return self.settings.get(name, b"")

    def flag(self, name: str) -> bool:
        return self.setting(name).strip().lower() in (b"true", b"1", b"yes", b"on")

    @property
    def is_proxy_target(self) -> bool:
        return self.flag("annex-proxy")

    @property
    def is_to_be_proxied(self) -> bool:
        """Whether clients are to be told of it. annex-cluster-node counts whatever its value is, even if empty."""
        return self.is_proxy_target or "annex-cluster-node" in self.settings

    @property
    def cluster_names(self) -> list[str]:
        """The clusters that it is configured to be a node of."""
        return self.setting("annex-cluster-node").decode("utf-8", "surrogateescape").split()

    @property
    def gateway_of(self) -> list[bytes]:
        """The uuids of the clusters that it is another gateway of."""
        return self.setting("annex-cluster-gateway").split()

    @property
    def configured_cost(self) -> float:
        """annex-cost, or what is usual for its kind; lower is preferred (Config/Cost.hs)."""
        usual = _DEFAULT_COSTS[self.kind]
        if self.kind == SPECIAL:
            usual = _SPECIAL_COSTS.get(self.location, usual)
        cost = parse_cost(self.setting("annex-cost"))
        return usual if cost is None else cost


def parse_cost(text: bytes) -> float | None:
    """The cost that a text says; None where it is not a number, which has no place in an order."""
    try:
        cost = float(text)
    except ValueError:
        return None
    return None if isnan(cost) else cost


def classify(url: bytes, annex_url: bytes = b"") -> tuple[str, bytes]:
    """(kind, location) of a remote by its url; scp-like urls become ssh ones (Git/Remote.hs)."""
    if annex_url.startswith((b"annex+http://", b"annex+https://")):
        return HTTP, annex_url[len(b"annex+") :]
    if is_p2p_url(url):
        return P2P, url
    if url.startswith(b"file://"):
        return LOCAL, unescape(url[len(b"file://") :])
    if url.startswith((b"ssh://", b"git+ssh://", b"ssh+git://")):
        return SSH, b"ssh://" + url.partition(b"://")[2]
    if b"://" in url or b"::" in url.partition(b"[")[0]:
        return OTHER, url
    host, colon, path = _split_scp(url)
    if not colon or b"/" in host:
        return LOCAL, url
    start = b"" if path.startswith(b"/") else b"/" if path.startswith(b"~") else b"/~/"
    return SSH, b"ssh://%b%b%b" % (host.replace(b"%", b"%25"), start, path.replace(b"%", b"%25"))


def _split_scp(url: bytes) -> tuple[bytes, bytes, bytes]:
    """`host:path`; the colons of an address in brackets are not the one."""
    bracket = url.find(b"]:")
    if b"[" in url.partition(b":")[0] and bracket > 0:
        return url[: bracket + 1], b":", url[bracket + 2 :]
    return url.partition(b":")


def unescape(text: bytes) -> bytes:
    """A part of a url without its percent-encoding."""
    first, *rest = text.split(b"%")
    for piece in rest:
        is_code = len(piece) >= 2 and not piece[:2].strip(b"0123456789abcdefABCDEF")
        first += bytes([int(piece[:2], 16)]) + piece[2:] if is_code else b"%" + piece
    return first
