"""The contents of the keys of a repository: objects, what is done with them, and what that means for the work tree."""

from __future__ import annotations

import os

from annexshell.annexlog.lines import PRESENT, PresenceLog
from annexshell.errors import BadKey, VerificationFailed
from annexshell.model.key import parse_key
from annexshell.repo.local.once import Once
from annexshell.store.objects import Objects

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.annexlog.journal import Journal
    from annexshell.disk.spawn import Environment
    from annexshell.git.config import Config
    from annexshell.git.paths import GitPaths
    from annexshell.model.key import Key
    from annexshell.store.ingest import Ingest, Record
    from annexshell.store.layout import AnnexDir
    from annexshell.store.locks import ContentLocks, Version
    from annexshell.store.protection import ContentHooks, Protection
    from annexshell.store.removal import Removal, Trash
    from annexshell.store.space import Space
    from annexshell.store.worktree.unlocked import Unlocked

_RESERVE = 100_000_000  # bytes (Types/GitConfig.hs)


class KeyChecks:
    """What the content of a key may be, as far as the key and the git-annex branch say."""

    def __init__(self, annex: AnnexDir, journal: Journal) -> None:
        self._layout = annex.layout
        self._journal = journal

    def equivalents(self, key: Key) -> list[Key]:
        """The keys whose content a VURL key may have; of other keys none are asked for."""
        if key.variety != b"VURL":
            return []
        log = PresenceLog(self._journal.read(self._layout.equivalents_log(key)))
        keys = []
        for text in log.with_status(PRESENT):
            try:
                keys.append(parse_key(text))
            except BadKey:
                continue
        return keys

    def holds(self, path: bytes, key: Key) -> bool:
        """Whether a file has the content of the key: reads all of it."""
        from annexshell.model.hashes import hasher_for, matches
        from annexshell.relay.copy import hash_file

        hasher = hasher_for(key, self.equivalents(key))
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            return matches(key, hasher, size if hasher is None else hash_file(file.fileno(), size, hasher))

    def is_secure(self, key: Key) -> bool:
        """Whether annex.securehashesonly lets the key in: its hash must be secure, and be one that we can check."""
        from annexshell.model.hashes import hasher_for, is_secure

        equivalents = self.equivalents(key)
        return is_secure(key, equivalents) and (key.variety == b"VURL" or hasher_for(key) is not None)


class WorkTree:
    """What storing and removing objects means for unlocked files, in a repository that may have no work tree."""

    def __init__(self, unlocked: Once[Unlocked | None], keys: KeyChecks) -> None:
        self._unlocked = unlocked
        self._keys = keys

    def stored(self, key: Key, path: bytes) -> None:
        """The object of the key is at the path now."""
        unlocked = self._unlocked()
        if unlocked is not None:
            unlocked.populate(key, path)

    def removed(self, key: Key) -> None:
        """The object of the key is gone."""
        unlocked = self._unlocked()
        if unlocked is not None:
            unlocked.depopulate(key, lambda path: self._keys.holds(path, key))

    def has_files(self, key: Key) -> bool:
        """Whether unlocked files of the key are known."""
        unlocked = self._unlocked()
        return unlocked is not None and unlocked.has_files(key)

    def is_unmodified(self, key: Key, path: bytes) -> bool:
        """Whether nobody has edited the object at the path by way of an unlocked file."""
        unlocked = self._unlocked()
        if unlocked is None:
            return os.path.exists(path)
        return unlocked.is_unmodified(key, path, lambda path: self._keys.holds(path, key))


