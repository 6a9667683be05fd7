"""What a local repository is put together from, as its git config says."""

from __future__ import annotations

import time

from annexshell.annexlog.journal import Journal
from annexshell.disk.durable import Durability, is_durable
from annexshell.disk.filelock import FileLocks
from annexshell.disk.perms import Perms
from annexshell.disk.scratch import Scratch
from annexshell.git.config import CurrentConfig
from annexshell.git.program import for_hooks
from annexshell.repo.local.contents import ContentStore
from annexshell.repo.local.once import Once
from annexshell.store.layout import AnnexDir, Layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.disk.spawn import Environment
    from annexshell.git.config import Config
    from annexshell.git.paths import GitPaths
    from annexshell.git.program import Git
    from annexshell.store.transfers import Transfers

    Tell = Callable[[str, int, int | None], None]


def always() -> bool:
    """Nothing hinders it."""
    return True


def nobody(_what: str, _done: int, _total: int | None) -> None:
    """Nobody waits to be told how far something is."""


class Use:
    """How a repository is used. `warn` is told, in a sentence, of what went wrong without failing an operation; `tell`
    how far something is that may take long: what it is, how much is done, and of how much if that is known. Whoever
    `looks_only` at what is another's writes nothing, caches included. The journal is committed at the end of the use
    unless `may_commit` says that it is left to somebody else."""

    __slots__ = ("looks_only", "may_commit", "tell", "warn")

    def __init__(
        self,
        warn: Callable[[str], None],
        tell: Tell = nobody,
        looks_only: bool = False,
        may_commit: Callable[[], bool] = always,
    ) -> None:
        self.warn = warn
        self.tell = tell
        self.looks_only = looks_only
        self.may_commit = may_commit


class Parts:
    """The parts of one repository. `config` is its git config as it was when it was opened, `git_config` as it is now;
    `hook_env` gives the environment of a hook that is run now."""

    def __init__(self, paths: GitPaths, config: Config, git: Git, use: Use) -> None:
        self.use = use
        self.paths = paths
        self.config = config
        self.git = git
        self.uuid = config.get("annex.uuid") or b""
        self.git_config = CurrentConfig(git, paths.common_dir, config)
        version = ConfigVersion(self.git_config)
        self.annex = _annex_dir(paths, config, git, version)
        self.transfers = Once(lambda: _transfers(self.annex))
        self.journal = _journal(self.annex, config, git)
        self.hook_env = _hook_env(self.annex.locks, config, git)
        self.contents = ContentStore(self.annex, self.journal, paths, config, self.hook_env, version, use.warn)


def _transfers(annex: AnnexDir) -> Transfers:
    from annexshell.store.transfers import Transfers

    return Transfers(annex.layout, annex.locks, annex.perms)


def _annex_dir(paths: GitPaths, config: Config, git: Git, version: ConfigVersion) -> AnnexDir:
    crippled = config.flag("annex.crippledfilesystem", False)
    perms = Perms(config.get("core.sharedrepository"), crippled, not version.is_10())
    locks = _file_locks(paths, config, git, perms)
    durability = Durability(is_durable(config.get("core.fsync")), config.get("core.fsyncmethod"))
    scratch = Scratch(paths.annex_dir, locks, perms, durability)
    return AnnexDir(_layout(paths.annex_dir, config, crippled), perms, locks, durability, scratch)


def _file_locks(paths: GitPaths, config: Config, git: Git, perms: Perms) -> FileLocks:
    """With annex.pidlock the file system is one where locks on files don't work."""
    if not config.flag("annex.pidlock", False):
        return FileLocks(perms.new_file if perms.is_shared else None)
    from annexshell.disk.pidlock import DEFAULT_TIMEOUT, PidLocks

    timeout = config.number("annex.pidlocktimeout", DEFAULT_TIMEOUT)
    return PidLocks(paths.annex_dir, paths.work_tree, timeout, git.env, perms.new_file)


def _journal(annex: AnnexDir, config: Config, git: Git) -> Journal:
    private, now = _private(config), _now(git.env)
    return Journal(annex.path, git, annex.locks, annex.perms, annex.scratch, annex.durability, private, now)


def _private(config: Config) -> set[bytes]:
    """The repositories whose facts must never be published (annex.private)."""
    private = {config.get("annex.uuid") or b""} if config.flag("annex.private", False) else set()
    for name in config.names("remote."):
        if name.endswith(".annex-private") and config.flag(name, False):
            remote = name[: -len("annex-private")]
            private.add(config.get(remote + "annex-config-uuid") or config.get(remote + "annex-uuid") or b"")
    return private - {b""}


def _hook_env(locks: FileLocks, config: Config, git: Git) -> Callable[[], Environment]:
    """A hook may run git-annex, which must not wait for what we hold."""
    bare = config.flag("core.bare", False)
    return lambda: for_hooks({**git.env, **locks.child_environment()}, bare)


def _layout(annex_dir: bytes, config: Config, crippled: bool) -> Layout:
    return Layout(
        annex_dir,
        bare=config.flag("core.bare", False),
        crippled=crippled,
        symlinks=config.flag("core.symlinks", True),
        object_levels=1 if config.flag("annex.tune.objecthash1", False) else 2,
        lower_only=config.flag("annex.tune.objecthashlower", False),
        branch_levels=1 if config.flag("annex.tune.branchhash1", False) else 2,
    )


class ConfigVersion:
    """annex.version, which an upgrade may change while we run."""

    def __init__(self, config: CurrentConfig) -> None:
        self._config = config
        self._version = config.last.number("annex.version", 0)

    def is_10(self) -> bool:
        return self._version >= 10

    def refresh(self) -> None:
        self._version = self._config.now().number("annex.version", 0)


def _now(env: Environment) -> Callable[[], int]:
    """The clock of facts; GIT_ANNEX_VECTOR_CLOCK stands in for it, as upstream (Annex/VectorClock.hs)."""
    fixed = env.get(b"GIT_ANNEX_VECTOR_CLOCK", b"")
    return (lambda: int(fixed)) if fixed.isdigit() and len(fixed) < 19 else (lambda: int(time.time()))
