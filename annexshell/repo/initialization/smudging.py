"""The filter and the hooks by which git calls git-annex in a work tree.

If git-annex is not on PATH, they make git fail at every file, in `git status` as in a push to the work tree. So they
are set up only where git-annex is, and removed where it has been. Upstream: Config/Smudge.hs, Annex/Hook.hs.
"""

from __future__ import annotations

import os

from annexshell.disk.files import read_file, replace_file
from annexshell.disk.perms import Perms, make_directories
from annexshell.git.config import read_config, set_config, unset_config
from annexshell.git.program import with_config
from annexshell.repo.initialization.installed import installed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.disk.spawn import Environment
    from annexshell.git.config import Config
    from annexshell.git.paths import GitPaths
    from annexshell.git.program import Git

_FILTERS = {
    "filter.annex.smudge": b"git-annex smudge -- %f",
    "filter.annex.clean": b"git-annex smudge --clean -- %f",
    "filter.annex.process": b"git-annex filter-process",
}
# Settings that turn the filter off, wherever it is configured.
WITHOUT_FILTER = {**dict.fromkeys(_FILTERS, b""), "filter.annex.required": b"false"}
_ATTRIBUTE = b"* filter=annex"
_MARK = b"#!/bin/sh\n# automatically configured by git-annex\n"
# These hooks look first whether git-annex is there.
_CAREFUL_HOOKS = {
    "pre-push": b"if git annex pre-push --help >/dev/null 2>&1; then git annex pre-push; fi\n",
    "post-receive": b"if git annex post-receive --help >/dev/null 2>&1; then git annex post-receive; fi\n",
}
_HOOKS = {
    "pre-commit": b"git annex pre-commit .\n",
    "post-checkout": b"git annex smudge --update\n",
    "post-merge": b"git annex smudge --update\n",
}
_FORMER_HOOKS = {"post-receive": b"git annex post-receive\n"}  # as older versions of git-annex wrote it


def has_git_annex(env: Environment) -> bool:
    """Whether git would find git-annex on PATH. Ours becomes one that comes after it."""
    return installed(env) is not None


def bypassing(env: Environment) -> Environment:
    """The environment for git in a repository of which nothing is known. If git-annex is not here, it turns the filter
    off, so that a push to a work tree works after git-annex has been removed, and leaves pointer files there."""
    if has_git_annex(env):
        return env
    return with_config(env, [(setting.encode(), value) for setting, value in WITHOUT_FILTER.items()])


def set_up(paths: GitPaths, git: Git, config: Config, warn: Callable[[str], None]) -> None:
    """Writes the hooks and configures the filter, as far as they work here. Raises ChildFailed, OSError."""
    perms = Perms(config.get("core.sharedrepository"), config.flag("annex.crippledfilesystem", False), False)
    if config.flag("core.bare", False):
        _write_hooks(paths, {"pre-push": _CAREFUL_HOOKS["pre-push"]}, perms, warn)
    elif not has_git_annex(git.env):
        _write_hooks(paths, _CAREFUL_HOOKS, perms, warn)
    else:
        if config.flag("annex.supportunlocked", True):
            _use_filter(paths, git, config, perms)
        elif config.get("filter.annex.clean"):
            _drop_filter(paths, git)
        _write_hooks(paths, _CAREFUL_HOOKS | _HOOKS, perms, warn)


def _use_filter(paths: GitPaths, git: Git, config: Config, perms: Perms) -> None:
    changed = {name: value for name, value in _FILTERS.items() if config.get(name) != value}
    if changed and paths.work_tree is not None:
        # What git has not looked at yet, as in a fresh clone, it would have git-annex look at.
        git.succeeds(b"--work-tree=" + paths.work_tree, "status", "--porcelain", "--ignore-submodules")
    for name, value in changed.items():
        set_config(git, name, value)
    path = _attributes(paths)
    if b"filter=annex" not in (read_file(path) or b""):  # else somebody has set it up already
        make_directories(os.path.dirname(path), paths.common_dir, perms)
        with open(path, "ab") as file:
            file.write(b"\n" + _ATTRIBUTE + b"\n")
            perms.let_read(path)


