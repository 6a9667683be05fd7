"""Answers requests of browsers for the urls of repositories."""

from __future__ import annotations

from contextlib import contextmanager

from annexshell.errors import NotARepository, NotPresent
from annexshell.serve.http.access.rules import GIT, READ
from annexshell.serve.http.browse import html
from annexshell.serve.http.browse.downloads import BlobSender, headers_for, kind_of, send_key
from annexshell.serve.http.browse.links import FileView, has_view, parse_view
from annexshell.serve.http.browse.objects import GitObjects
from annexshell.serve.http.browse.pages import LONGEST_PAGE, Directory, Frame, is_readme
from annexshell.serve.http.browse.tree import LINK, MODULE
from annexshell.serve.http.browse.whereabouts import LARGEST_README, look_for, text_of
from annexshell.serve.http.git.cgi import kept
from annexshell.serve.http.git.finding import find_place
from annexshell.serve.http.git.target import split_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from annexshell.disk.spawn import Environment
    from annexshell.green.tasks import Tasks
    from annexshell.model.key import Key
    from annexshell.serve.http.access.auth import Access
    from annexshell.serve.http.browse.tree import Branches, TreeEntry
    from annexshell.serve.http.browse.whereabouts import Whereabouts
    from annexshell.serve.http.git.turns import Turn, Turns
    from annexshell.serve.http.http1.exchange import Exchange
    from annexshell.serve.http.repositories.directory import Repositories
    from annexshell.serve.http.repositories.places import Place, Places
    from annexshell.serve.http.repositories.served import ServedRepository

    Words = tuple[bytes, ...]

_READ = (b"GET", b"HEAD")
_API = b"git-annex"


class Reader:
    """How git's objects are read: `env` is our environment, of which git gets a part, and each request waits for one of
    the `turns`."""

    def __init__(self, env: Environment, turns: Turns, tasks: Tasks) -> None:
        self._env = kept(env)
        self._turns = turns
        self.tasks = tasks

    @contextmanager
    def begin(self, exchange: Exchange, place: Place) -> Iterator[tuple[GitObjects, Turn]]:
        """The objects of a repository, for one request. Raises TooBusy, PeerGone."""
        turn = self._turns.take(exchange.sender.address, lambda: exchange.stream.pause(0))
        try:
            yield GitObjects(place.paths.git_dir, self._env), turn
        finally:
            turn.end()


class Browse:
    """The pages of all repositories. `clone_url` says by which url a repository is cloned, by the words of its path."""

    def __init__(
        self,
        places: Places,
        repositories: Repositories,
        access: Access,
        reader: Reader,
        clone_url: Callable[[Exchange, Words], bytes] | None,
        base: bytes = b"",
    ) -> None:
        self._places = places
        self._repositories = repositories
        self._access = access
        self._reader = reader
        self._clone_url = clone_url
        self._base = base

    def answer(self, exchange: Exchange, path: bytes, query: bytes) -> bool:
        """Answers a browser's request if it is for a repository, else returns False. Raises AnnexshellError."""
        words = _words(exchange, path, query, self._base)
        if words is None or (not words and not self._places.candidates(words)):
            return False
        exchange.endpoint = "browse"
        visitor = self._access.visitor(
            exchange.head.header(b"authorization"), exchange.sender.is_secure, exchange.sender.address
        )
        exchange.user = visitor.user
        place = find_place(self._places, self._repositories, visitor, words, READ, GIT)
        if not place.is_trusted:
            raise NotARepository("git refuses to work in this repository")
        view = parse_view(query)
        with self._reader.begin(exchange, place) as (objects, turn):
            Answer(exchange, self._reader.tasks, self._served(place), objects, view).give(
                turn, _name(place, words), b"" if self._clone_url is None else self._clone_url(exchange, words)
            )
        return True

    def _served(self, place: Place) -> ServedRepository | None:
        served = self._repositories.at(place.path) if place.uuid else None
        return served if served is not None and served.uuid == place.uuid else None


def _words(exchange: Exchange, path: bytes, query: bytes, base: bytes) -> Words | None:
    """The words of a repository's path, if a browser asks for it."""
    head = exchange.head
    is_ours = has_view(query) or b"text/html" in head.header(b"accept").lower()
    words = split_path(path, base) if is_ours and head.method in _READ else None
    if words is None or words[:1] == (_API,):
        return None
    return words[:-1] if words[-1:] == (b".git",) else words


