"""What a local repository is put together from, as its git config says.

Parts that only some sessions need are made when they are asked for: their modules need not be loaded before.
"""

from __future__ import annotations

import os
import time

from annexshell.annexlog.gitconfig import read_config
from annexshell.annexlog.journal import Journal
from annexshell.annexlog.lines import PRESENT, PresenceLog
from annexshell.disk.durable import Durability, is_durable
from annexshell.disk.filelock import FileLocks
from annexshell.disk.perms import Perms
from annexshell.disk.scratch import Scratch
from annexshell.errors import BadKey
from annexshell.model.key import parse_key
from annexshell.store.layout import Layout
from annexshell.store.objects import Objects
from annexshell.store.transfers import Transfers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.annexlog.git import Git
    from annexshell.annexlog.gitconfig import Config
    from annexshell.annexlog.gitdir import GitPaths
    from annexshell.disk.spawn import Environment
    from annexshell.model.key import Key
    from annexshell.store.ingest import Ingest
    from annexshell.store.locks import ContentLocks
    from annexshell.store.protection import Protection
    from annexshell.store.removal import Removal
    from annexshell.store.space import Space

_RESERVE = 100_000_000  # bytes (Types/GitConfig.hs)


class Parts:
    """The parts of one repository. `warn` is told, in a sentence, of what went wrong without failing an operation."""

    def __init__(self, paths: GitPaths, config: Config, git: Git, warn: Callable[[str], None]) -> None:
        self.paths = paths
        self.config = config
        self.git = git
        self.warn = warn
        self.uuid = config.get("annex.uuid") or b""
        self.version = ConfigVersion(paths, config, git)
        crippled = config.flag("annex.crippledfilesystem", False)
        self.bare = config.flag("core.bare", False)
        annex_dir = paths.annex_dir
        self.layout = Layout(
            annex_dir,
            bare=self.bare,
            crippled=crippled,
            symlinks=config.flag("core.symlinks", True),
            object_levels=1 if config.flag("annex.tune.objecthash1", False) else 2,
            lower_only=config.flag("annex.tune.objecthashlower", False),
            branch_levels=1 if config.flag("annex.tune.branchhash1", False) else 2,
        )
        self.perms = Perms(config.get("core.sharedrepository"), crippled, not self.version.is_10())
        self.locks = FileLocks(self.perms.new_file)
        self.durability = Durability(is_durable(config.get("core.fsync")), config.get("core.fsyncmethod"))
        self.scratch = Scratch(annex_dir, self.locks, self.perms, self.durability)
        self.transfers = Transfers(self.layout, self.locks, self.perms)
        self.objects = Objects(self.layout)
        self.journal = Journal(
            annex_dir, git, self.locks, self.perms, self.scratch, self.durability, self._private(), _now(git.env)
        )
        self.secure_only = config.flag("annex.securehashesonly", False)
        self._protection: Protection | None = None
        self._content_locks: ContentLocks | None = None

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

    def protection(self) -> Protection:
        if self._protection is None:
            from annexshell.store.protection import ContentHooks, Protection

            commands = {
                "freezecontent": self.config.get("annex.freezecontent-command"),
                "thawcontent": self.config.get("annex.thawcontent-command"),
                "secure-erase": self.config.get("annex.secure-erase-command"),
            }
            hooks = ContentHooks(self.paths.hooks_dir, self.directory, self.git.env, commands)
            self._protection = Protection(self.perms, hooks)
        return self._protection

    @property
    def directory(self) -> bytes:
        """Where the owner's hooks run."""
        return self.paths.work_tree or self.paths.git_dir

    def content_locks(self) -> ContentLocks:
        if self._content_locks is None:
            from annexshell.store.locks import ContentLocks
            from annexshell.store.retention import Retention

            retention = Retention(self.locks, self.protection(), self.scratch, self.durability)
            self._content_locks = ContentLocks(self.layout, self.locks, self.protection(), retention, self.version)
        return self._content_locks

    def ingest(self, record: Callable[[Key], None]) -> Ingest:
        from annexshell.store.ingest import Ingest

        return Ingest(
            self.layout,
            self.objects,
            self.content_locks(),
            self.protection(),
            self.perms,
            self.durability,
            self.config.flag("annex.verify", True),
            self.equivalents,
            record,
            self._stored,
        )

    def removal(self, record: Callable[[Key], None]) -> Removal:
        from annexshell.store.removal import Removal

        trashbin = self.config.get("annex.trashbin")
        trash = None
        if trashbin:
            from annexshell.repo.trash import Trashbin

            trash = Trashbin(self, os.fsdecode(trashbin)).keep
        return Removal(self.objects, self.content_locks(), self.protection(), trash, record, self._removed)

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

    def _stored(self, key: Key, path: bytes) -> None:
        pass

    def _removed(self, key: Key) -> None:
        pass

    @property
    def space(self) -> Space:
        from annexshell.store.space import Space

        return Space(self.layout, self.config.size("annex.diskreserve", _RESERVE))

    def is_secure(self, key: Key) -> bool:
        """Whether annex.securehashesonly lets the key in: its hash must be secure, and be one that we can check."""
        from annexshell.store.verify import hasher_for, is_secure

        equivalents = self.equivalents(key)
        return is_secure(key, equivalents) and (key.variety == b"VURL" or hasher_for(key) is not None)

    def close(self, changed: bool) -> None:
        """Commits what is in the journal, runs the annex-content hook if contents changed, and ends our children."""
        try:
            if self.uuid and self.config.flag("annex.alwayscommit", True):
                self._commit()
        finally:
            self.git.close()
        if changed:
            self._run_hook("annex-content")

    def _commit(self) -> None:
        if not self.journal.names():
            return
        from annexshell.annexlog.commit import Committer

        options = []
        if self.durability.is_on:
            options += ["-c", "core.fsync=committed,reference"]
            if self.config.get("core.fsyncmethod") is None:
                options += ["-c", "core.fsyncMethod=batch"]
        Committer(self.git, self.journal, self._commit_message(), options).commit()
        self._run_hook("post-update-annex", "annex.post-update-command")

    def _commit_message(self) -> bytes:
        message = self.config.get("annex.commitmessage") or b"update"
        argv = self._hook("commitmessage-annex", "annex.commitmessage-command")
        if argv:
            from annexshell.disk.spawn import output

            code, text = output(argv, self.git.env, directory=self.directory)
            if code == 0 and text.strip():
                return text
            self.warn(f"the commitmessage hook failed with exit code {code}")
        return message

    def _hook(self, file_name: str, setting: str) -> list[bytes | str]:
        """The command of a hook: the executable file, or what is configured, or nothing."""
        path = os.path.join(self.paths.hooks_dir, file_name.encode())
        if os.access(path, os.X_OK):
            return [path]
        command = self.config.get(setting)
        return ["sh", "-c", command] if command else []

    def _run_hook(self, file_name: str, setting: str = "") -> None:
        """Runs a hook, whose failure is no failure of ours."""
        argv = self._hook(file_name, setting)
        if argv:
            from annexshell.disk.spawn import run

            code = run(argv, self.git.env, self.directory)
            if code != 0:
                self.warn(f"the {file_name} hook failed with exit code {code}")


class ConfigVersion:
    """annex.version, read again when the git config has changed: an upgrade may happen while we run."""

    def __init__(self, paths: GitPaths, config: Config, git: Git) -> None:
        self._path = paths.common_dir + b"/config"
        self._git = git
        self._seen = self._identity()
        self._version = config.number("annex.version", 0)

    def is_10(self) -> bool:
        return self._version >= 10

    def refresh(self) -> None:
        seen = self._identity()
        if seen != self._seen:
            self._version = read_config(self._git).number("annex.version", 0)
            self._seen = seen

    def _identity(self) -> tuple[int, int, int]:
        info = os.stat(self._path)
        return (info.st_ino, info.st_size, info.st_mtime_ns)


def _now(env: Environment) -> Callable[[], int]:
    """The clock of facts; GIT_ANNEX_VECTOR_CLOCK stands in for it, as upstream (Annex/VectorClock.hs)."""
    fixed = env.get(b"GIT_ANNEX_VECTOR_CLOCK", b"")
    return (lambda: int(fixed)) if fixed.isdigit() else (lambda: int(time.time()))
