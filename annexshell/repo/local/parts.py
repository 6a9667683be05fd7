"""What a local repository is put together from, as its git config says.

Parts that only some sessions need are made when they are asked for: their modules need not be loaded before.
"""

from __future__ import annotations

import os
import time

from annexshell.annexlog.journal import Journal
from annexshell.annexlog.lines import PRESENT, PresenceLog
from annexshell.disk.durable import Durability, is_durable
from annexshell.disk.filelock import FileLocks
from annexshell.disk.perms import Perms
from annexshell.disk.scratch import Scratch
from annexshell.errors import BadKey, VerificationFailed
from annexshell.git.config import CurrentConfig
from annexshell.git.program import for_hooks
from annexshell.model.key import parse_key
from annexshell.store.layout import Layout
from annexshell.store.objects import Objects
from annexshell.store.transfers import Transfers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.disk.spawn import Environment
    from annexshell.git.config import Config
    from annexshell.git.paths import GitPaths
    from annexshell.git.program import Git
    from annexshell.model.key import Key
    from annexshell.store.ingest import Ingest, Record
    from annexshell.store.locks import ContentLocks
    from annexshell.store.protection import ContentHooks, Protection
    from annexshell.store.removal import Removal, Trash
    from annexshell.store.space import Space
    from annexshell.store.worktree.unlocked import Unlocked

    Tell = Callable[[str, int, int | None], None]

_RESERVE = 100_000_000  # bytes (Types/GitConfig.hs)


def always() -> bool:
    """Nothing hinders it."""
    return True


def nobody(_what: str, _done: int, _total: int | None) -> None:
    """Nobody waits to be told how far something is."""


