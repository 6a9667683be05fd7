"""The parameters of a request (upstream: P2P/Http/Types.hs)."""

from __future__ import annotations

from annexshell.wire.httprequest import Parameters, Target, read_path_key, uuid_list


class Call:
    """A request with all its parameters parsed."""

    def __init__(self, target: Target, query: bytes) -> None:
        """Raises BadRequest."""
        self.target = target
        self.version = 0 if target.version is None else target.version
        self.parameters = parameters = Parameters(query)
        name = target.endpoint
        if target.key is not None:
            self.key = read_path_key(target.key)
        elif name not in ("gettimestamp", "keeplocked"):
            self.key = parameters.key()
        self.client = parameters.client(required=target.version is not None and name != "keeplocked")
        self.bypass = parameters.bypass() if self.version >= 2 else []
        self.file = parameters.file()
        self.offset = parameters.offset() if target.version is not None else 0
        self.before = parameters.timestamp() if name == "remove-before" else None
        self.lock_id = parameters.lock_id() if name == "keeplocked" else ""
        self.data_present = name == "put" and self.version >= 4 and parameters.data_present()

    @property
    def place(self) -> tuple[bytes, bytes]:
        """What the request is about."""
        return self.target.uuid, self.key.serialized

    def with_uuids(self, answer: dict[str, object], uuids: list[bytes]) -> dict[str, object]:
        """An answer that names further repositories, which old versions know nothing of."""
        return {"plusuuids": uuid_list(uuids), **answer} if self.version >= 2 else answer
