"""The repository that a url leads to, for who may do there what they want."""

from __future__ import annotations

from annexshell.errors import AccessDenied, AnnexshellError, NeedsLogin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.serve.http.access.auth import Visitor
    from annexshell.serve.http.repositories.directory import Repositories
    from annexshell.serve.http.repositories.places import Place, Places


def find_place(
    places: Places, repositories: Repositories, visitor: Visitor, words: tuple[bytes, ...], *actions: str
) -> Place:
    """The repository with such words in its path, if the visitor may do all of that there. Nothing on disk is looked at
    for who may not, so that the time of the answer does not tell what exists. Raises NeedsLogin, AccessDenied,
    WrongRepository, ChildFailed, OSError."""
    refusals: list[AnnexshellError] = []
    for path in places.candidates(words):
        try:
            _check(visitor, actions, path, repositories.uuid_at(path))
            place = places.find(path)
            if place is None:
                continue
            _check(visitor, actions, path, place.uuid)
        except AnnexshellError as error:
            refusals.append(error)
        else:
            return place
    raise min(refusals, key=_rank, default=visitor.not_found())


def _check(visitor: Visitor, actions: tuple[str, ...], path: bytes, uuid: bytes) -> None:
    for action in actions:
        visitor.check(action, path, uuid)


def _rank(error: AnnexshellError) -> int:
    """Which of several names that a repository may have decides: one where a login helps, or the visitor is known."""
    return next((number for number, kind in enumerate((NeedsLogin, AccessDenied)) if isinstance(error, kind)), 2)
