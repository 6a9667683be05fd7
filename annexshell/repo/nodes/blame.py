"""A connection as the Sink of an upload: when it breaks, the node is to blame."""

from __future__ import annotations

from annexshell.errors import AnnexshellError
from annexshell.stream.port import Sink, SinkFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.stream.port import Buffer, Source


class BlamedSink(Sink):
    """Passes everything on. `blame` gives the connection up, and returns what to raise."""

    def __init__(self, sink: Sink, blame: Callable[[Exception], AnnexshellError]) -> None:
        self._sink = sink
        self._blame = blame

    def write(self, data: Buffer) -> None:
        try:
            self._sink.write(data)
        except (AnnexshellError, OSError) as error:
            raise self._blame(error) from None

    def send_file(self, fd: int, offset: int, count: int) -> int:
        try:
            return self._sink.send_file(fd, offset, count)
        except AnnexshellError as error:
            raise self._blame(error) from None

    def splice_from(self, source: Source, count: int) -> int:
        try:
            return self._sink.splice_from(source, count)
        except SinkFailed as failure:
            raise SinkFailed(self._blame(failure.cause), failure.taken) from None
