"""The parameters of a request (upstream: P2P/Http/Types.hs)."""

from __future__ import annotations

from annexshell.wire.httprequest import ApiTarget, Parameters, read_path_key, uuid_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.model.key import Key

_PLUS_SINCE = 2  # version in which answers name further repositories


class Call:
    """A request with all its parameters parsed. One that the endpoint does not have has the value that stands for
    none."""

    def __init__(self, target: ApiTarget, query: bytes) -> None:
        """Raises BadRequest."""
        self.target = target
        self.version = 0 if target.version is None else target.version
        parameters = Parameters(query, target.endpoint, self.version)
        self.optional_key = parameters.key() if target.key is None else read_path_key(target.key)
        self.client = parameters.client()
        self.bypass = parameters.bypass()
        self.file = parameters.file()
        self.offset = parameters.offset()
        self.before = parameters.timestamp()
        self.lock_id = parameters.lock_id()
        self.data_present = parameters.data_present()

    @property
    def key(self) -> Key:
        """The key, for endpoints that have one."""
        assert self.optional_key is not None
        return self.optional_key

    @property
    def upload(self) -> tuple[bytes, bytes]:
        """What is uploaded where: uuid and key."""
        return self.target.uuid, self.key.serialized

    def with_uuids(self, answer: dict[str, object], uuids: list[bytes]) -> dict[str, object]:
        """An answer that names further repositories, which old versions know nothing of."""
        return {"plusuuids": uuid_list(uuids), **answer} if self.version >= _PLUS_SINCE else answer