class Parts:
    """The parts of one repository. `warn` is told, in a sentence, of what went wrong without failing an operation;
    `tell` how far something is that may take long: what it is, how much is done, and of how much if that is known.
    Whoever `looks_only` at what is another's writes nothing, caches included. The journal is committed at the end of
    the use unless `may_commit` says that it is left to somebody else."""

    def __init__(
        self,
        paths: GitPaths,
        config: Config,
        git: Git,
        warn: Callable[[str], None],
        tell: Tell = nobody,
        looks_only: bool = False,
        may_commit: Callable[[], bool] = always,
    ) -> None:
        self.tell = tell
        self.looks_only = looks_only
        self.may_commit = may_commit
        self.paths = paths
        self.config = config
        self.git = git
        self.warn = warn
        self.uuid = config.get("annex.uuid") or b""
        self.git_config = CurrentConfig(git, paths.common_dir, config)
        self.version = ConfigVersion(self.git_config)
        self.crippled = crippled = config.flag("annex.crippledfilesystem", False)
        self.bare = config.flag("core.bare", False)
        annex_dir = paths.annex_dir
        self.layout = _layout(annex_dir, config, self.bare, crippled)
        self.perms = Perms(config.get("core.sharedrepository"), crippled, not self.version.is_10())
        self.locks = self._file_locks()
        self.durability = Durability(is_durable(config.get("core.fsync")), config.get("core.fsyncmethod"))
        self.scratch = Scratch(annex_dir, self.locks, self.perms, self.durability)
        self.transfers = Transfers(self.layout, self.locks, self.perms)
        self.thin = config.flag("annex.thin", False) and self.work_tree is not None
        self.objects = Objects(self.layout, self._is_unmodified if self.thin else None)
        self.journal = Journal(
            annex_dir, git, self.locks, self.perms, self.scratch, self.durability, self._private(), _now(git.env)
        )
        self.secure_only = config.flag("annex.securehashesonly", False)
        self._hooks: ContentHooks | None = None
        self._protection: Protection | None = None
        self._unlocked: Unlocked | None = None
        self._content_locks: ContentLocks | None = None

    def _file_locks(self) -> FileLocks:
        """With annex.pidlock the file system is one where locks on files don't work."""
        if not self.config.flag("annex.pidlock", False):
            return FileLocks(self.perms.new_file)
        from annexshell.disk.pidlock import DEFAULT_TIMEOUT, PidLocks

        timeout = self.config.number("annex.pidlocktimeout", DEFAULT_TIMEOUT)
        return PidLocks(self.paths.annex_dir, self.paths.work_tree, timeout, self.git.env, self.perms.new_file)

    def _private(self) -> set[bytes]:
        """The repositories whose facts must never be published (annex.private)."""
        private = {self.uuid} if self.config.flag("annex.private", False) else set()
        for name in self.config.names("remote."):
            if name.endswith(".annex-private") and self.config.flag(name, False):
                remote = name[: -len("annex-private")]
                private.add(
                    self.config.get(remote + "annex-config-uuid") or self.config.get(remote + "annex-uuid") or b""
                )
        return private - {b""}

    def hooks(self) -> ContentHooks:
        if self._hooks is None:
            from annexshell.store.protection import ContentHooks

            commands = {
                "freezecontent": self.config.get("annex.freezecontent-command"),
                "thawcontent": self.config.get("annex.thawcontent-command"),
                "secure-erase": self.config.get("annex.secure-erase-command"),
            }
            self._hooks = ContentHooks(self.paths.hooks_dir, self.directory, self.hook_env, commands)
        return self._hooks

    def protection(self) -> Protection:
        if self._protection is None:
            from annexshell.store.protection import Protection

            self._protection = Protection(self.perms, self.hooks(), self.warn)
        return self._protection

    @property
    def directory(self) -> bytes:
        """Where the owner's hooks run."""
        return self.paths.work_tree or self.paths.git_dir

    def hook_env(self) -> Environment:
        """The environment of a hook that is run now. It may run git-annex, which must not wait for what we hold."""
        return for_hooks({**self.git.env, **self.locks.child_environment()}, self.bare)

    @property
    def used_locks(self) -> bool:
        """Whether anybody asked for locks on contents yet."""
        return self._content_locks is not None

    def content_locks(self) -> ContentLocks:
        if self._content_locks is None:
            from annexshell.store.claims import ClaimsFiles
            from annexshell.store.locks import ContentLocks
            from annexshell.store.retention import Retention

            files = ClaimsFiles(self.layout, self.locks, self.perms, self.durability)
            retention = Retention(self.locks, self.protection(), self.scratch, self.durability, files)
            self._content_locks = ContentLocks(self.layout, self.locks, self.protection(), retention, self.version)
        return self._content_locks

    def ingest(self, record: Record) -> Ingest:
        from annexshell.store.ingest import Ingest

        return Ingest(
            self.layout,
            self.objects,
            self.protection(),
            self.perms,
            self.durability,
            self.config.flag("annex.verify", True),
            self.equivalents,
            self._displace,
            record,
            self._stored,
        )

    def _displace(self, key: Key, path: bytes, is_bad: Callable[[], bool]) -> None:
        """Moves a bad file out of the place of an object, but not one that is also in the work tree: the user may have
        edited it, and git-annex leaves it alone, too."""
        from annexshell.store.bad import Displacement

        if os.stat(path).st_nlink > 1:
            unlocked = self.unlocked()
            if self.thin or (unlocked is not None and unlocked.has_files(key)):
                raise VerificationFailed(
                    "a modified file is in the place of the object: it has to be restored or removed"
                )
        Displacement(self.layout, self.content_locks(), self.protection(), self.perms).displace(key, path, is_bad)

    def removal(self, record: Record, trash: Trash | None) -> Removal:
        from annexshell.store.removal import Removal

        return Removal(self.objects, self.content_locks(), self.protection(), trash, record, self._removed, self.warn)

    def equivalents(self, key: Key) -> list[Key]:
        """The keys whose content a VURL key may have; of other keys none are asked for."""
        if key.variety != b"VURL":
            return []
        log = PresenceLog(self.journal.read(self.layout.equivalents_log(key)))
        keys = []
        for text in log.with_status(PRESENT):
            try:
                keys.append(parse_key(text))
            except BadKey:
                continue
        return keys

    @property
    def work_tree(self) -> bytes | None:
        """The top of the work tree, None in a bare repository."""
        return None if self.bare else self.paths.work_tree

    def unlocked(self) -> Unlocked | None:
        """The unlocked files of the work tree; None without one. annex.supportunlocked is about new ones only."""
        if self._unlocked is None and self.work_tree is not None:
            from annexshell.store.worktree.unlocked import Unlocked

            moved = self.config.get("annex.dbdir")
            hooks = self.hooks()
            self._unlocked = Unlocked(
                self.paths.annex_dir,
                b"%b/%b" % (moved, self.uuid) if moved else self.paths.annex_dir,
                self.paths.git_dir,
                self.work_tree,
                self.locks,
                self.perms,
                self.protection(),
                self.thin,
                self.space.check,
                self.warn,
                self.protection().erase if hooks.has("secure-erase") else None,
            )
        return self._unlocked

    def _stored(self, key: Key, path: bytes) -> None:
        unlocked = self.unlocked()
        if unlocked is not None:
            unlocked.populate(key, path)

    def _removed(self, key: Key) -> None:
        unlocked = self.unlocked()
        if unlocked is not None:
            unlocked.depopulate(key, lambda path: self.holds(path, key))

    def _is_unmodified(self, key: Key, path: bytes) -> bool:
        unlocked = self.unlocked()
        if unlocked is None:
            return os.path.exists(path)
        return unlocked.is_unmodified(key, path, lambda path: self.holds(path, key))

    def holds(self, path: bytes, key: Key) -> bool:
        """Whether a file has the content of the key: reads all of it."""
        from annexshell.model.hashes import hasher_for, matches
        from annexshell.relay.copy import hash_file

        hasher = hasher_for(key, self.equivalents(key))
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            return matches(key, hasher, size if hasher is None else hash_file(file.fileno(), size, hasher))

    @property
    def space(self) -> Space:
        from annexshell.store.space import Space

        return Space(self.layout, self.locks, self.config.size("annex.diskreserve", _RESERVE))

    def is_secure(self, key: Key) -> bool:
        """Whether annex.securehashesonly lets the key in: its hash must be secure, and be one that we can check."""
        from annexshell.model.hashes import hasher_for, is_secure

        equivalents = self.equivalents(key)
        return is_secure(key, equivalents) and (key.variety == b"VURL" or hasher_for(key) is not None)

    def used_unlocked(self) -> Unlocked | None:
        """The unlocked files if anybody asked for them yet."""
        return self._unlocked


def _layout(annex_dir: bytes, config: Config, bare: bool, crippled: bool) -> Layout:
    return Layout(
        annex_dir,
        bare=bare,
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