def _attributes(paths: GitPaths) -> bytes:
    """The path of the repository's own attributes file."""
    return paths.common_dir + b"/info/attributes"


def _hook(paths: GitPaths, name: str) -> bytes:
    return os.path.join(paths.hooks_dir, name.encode())


def _text(hook: bytes) -> bytes:
    """The text of a hook; empty if there is none, or if we may not read it, and git would not run it for us either."""
    try:
        return read_file(hook) or b""
    except PermissionError:
        return b""


def _write_hooks(paths: GitPaths, hooks: dict[str, bytes], perms: Perms, warn: Callable[[str], None]) -> None:
    make_directories(paths.hooks_dir, paths.common_dir, perms)
    for name, body in hooks.items():
        path = _hook(paths, name)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o777)
        except FileExistsError:
            if _text(path) != _MARK + body:
                warn(f"a {name} hook already exists, and was not replaced by the one that git-annex uses")
            continue
        with open(fd, "wb") as file:
            file.write(_MARK + body)
            perms.let_read(path)


class Dangling:
    """What makes git call a git-annex that is not there: the filter, hooks that git-annex wrote, and hooks of
    others."""

    __slots__ = ("filter", "hooks", "others")

    def __init__(self, has_filter: bool, hooks: list[str], others: list[str]) -> None:
        self.filter = has_filter
        self.hooks = hooks
        self.others = others


def dangling(paths: GitPaths, git: Git, config: Config) -> Dangling:
    """Looks for what git-annex has left behind in a work tree of a host that does not have it any more. Raises
    OSError."""
    if config.flag("core.bare", False) or has_git_annex(git.env):
        return Dangling(False, [], [])
    found: list[str] = []
    others: list[str] = []
    for name in sorted({*_CAREFUL_HOOKS, *_HOOKS}):
        text = _text(_hook(paths, name))
        if text in [_MARK + hooks[name] for hooks in (_HOOKS, _FORMER_HOOKS) if name in hooks]:
            found.append(name)
        elif text != _MARK + _CAREFUL_HOOKS.get(name, b"") and (b"git annex" in text or b"git-annex" in text):
            others.append(name)
    return Dangling(any(config.get(name) for name in _FILTERS), found, others)


def lacks_filter(git: Git, config: Config) -> bool:
    """Whether git-annex is there, but git does not call it for unlocked files in the work tree."""
    wanted = not config.flag("core.bare", False) and config.flag("annex.supportunlocked", True)
    return (
        wanted
        and has_git_annex(git.env)
        and not (config.get("filter.annex.clean") or config.get("filter.annex.process"))
    )


def take_away(paths: GitPaths, git: Git, config: Config, warn: Callable[[str], None]) -> None:
    """Makes git do without a git-annex that is not there. Hooks of others stay, with a warning. Raises ChildFailed,
    OSError."""
    found = dangling(paths, git, config)
    for name in found.hooks:
        os.unlink(_hook(paths, name))
    if found.filter:
        _drop_filter(paths, git)
    if found.filter or found.hooks:
        what = "the filter and hooks by which git calls it were taken away, without which git works"
        warn(f"git-annex is not here: {what}; once it is here, annexshell init puts them back")
    for name in found.others:
        warn(f"git-annex is not here, and the {name} hook calls it")


def _drop_filter(paths: GitPaths, git: Git) -> None:
    for setting in WITHOUT_FILTER:
        if git.succeeds("config", "--local", "--get-all", setting):
            unset_config(git, setting)
    left = read_config(git)  # what remains comes from the account's or the system's configuration
    for setting, value in WITHOUT_FILTER.items():
        if left.get(setting):
            set_config(git, setting, value)
    _remove_attribute(_attributes(paths))


def _remove_attribute(path: bytes) -> None:
    text = read_file(path) or b""
    kept = b"".join(line for line in text.splitlines(keepends=True) if line.strip() != _ATTRIBUTE)
    if kept == text:
        return
    mode = os.stat(path).st_mode & 0o777
    replace_file(path, [kept], lambda temporary: os.chmod(temporary, mode))
