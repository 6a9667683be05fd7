"""How git's own servers, git-upload-pack and git-receive-pack, are set up for a client, whichever way it comes."""

from __future__ import annotations

from annexshell.model.access import APPEND_ONLY, READ_ONLY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.git.config import Config

# What keeps git from doing by a push what an access mode forbids.
BY_MODE: dict[str, dict[bytes, bytes]] = {
    READ_ONLY: {b"receive.hideRefs": b"refs"},
    APPEND_ONLY: {b"receive.denyDeletes": b"true", b"receive.denyNonFastForwards": b"true"},
}
# Unless the repository has its own: partial clones are possible, and a push takes little memory however large its files
# are (git would hold those that it unpacks, or compares, in memory).
_DEFAULTS = {
    b"uploadpack.allowFilter": b"true",
    b"receive.unpackLimit": b"1",
    b"core.bigFileThreshold": b"10m",
}


_UNITS = {b"k": 1 << 10, b"m": 1 << 20, b"g": 1 << 30}  # as git has them


def input_limit(config: Config, room: int) -> dict[bytes, bytes]:
    """The setting that lets a push add so many bytes, unless the repository has a smaller limit."""
    own = (config.get("receive.maxinputsize") or b"").strip().lower()
    digits, unit = own.rstrip(b"kmg"), _UNITS.get(own[-1:], 1)
    limit = int(digits) * unit if digits.isdigit() and len(digits) <= 18 else 0
    return {} if 0 < limit <= room else {b"receive.maxInputSize": b"%d" % room}


def settings(mode: str, config: Config) -> dict[bytes, bytes]:
    """Settings of git for a client with an access mode."""
    missing = {name: value for name, value in _DEFAULTS.items() if config.get(name.decode().lower()) is None}
    return missing | BY_MODE.get(mode, {})
