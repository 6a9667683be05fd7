"""Finding the repository that a client named: directories of ssh urls to git directories.

Upstream: Git/Construct.hs, Git/Types.hs, Annex/Fixup.hs. Nothing is searched for upwards, and nothing on disk is
changed (the original turns the .git files of worktrees and submodules into symlinks).
"""

from __future__ import annotations

import os

from annexshell.errors import NotARepository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


_GITS_OWN = frozenset(
    b"annex branches hooks info lfs logs modules objects refs reftable remotes rr-cache worktrees".split()
)
PRIVATE = b".annexshell-"  # how directories begin that hold what is being made, or removed


def own_home(home: bytes | None) -> bytes:
    """Our home directory: HOME from the environment or, if that is unset or empty, the account's own."""
    if home:
        return home
    from pwd import getpwuid

    try:
        return os.fsencode(getpwuid(os.getuid()).pw_dir) or b"/"
    except KeyError:  # in containers, an account may be no more than a number
        return b"/"


class GitPaths:
    """Where a repository lies. `work_tree` is None if no work tree was found beside the git directory."""

    __slots__ = ("common_dir", "git_dir", "work_tree")

    def __init__(self, git_dir: bytes, common_dir: bytes, work_tree: bytes | None) -> None:
        self.git_dir = git_dir
        self.common_dir = common_dir
        self.work_tree = work_tree

    def use_work_tree(self, configured: bytes | None) -> None:
        """Uses the work tree that core.worktree names, if it names one."""
        if configured is not None:
            self.work_tree = os.path.normpath(os.path.join(self.git_dir, configured))

    @property
    def top(self) -> bytes:
        """Where the owner's hooks run, and what relative urls of remotes are relative to."""
        return self.work_tree or self.git_dir

    @property
    def annex_dir(self) -> bytes:
        """AD, the annex directory. Linked worktrees share that of their main repository."""
        return self.common_dir + b"/annex"

    @property
    def hooks_dir(self) -> bytes:
        """The directory of git-annex's hooks, whatever core.hooksPath says (Git/Hook.hs)."""
        return self.common_dir + b"/hooks"


def expand(directory: bytes, home: bytes, home_of: Callable[[bytes], bytes | None]) -> bytes:
    """The absolute path that a client's DIRECTORY means. `~`, `~user` and `/~user` stand for home directories, and a
    relative path is relative to our home. The name of an unknown user is taken literally. As in git, what follows a
    home directory is below it, however many slashes there are (the original takes `~//x` for `/x`)."""
    text = directory[1:] if directory.startswith(b"/~") else directory
    if text.startswith(b"~"):
        user, _, rest = text[1:].partition(b"/")
        found = home_of(user) if user else home
        if found is not None:
            return _tidy(os.path.join(found, rest.lstrip(b"/")))
    return _tidy(os.path.join(home, directory))


def _tidy(path: bytes) -> bytes:
    """Removes superfluous slashes and dots. `..` stays: behind a symlink, it does not lead back."""
    return b"/" + b"/".join(part for part in path.split(b"/") if part not in (b"", b"."))


def locate(directory: bytes, had_slash: bool = False) -> GitPaths:
    """Finds the repository at an absolute path X. Raises NotARepository.

    X may be a work tree, a bare repository or a `.git` directory. If there is no X, `X.git` will do, unless the client
    wrote a slash behind X.
    """
    if b"\0" in directory:
        raise NotARepository("the name of the directory can't be used")
    if not os.path.isdir(directory) and not had_slash and os.path.isdir(directory + b".git"):
        directory += b".git"
    dot_git = directory + b"/.git"
    if os.path.isdir(dot_git):
        return _paths(os.path.realpath(dot_git) if os.path.islink(dot_git) else dot_git, directory)
    if os.path.isfile(dot_git):
        return _paths(_follow(dot_git), directory)
    if _is_git_dir(directory):
        return _paths(directory, os.path.dirname(directory) if os.path.basename(directory) == b".git" else None)
    raise NotARepository("there is no git repository")


def _paths(git_dir: bytes, work_tree: bytes | None) -> GitPaths:
    if not _is_git_dir(git_dir):
        raise NotARepository("there is no git repository")
    try:
        with open(git_dir + b"/commondir", "rb") as file:
            common = os.path.realpath(os.path.join(git_dir, file.read(4096).rstrip(b"\n")))
    except FileNotFoundError:
        common = git_dir
    return GitPaths(git_dir, common, work_tree)


def _follow(dot_git: bytes) -> bytes:
    """The git directory that a `.git` file points to, perhaps with `..` relative to where the file really is."""
    with open(dot_git, "rb") as file:
        text = file.read(4096).rstrip(b"\r\n")
    if not text.startswith(b"gitdir: ") or b"\0" in text:
        raise NotARepository("its .git file points nowhere")
    return os.path.realpath(os.path.join(os.path.dirname(dot_git), text[8:]))


def _is_git_dir(path: bytes) -> bool:
    if not os.path.lexists(path + b"/HEAD"):
        return False
    if os.path.exists(path + b"/commondir"):
        return True
    return os.path.isdir(path + b"/objects") and os.path.isdir(path + b"/refs")


def repositories_below(directory: bytes) -> list[bytes]:
    """The git repositories below a directory, at any depth, but not those inside of repositories. A symlink to a
    repository counts; other symlinks are not followed, since they might lead anywhere, or in a circle."""
    found: list[bytes] = []
    _search(directory, found)
    return found


def _search(directory: bytes, found: list[bytes]) -> None:
    try:
        with os.scandir(directory) as entries:
            children = [
                (entry.path, entry.is_symlink())
                for entry in entries
                if entry.is_dir() and not entry.name.startswith(PRIVATE)
            ]
    except OSError:
        return
    for path, is_link in sorted(children):
        try:
            locate(path)
        except (NotARepository, OSError):
            if not is_link:
                _search(path, found)
        else:
            found.append(path)


def leads_somewhere(top: bytes, words: Sequence[bytes]) -> bool:
    """Whether the path of these words below a directory is one of those that lead to a repository. Raises OSError."""
    path = top.rstrip(b"/")
    in_tree = in_git_dir = False
    for word in words:
        if word.lower() == b".git" or word.startswith(PRIVATE) or (in_git_dir and word.lower() in _GITS_OWN):
            return False
        path += b"/" + word
        is_tree = os.path.lexists(path + b"/.git")
        is_git_dir = not is_tree and not in_tree and _is_repository(path)
        if os.path.islink(path) and (in_tree or in_git_dir or not (is_tree or is_git_dir)):
            return False
        in_tree, in_git_dir = in_tree or is_tree, is_git_dir or (in_git_dir and not is_tree)
    return is_tree or is_git_dir


def _is_repository(path: bytes) -> bool:
    try:
        locate(path, had_slash=True)
    except NotARepository:
        return False
    return True