class ContentStore:
    """Everything that holds the contents of one repository. `hook_env` gives the environment of a hook that is run
    now. `unlocked` are the unlocked files of the work tree, None without one; annex.supportunlocked is about new ones
    only."""

    def __init__(
        self,
        annex: AnnexDir,
        journal: Journal,
        paths: GitPaths,
        config: Config,
        hook_env: Callable[[], Environment],
        version: Version,
        warn: Callable[[str], None],
    ) -> None:
        self._annex = annex
        self._warn = warn
        self._verify = config.flag("annex.verify", True)
        self.secure_only = config.flag("annex.securehashesonly", False)
        self.keys = KeyChecks(annex, journal)
        self.is_thin = work_tree_of(paths, config) is not None and config.flag("annex.thin", False)
        hooks = Once(lambda: _hooks(paths, config, hook_env))
        self.protection = Once(lambda: _protection(annex, hooks(), warn))
        self.space = Once(lambda: _space(annex, config))
        self.unlocked = Once(
            lambda: _unlocked(annex, paths, config, self.is_thin, self.protection(), self.space(), warn)
        )
        self._work_tree = WorkTree(self.unlocked, self.keys)
        self.objects = Objects(annex.layout, self._work_tree.is_unmodified if self.is_thin else None)
        self.locks = Once(lambda: _locks(annex, self.protection(), version))

    def ingest(self, record: Record) -> Ingest:
        """Stores objects, and has `record` record them."""
        from annexshell.store.ingest import Ingest

        annex = self._annex
        return Ingest(
            annex,
            self.objects,
            self.protection(),
            self._verify,
            self.keys.equivalents,
            self._displace,
            record,
            self._work_tree.stored,
        )

    def _displace(self, key: Key, path: bytes, is_bad: Callable[[], bool]) -> None:
        """Moves a bad file out of the place of an object, but not one that is also in the work tree: the user may have
        edited it, and git-annex leaves it alone, too."""
        from annexshell.store.bad import Displacement

        if os.stat(path).st_nlink > 1 and (self.is_thin or self._work_tree.has_files(key)):
            raise VerificationFailed("a modified file is in the place of the object: it has to be restored or removed")
        annex = self._annex
        Displacement(annex.layout, self.locks(), self.protection(), annex.perms).displace(key, path, is_bad)

    def removal(self, record: Record, trash: Trash | None) -> Removal:
        """Removes objects, given to `trash` before, and has `record` record that."""
        from annexshell.store.removal import Removal

        return Removal(
            self.objects, self.locks(), self.protection(), trash, record, self._work_tree.removed, self._warn
        )


def work_tree_of(paths: GitPaths, config: Config) -> bytes | None:
    """The top of the work tree, None in a bare repository."""
    return None if config.flag("core.bare", False) else paths.work_tree


def _hooks(paths: GitPaths, config: Config, hook_env: Callable[[], Environment]) -> ContentHooks:
    from annexshell.store.protection import ContentHooks

    commands = {
        "freezecontent": config.get("annex.freezecontent-command"),
        "thawcontent": config.get("annex.thawcontent-command"),
        "secure-erase": config.get("annex.secure-erase-command"),
    }
    return ContentHooks(paths.hooks_dir, paths.top, hook_env, commands)


def _protection(annex: AnnexDir, hooks: ContentHooks, warn: Callable[[str], None]) -> Protection:
    from annexshell.store.protection import Protection

    return Protection(annex.perms, hooks, warn)


def _space(annex: AnnexDir, config: Config) -> Space:
    from annexshell.store.space import Space

    return Space(annex.layout, annex.locks, config.size("annex.diskreserve", _RESERVE))


def _locks(annex: AnnexDir, protection: Protection, version: Version) -> ContentLocks:
    from annexshell.store.claims import ClaimsFiles
    from annexshell.store.locks import ContentLocks
    from annexshell.store.retention import Retention

    files = ClaimsFiles(annex.layout, annex.locks, annex.perms, annex.durability)
    retention = Retention(annex.locks, protection, annex.scratch, annex.durability, files)
    return ContentLocks(annex.layout, annex.locks, protection, retention, version)


def _unlocked(
    annex: AnnexDir,
    paths: GitPaths,
    config: Config,
    thin: bool,
    protection: Protection,
    space: Space,
    warn: Callable[[str], None],
) -> Unlocked | None:
    from annexshell.store.worktree.unlocked import Unlocked

    work_tree = work_tree_of(paths, config)
    if work_tree is None:
        return None
    moved = config.get("annex.dbdir")
    return Unlocked(
        annex,
        b"%b/%b" % (moved, config.get("annex.uuid") or b"") if moved else annex.path,
        paths.git_dir,
        work_tree,
        protection,
        thin,
        space.check,
        warn,
    )
