"""Unlocked files: what storing and removing an object means for the work tree.

An unlocked file is a copy of the object, or, when that isn't here, a pointer file. Upstream: Annex/Content.hs
(moveAnnex, removeAnnex), Annex/Content/PointerFile.hs, Annex/Content/Presence/LowLevel.hs. In a repository with
annex.thin the file may be the object itself, by a hard link.

The object is the truth: no difficulty here makes a store or a removal fail, and git-annex puts right what we leave
undone (`git annex fsck`). But the user may be editing any of these files. One is replaced only while it is a pointer to
the key, or has certainly still the key's content; this is looked at again right before the rename. What is written by
another process between that look and the rename, some microseconds later, is lost, and so is what is written later
through a descriptor that was opened before.
"""

from __future__ import annotations

import os
import time

from annexshell.errors import AnnexshellError, DiskError, disk_error
from annexshell.model.key import parse_key
from annexshell.store.worktree.files import (
    FilePlace,
    WorkTreeScratch,
    copy_content,
    parse_pointer,
    pointer_text,
    set_executable,
    set_mtime,
    try_link,
    write_like,
)
from annexshell.store.worktree.keysdb import InodeCache, KeysDb, inode_cache_at, inode_cache_of, inodes_changed
from annexshell.store.worktree.restage import RestageLog, parse_restage_line, refresh_index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.model.key import Key
    from annexshell.store.layout import AnnexDir
    from annexshell.store.protection import Protection

    Matches = Callable[[bytes], bool]  # whether the file at a path has the key's content: reads all of it

_UNKNOWN_HEAD = b"ref: refs/heads/.invalid"
_PATIENCE = 10.0  # seconds; these locks are held for one write

# A file that gets its content is made to look a little older. Else git, which sees that it may be younger than the
# index, would compare its content each time; and an edit within the same tick of the clock would leave no trace.
_AGE = 2_000_000_000  # nanoseconds