def _name(place: Place, words: Words) -> bytes:
    return b"/".join(words) or place.path.rpartition(b"/")[2]


class Answer:
    """The answer to one request for a view of a repository, which is `served` if it is one of git-annex."""

    def __init__(
        self, exchange: Exchange, tasks: Tasks, served: ServedRepository | None, objects: GitObjects, view: FileView
    ) -> None:
        self._exchange = exchange
        self._tasks = tasks
        self._served = served
        self._objects = objects
        self._view = view

    def give(self, turn: Turn, name: bytes, clone: bytes) -> None:
        """Raises AnnexshellError."""
        branches = self._tasks.offload(self._objects.branches)
        view = self._view
        if not view.branch:
            view.branch = branches.head
        frame = Frame(name, view, branches.names, clone)
        if not view.branch and not view.path:
            self._show(lambda: html.empty_page(frame))
            return
        commit = _commit(branches, view)
        entry = self._tasks.offload(lambda: self._entry(commit)) if view.path else None
        if entry is None or entry.is_directory:
            self._give_directory(frame, commit if entry is None else entry.id)
        elif view.get and entry.is_file:
            self._send(entry, turn)
        else:
            whereabouts = self._whereabouts([entry])
            self._show(lambda: html.file_page(frame, entry, whereabouts.get(entry.key) if entry.key else None))

    def _entry(self, commit: bytes) -> TreeEntry:
        entry = self._objects.entry(commit, self._view.path)
        if entry is None or entry.mode == MODULE:
            raise NotPresent("there is no such file in this branch")
        if not entry.is_directory:
            self._objects.look_into([entry])
        return entry

    def _give_directory(self, frame: Frame, tree: bytes) -> None:
        directory, readme = self._tasks.offload(lambda: self._directory(tree))
        directory.places = self._whereabouts(directory.entries)
        if readme is not None:
            directory.readme_name = readme.name
            directory.readme = self._readme(readme, directory.places)
        self._show(lambda: html.directory_page(frame, directory))

    def _directory(self, tree: bytes) -> tuple[Directory, TreeEntry | None]:
        everything = self._objects.entries(tree)
        first = self._view.page * LONGEST_PAGE
        entries = everything[first : first + LONGEST_PAGE]
        self._objects.look_into(entries)
        readme = next((entry for entry in entries if is_readme(entry.name) and entry.is_file), None)
        return Directory(entries, len(everything) > first + LONGEST_PAGE), readme

    def _readme(self, entry: TreeEntry, places: dict[Key, Whereabouts]) -> bytes:
        key = entry.key
        if key is None:
            return b"" if entry.mode == LINK else self._tasks.offload(lambda: self._beginning(entry))
        if self._served is None or key not in places or not places[key].here:
            return b""
        return self._served.inspect(lambda parts: text_of(parts, key))

    def _beginning(self, entry: TreeEntry) -> bytes:
        return self._objects.beginning(entry.id, LARGEST_README)

    def _whereabouts(self, entries: Sequence[TreeEntry]) -> dict[Key, Whereabouts]:
        keys = [entry.key for entry in entries if entry.key is not None]
        if self._served is None or not keys:
            return {}
        return self._served.inspect(lambda parts: look_for(parts, keys))

    def _send(self, entry: TreeEntry, turn: Turn) -> None:
        kind = kind_of(entry.name, self._view.get)
        headers = headers_for(entry.name, kind)
        key = entry.key
        if key is None and entry.size is not None:
            sender = BlobSender(self._objects.git, turn, self._tasks)
            sender.send(self._exchange, entry.id, entry.size, kind, headers)
        elif key is None or self._served is None:
            raise NotPresent("the content of this file is not here")
        else:
            turn.end()  # git has nothing more to do for it
            send_key(self._exchange, self._served, key, kind, headers, lambda: self._nodes(entry))

    def _nodes(self, entry: TreeEntry) -> list[bytes]:
        return [uuid for found in self._whereabouts([entry]).values() for uuid in found.nodes]

    def _show(self, page: Callable[[], bytes]) -> None:
        self._exchange.respond(200, self._tasks.offload(page), html.HEADERS)


def _commit(branches: Branches, view: FileView) -> bytes:
    commit = branches.commits.get(view.branch)
    if commit is None:
        raise NotPresent("there is no such branch")
    return commit
