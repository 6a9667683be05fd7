"""Whether a gateway has published to clients what is configured, and whether its nodes answer. The checks are pure."""

from __future__ import annotations

from importlib.util import find_spec

from annexshell.admin.health import ask_nodes, blamed_on
from annexshell.admin.overview import Overview
from annexshell.annexlog.facts import Facts
from annexshell.cli.admin.watching.doctor.finding import ERROR, OK, WARNING, Finding
from annexshell.errors import AnnexshellError, Cause, NodeError
from annexshell.model.remote import SSH
from annexshell.repo.gateway.surroundings import Surroundings
from annexshell.repo.nodes.identify import ask_uuid
from annexshell.repo.nodes.remedies import remedy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from annexshell.admin.shown import ShownRepository
    from annexshell.model.remote import Remote
    from annexshell.repo.local.parts import Parts


_UPDATE = "use: annexshell updatecluster"


class Nodes:
    """Facts: what a gateway is configured to be, and for each node why it can't be used, None if it can; `gevent` says
    whether that is there."""

    __slots__ = ("answers", "gevent", "named", "overview", "remotes")

    def __init__(
        self,
        overview: ShownRepository,
        remotes: list[Remote],
        named: set[str],
        answers: list[tuple[str, NodeError | None]],
        gevent: bool = True,
    ) -> None:
        self.overview = overview
        self.remotes = remotes
        self.named = named
        self.answers = answers
        self.gevent = gevent


def look(parts: Parts, limit: float) -> Nodes:
    """Asks the nodes, each for up to `limit` seconds."""
    here = Surroundings(parts, Facts(parts.git, parts.journal))
    overview = Overview(parts).repository()
    answers = [(remote.name, error) for remote, error in ask_nodes(parts, limit)]
    nameless = [remote for remote in here.remotes if remote.is_to_be_proxied and remote.kind == SSH and not remote.uuid]
    answers += [(remote.name, _unidentified(parts, remote, limit)) for remote in nameless]
    return Nodes(overview, here.remotes, set(here.named), answers, find_spec("gevent") is not None)


def _unidentified(parts: Parts, remote: Remote, limit: float) -> NodeError:
    """Why the uuid of a remote on another host has not been found out."""
    try:
        ask_uuid(parts, remote, limit)
    except (AnnexshellError, OSError) as error:
        return blamed_on(remote, error)
    return NodeError(remote.name, "its UUID is not known yet", cause=Cause.NOT_IDENTIFIED)


def check_modules(nodes: Nodes) -> Iterator[Finding]:
    """Whether the libraries of a gateway are installed. The single-file program comes without; it is enough for a
    single repository."""
    if (nodes.overview["proxied"] or nodes.named) and not nodes.gevent:
        text = "this is a gateway, whose sessions need the Python module gevent"
        yield Finding(
            "gateway", ERROR, f"{text}; use: apt install python3-gevent, as root, or install annexshell by pip"
        )


def check_recorded(nodes: Nodes) -> Iterator[Finding]:
    """Compares proxy.log and cluster.log with the git config."""
    problems = [*_clusters(nodes), *_proxied(nodes)]
    yield from (Finding("proxy.log", WARNING, text) for text in dict.fromkeys(problems))
    if not problems:
        what = "as the git config says" if nodes.overview["proxied"] or nodes.named else "this is no gateway"
        yield Finding("proxy.log", OK, what)


def _clusters(nodes: Nodes) -> Iterator[str]:
    for remote in nodes.remotes:
        for name in remote.cluster_names:
            if name not in nodes.named:
                text = f"{remote.name} is to be a node of {name}, and there is no such cluster"
                yield f"{text}; use: annexshell initcluster {name}, and annexshell updatecluster"
    for cluster in nodes.overview["clusters"]:
        if not cluster["recorded"]:
            yield f"clients are not told of the cluster {cluster['name']}; {_UPDATE}"
        for node in cluster["nodes"]:
            name = node["name"] or node["description"]
            if node["dead"] and node["configured"]:
                remedy = f"annexshell removenode {cluster['name']} {name}, or git annex semitrust {name}"
                yield f"{name} is a node, and dead; use: {remedy}"
            elif node["configured"] and not node["recorded"]:
                yield f"{name} is not recorded as a node of {cluster['name']}; {node['problem'] or _UPDATE}"
            elif node["recorded"] and not node["configured"] and node["via"] is None and not node["dead"]:
                yield f"{name} is recorded as a node of {cluster['name']}, but is none of this gateway; {_UPDATE}"


def _proxied(nodes: Nodes) -> Iterator[str]:
    for remote in nodes.overview["proxied"]:
        if not remote["recorded"]:
            yield f"clients are not told of {remote['name']}; {remote['problem'] or _UPDATE}"
        elif not remote["configured"] and remote["via"] is None:
            yield f"clients are told of {remote['name']}, which is not configured to be proxied; {_UPDATE}"
        elif remote["configured"] and remote["problem"]:
            yield f"clients are told of {remote['name']}. {remote['problem']} {_UPDATE.capitalize()}"


def check_nodes(nodes: Nodes) -> Iterator[Finding]:
    """Whether the nodes answer."""
    for name, error in nodes.answers:
        if error is None:
            yield Finding("nodes", OK, f"{name} answers")
        else:
            yield Finding("nodes", ERROR, f"{name}: {error.reason}; {remedy(name, error.cause)}")