class Unlocked:
    """The unlocked files of one repository with a work tree.

    `db_dir` is AD, unless annex.dbdir moves the databases; `git_dir` is the work tree's own. `check_space` is given a
    size in bytes and raises DiskFull. `warn` is given a sentence for the user.
    """

    def __init__(
        self,
        annex: AnnexDir,
        db_dir: bytes,
        git_dir: bytes,
        work_tree: bytes,
        protection: Protection,
        thin: bool,
        check_space: Callable[[int], None],
        warn: Callable[[str], None],
    ) -> None:
        self._annex_dir = annex.path
        self._git_dir = git_dir
        self._top = work_tree
        self._locks = annex.locks
        self._perms = annex.perms
        self._protection = protection
        self._thin = thin
        self._check_space = check_space
        self._warn = warn
        self._erase = protection.eraser()
        self._db = KeysDb(db_dir, annex.locks)
        self._log = RestageLog(annex.path, annex.locks, annex.perms)

    def has_files(self, key: Key) -> bool:
        """Whether there are unlocked files of the key, as far as git-annex knows. Raises DiskError, LockTimeout,
        OSError."""
        return self._db.exists() and bool(self._db.files(key)[0])

    def populate(self, key: Key, object_path: bytes) -> None:
        """Gives the key's pointer files their content. To be called when the object is in its place and frozen, and
        before its directory is; with annex.thin the object may become writable."""
        if self._db.exists():
            self._attempt("giving unlocked files their content", lambda: self._populate(key, object_path))
            self._attempt("noting that the adjusted branch is out of date", self._note_adjustment)

    def _populate(self, key: Key, object_path: bytes) -> None:
        files, caches = self._db.files(key)
        pointers = [file for file in files if self._points_to(file, key)]
        if not pointers and not caches and not (files and self._thin):
            return
        try:
            with WorkTreeScratch(self._annex_dir, self._locks, self._perms) as scratch:
                copies = self._copies(scratch, object_path, pointers)
                known = [inode_cache_at(object_path), *(copy.cache for copy in copies)]
                # Once a file has its content, git may ask git-annex at any moment what it is.
                self._db.add(key, [cache for cache in known if cache is not None])
                placed = [copy for copy in copies if self._put(copy, key)]
        finally:
            if pointers and self._thin and os.stat(object_path).st_nlink == 1:
                self._protection.freeze_object(object_path)  # no file became a link to it after all
        self._log.add([(copy.file, copy.cache) for copy in placed])

    def _points_to(self, file: bytes, key: Key) -> bool:
        try:
            with FilePlace(self._top, file) as place:
                return place.points_to(key)
        except OSError:
            return False

    def _copies(self, scratch: WorkTreeScratch, object_path: bytes, pointers: list[bytes]) -> list[_Copy]:
        """A copy of the object for each pointer, up to the first failure: the others would fail too."""
        copies = []
        for file in pointers:
            try:
                copies.append(self._copy(scratch, object_path, file))
            except (OSError, AnnexshellError) as error:
                self._report(error, f"giving {os.fsdecode(file)} its content")
                break
        return copies

    def _copy(self, scratch: WorkTreeScratch, object_path: bytes, file: bytes) -> _Copy:
        with FilePlace(self._top, file) as place:
            executable = bool(place.status().st_mode & 0o111)
        source = os.stat(object_path)
        temp = scratch.name()
        if not (self._thin and source.st_nlink == 1 and try_link(object_path, temp)):
            self._check_space(source.st_size)
            copy_content(object_path, temp)
        self._protection.thaw_object(temp)
        self._perms.new_file(temp)
        set_executable(temp, executable)
        set_mtime(temp, min(source.st_mtime_ns, time.time_ns() - _AGE))
        cache = inode_cache_at(temp)
        if cache is None or cache.size != source.st_size:
            raise DiskError("the copy of the object is not complete")
        return _Copy(file, temp, cache)

    def _put(self, copy: _Copy, key: Key) -> bool:
        try:
            with FilePlace(self._top, copy.file) as place:
                if place.points_to(key):
                    place.replace_by(copy.temp)
                    return True
        except OSError as error:
            self._report(error, f"giving {os.fsdecode(copy.file)} its content")
        return False

    def depopulate(self, key: Key, matches: Matches) -> None:
        """Makes pointer files of the key's unlocked files again, but for those that were modified. To be called when
        the object is deleted and its lock still held."""
        if self._db.exists():
            self._attempt("taking removed content from unlocked files", lambda: self._depopulate(key, matches))
            self._attempt("noting that the adjusted branch is out of date", self._note_adjustment)

    def _depopulate(self, key: Key, matches: Matches) -> None:
        files, caches = self._db.files(key)
        emptied: list[tuple[bytes, InodeCache]] = []
        for file in files:
            try:
                cache = self._empty(key, file, caches, matches)
            except (OSError, AnnexshellError) as error:
                self._report(error, f"taking removed content from {os.fsdecode(file)}")
            else:
                emptied += [] if cache is None else [(file, cache)]
        if caches:
            self._db.forget(key)
        self._log.add(emptied)

    def _empty(self, key: Key, file: bytes, caches: list[InodeCache], matches: Matches) -> InodeCache | None:
        """Makes a pointer file of a file, and returns what it is then; None if it is left alone."""
        status = self._unmodified(key, file, caches, matches)
        if status is None:
            return None
        erase = self._erase
        with WorkTreeScratch(self._annex_dir, self._locks, self._perms) as scratch, FilePlace(self._top, file) as place:
            pointer, old = scratch.name(), scratch.name()
            write_like(pointer, pointer_text(key), status)
            cache = inode_cache_at(pointer)
            if erase is not None:
                place.link_to(old)
            if inode_cache_of(place.status()) != inode_cache_of(status):
                return None
            place.replace_by(pointer)
            if erase is not None:
                self._attempt(f"erasing removed content of {os.fsdecode(file)}", lambda: erase(old))
        return cache

    def _unmodified(self, key: Key, file: bytes, caches: list[InodeCache], matches: Matches) -> os.stat_result | None:
        """The status of a file that has the content of the key. No weaker evidence is enough than the very inode, size
        and mtime, or else the whole content: a wrong answer would destroy what the user wrote."""
        try:
            place = FilePlace(self._top, file)
        except OSError:
            return None
        with place:
            try:
                status = place.status()
            except FileNotFoundError:
                return None
            cache = inode_cache_of(status)
            if cache is None or place.points_to(key):
                return None
            if cache in caches or (key.size in (None, cache.size) and matches(b"%b/%b" % (self._top, file))):
                return status
            if self._thin and not status.st_mode & 0o200:  # it was the object, and may have been frozen as such
                place.make_writable()
            return None

    def is_unmodified(self, key: Key, object_path: bytes, matches: Matches) -> bool:
        """Whether the object still is the content of the key, which with annex.thin may have been edited. No object is
        no content. Reads all of it if it isn't known, and remembers when it was right."""
        cache = inode_cache_at(object_path)
        if cache is None:
            return False
        known: list[InodeCache] = []
        exists = self._db.exists()
        if exists:
            self._attempt("looking for what is known of an object", lambda: known.extend(self._db.files(key)[1]))
        if cache in known or (any(map(cache.resembles, known)) and inodes_changed(self._annex_dir)):
            return True
        if not matches(object_path) or cache != inode_cache_at(object_path):
            return False
        if exists:
            self._attempt("noting that an object is unmodified", lambda: self._db.add(key, [cache]))
        return True

    def restage(self, hash_name: str = "sha1") -> None:
        """Lets `git status` find those files unmodified whose content came or went. To be called at a session's end.

        `hash_name` is the repository's extensions.objectFormat. What can't be done now, because somebody uses the index
        or something is not certain, stays in the log for another session or for git-annex.
        """
        self._attempt("bringing the git index up to date", lambda: self._restage(hash_name))

    def are_known(self) -> bool:
        """Whether git-annex has noted which unlocked files there are."""
        return self._db.exists()

    def settle(self, files: list[bytes], hash_name: str = "sha1") -> None:
        """Lets git find those of these files unmodified, without its asking git-annex, that are what git-annex noted
        of them."""
        entries = {}
        for file in files:
            status = self._status(file)
            cache = None if status is None else inode_cache_of(status)
            if status is not None and cache is not None:
                entries[file] = (file, cache, status)
        if entries:
            self._attempt("bringing the git index up to date", lambda: self._refresh(entries, hash_name))

    def _restage(self, hash_name: str) -> None:
        changed, unchanged = [], {}
        for line in self._log.lines():
            entry = parse_restage_line(line)
            status = None if entry is None else self._status(entry[0])
            if entry is None or status is None or inode_cache_of(status) != entry[1]:
                changed.append(line)  # somebody else's business now
            else:
                unchanged[line] = (entry[0], entry[1], status)
        self._log.remove(changed + (self._refresh(unchanged, hash_name) if unchanged else []))

    def _refresh(self, entries: dict[bytes, tuple[bytes, InodeCache, os.stat_result]], hash_name: str) -> list[bytes]:
        """Refreshes files in the index; returns the lines of the log that are done with."""
        keys = self._db.keys(cache for _, cache, _ in entries.values()) if self._db.exists() else {}
        done, wanted = [], {}
        for line, (file, cache, status) in entries.items():
            pointers = [pointer_text(parse_key(key)) for key in keys.get(cache, ())] or self._pointer(file)
            if pointers:
                done.append(line)
                wanted[file] = (status, pointers)

        def unchanged() -> bool:
            return all(_same(self._status(file), status) for file, (status, _) in wanted.items())

        if not wanted or not refresh_index(self._git_dir + b"/index", wanted, hash_name, unchanged):
            return []
        return done

    def _status(self, file: bytes) -> os.stat_result | None:
        try:
            with FilePlace(self._top, file) as place:
                return place.status()
        except OSError:
            return None

    def _pointer(self, file: bytes) -> list[bytes]:
        try:
            with FilePlace(self._top, file) as place:
                data = place.pointer()
        except OSError:
            return []
        return [] if data is None or parse_pointer(data) is None else [data]

    def _note_adjustment(self) -> None:
        """Where the branch that is checked out depends on which contents are here, notes that it has to be updated
        (Logs/AdjustedBranchUpdate.hs); a user's git-annex does it then."""
        with open(self._git_dir + b"/HEAD", "rb") as file:
            if not depends_on_contents(file.read(4096)):
                return
        path = self._annex_dir + b"/adjust.log"
        with self._locks.exclusive(self._annex_dir + b"/adjust.lck", _PATIENCE):
            with open(path, "wb") as file:
                file.write(b"%d.%09ds 1\n" % divmod(time.time_ns(), 1_000_000_000))
            self._perms.new_file(path)

    def _attempt(self, doing: str, action: Callable[[], object]) -> None:
        try:
            action()
        except (OSError, AnnexshellError) as error:
            self._report(error, doing)

    def _report(self, error: OSError | AnnexshellError, doing: str) -> None:
        self._warn(str(disk_error(error, doing)) if isinstance(error, OSError) else f"{error} while {doing}")


def _same(now: os.stat_result | None, then: os.stat_result) -> bool:
    return now is not None and inode_cache_of(now) == inode_cache_of(then)


class _Copy:
    """What is to take the place of a pointer file."""

    __slots__ = ("file", "temp", "cache")

    def __init__(self, file: bytes, temp: bytes, cache: InodeCache) -> None:
        self.file = file
        self.temp = temp
        self.cache = cache


def depends_on_contents(head: bytes) -> bool:
    """Whether the content of a HEAD file names an adjusted branch that hides files whose content is not here, or
    unlocks those whose content is (Annex/AdjustedBranch/Name.hs). Perhaps, where git keeps HEAD in a reftable."""
    if head.startswith(_UNKNOWN_HEAD):
        return True
    if not head.startswith(b"ref: refs/heads/adjusted/"):
        return False
    adjustment = head.rpartition(b"(")[2].partition(b")")[0]
    return adjustment == b"unlockpresent" or adjustment.partition(b"-")[0] == b"hidemissing"
