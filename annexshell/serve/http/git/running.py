"""One request to git, from its turn to the end of its program."""

from __future__ import annotations

from annexshell.errors import NotARepository
from annexshell.git.program import with_config
from annexshell.model.show import visible
from annexshell.serve.http.git import cgi
from annexshell.serve.http.git.chunks import Chunks
from annexshell.serve.http.git.process import Backend
from annexshell.serve.http.git.target import RECEIVE_PACK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from annexshell.disk.spawn import Environment
    from annexshell.green.tasks import Tasks
    from annexshell.serve.http.git.target import Target
    from annexshell.serve.http.git.turns import Turn, Turns
    from annexshell.serve.http.http1.exchange import Exchange
    from annexshell.serve.http.repositories.places import Place

    Settings = Iterable[tuple[bytes, bytes]]

# No file is told by its name alone, and who may use which service was decided before: the configuration of a
# repository has no say in that. The owner of the repository was looked at, too.
_ALWAYS = ((b"http.getanyfile", b"false"), (b"http.uploadpack", b"true"), (b"safe.directory", b"*"))


class Runner:
    """Runs git for requests. `env` is our environment, of which git gets a part; `report` takes what goes wrong."""

    def __init__(self, env: Environment, turns: Turns, tasks: Tasks, report: Callable[[str], None]) -> None:
        self._env = cgi.kept(env)
        self._turns = turns
        self._tasks = tasks
        self._report = report

    def run(
        self, exchange: Exchange, place: Place, target: Target, settings: Settings, afterwards: Callable[[], None]
    ) -> None:
        """Answers a request, with settings for git. `afterwards` is called when git has done its work well, before the
        client hears of the end. Raises NotARepository, TooBusy, ChildFailed, PeerGone."""
        refusal = _refusal(exchange, target)
        if refusal:
            exchange.error(*refusal)
            return
        if not place.is_trusted:
            self._report(f"{place.shown} belongs to somebody else: git refuses to work in it")
            raise NotARepository("git refuses to work in this repository")
        env = self._environment(exchange, place, target, settings)
        turn = self._turns.take(exchange.sender.address, lambda: exchange.stream.pause(0))
        try:
            self._with(Backend(env, self._tasks, turn), exchange, target, turn, afterwards)
        finally:
            turn.end()

    def _with(
        self, backend: Backend, exchange: Exchange, target: Target, turn: Turn, afterwards: Callable[[], None]
    ) -> None:
        is_post = exchange.head.method == b"POST"
        try:
            backend.feed(exchange.body if is_post else None)
            chunks = _pass_on(exchange, backend, turn)
            code = backend.end()
            if chunks is not None:
                if code == 0 and is_post and not backend.cut_off:
                    afterwards()
                chunks.end()
                exchange.broken = False
        finally:
            # What a client sends that goes is lost; but of what it has sent git has to say to the end what it thinks.
            backend.end(wants_rest=target.service == RECEIVE_PACK)
            if backend.complaint and not backend.cut_off and not exchange.broken:
                self._report(f"git: {visible(backend.complaint.decode('utf-8', 'replace').strip())}")

    def _environment(self, exchange: Exchange, place: Place, target: Target, settings: Settings) -> Environment:
        told = cgi.variables(target, exchange.head, place.paths.git_dir, exchange.user, exchange.sender.address)
        pushes = b"true" if target.service == RECEIVE_PACK else b"false"
        return with_config({**self._env, **told}, [*settings, *_ALWAYS, (b"http.receivepack", pushes)])


def _refusal(exchange: Exchange, target: Target) -> tuple[int, str] | None:
    """Why git need not be asked."""
    head = exchange.head
    if not target.service:
        return 403, "only git's smart protocol is spoken here"
    if not cgi.is_known_coding(head):
        return 415, "the coding of the body is unknown"
    if head.method == b"POST" and head.header(b"content-type") != b"application/x-%b-request" % target.service:
        return 415, "the type of the body is not that of a request of git's"
    return None


def _pass_on(exchange: Exchange, backend: Backend, turn: Turn) -> Chunks | None:
    """Sends what git answers up to its end, which the client is not told of yet. None if the answer is complete."""
    head, begun = backend.read_head()
    if head.status != 200:
        backend.stop_feeding()
        exchange.error(head.status if head.status in (400, 403, 404, 405, 415) else 500, "")
        return None
    if not begun:
        backend.output.wait_readable()  # the answer begins when there is one, and not while a push still comes in
    exchange.stream.write(exchange.begin(200, None, head.headers))
    if exchange.head.method == b"HEAD":
        return None
    exchange.broken = True
    chunks = exchange.sink = Chunks(exchange, turn)
    chunks.write(begun)
    while chunks.pass_on(backend.output):
        pass
    return chunks
