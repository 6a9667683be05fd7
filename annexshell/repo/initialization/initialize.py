"""Making a git repository a git-annex repository, without git-annex (upstream: Annex/Init.hs).

It leaves what the original's init leaves, so that either program can go on from there: git config, hooks, the sentinal
file that tells whether inode numbers can be trusted, the git-annex branch, and a description in the journal.
"""

from __future__ import annotations

import os
from uuid import uuid4

from annexshell.annexlog.branch import BRANCH, Branch, sibling_refs
from annexshell.annexlog.facts import Facts
from annexshell.annexlog.logs import GROUPS, PREFERRED, REQUIRED, TRUST, MapLog, UuidLog
from annexshell.disk.files import read_file
from annexshell.disk.perms import make_directories
from annexshell.disk.spawn import run
from annexshell.errors import ChildFailed, Refused
from annexshell.git.config import read_config, set_config
from annexshell.git.paths import own_home
from annexshell.git.program import for_hooks, trusts
from annexshell.policy.preferred import explain_failure
from annexshell.repo.initialization.identity import ensure_identity, user_name
from annexshell.repo.initialization.probing import probe
from annexshell.repo.initialization.smudging import set_up
from annexshell.repo.local.parts import Parts, Use

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from annexshell.disk.perms import Perms
    from annexshell.disk.spawn import Environment
    from annexshell.git.config import Config
    from annexshell.git.paths import GitPaths
    from annexshell.git.program import Git

_VERSION = b"10"
_UNTRUSTED = b"0"  # Logs/Trust/Pure.hs
_FAN_OUT = 2  # hexadecimal digits in the names of git's directories of objects
_PATIENCE = 60.0  # seconds to wait for another session that initialises the same repository
_TUNINGS = {
    b"ObjectHashLower": "annex.tune.objecthashlower",
    b"OneLevelObjectHash": "annex.tune.objecthash1",
    b"OneLevelBranchHash": "annex.tune.branchhash1",
}


def initialize(
    paths: GitPaths, git: Git, config: Config, description: bytes | None, warn: Callable[[str], None]
) -> Parts:
    """Initialises the repository and returns it for use. Raises Refused, ChildFailed, OSError.

    A git-annex branch that has been pushed is built upon, and its tunings are adopted. A repository that has a uuid
    keeps it, and its version and tunings. Without a `description`, one is made up unless the repository has one.
    """
    _check_allowed(paths, git, config)
    ensure_identity(git, config)
    uuid = config.get("annex.uuid") or str(uuid4()).encode()
    is_new = config.get("annex.version") is None
    borrows = _borrows_all(paths)
    siblings = sibling_refs(git)
    branch = Branch(git, paths.common_dir)
    start = _start_branch(git, branch, siblings)
    tunings = _tunings(config, branch, start, uuid, warn) if is_new else set()
    settings = {"annex.uuid": os.fsdecode(uuid), "annex.version": os.fsdecode(config.get("annex.version") or _VERSION)}
    settings |= {_TUNINGS[tuning]: "true" for tuning in tunings}
    settings |= probe(paths, config, warn)
    if borrows:
        warn("the repository was cloned with --shared: annex.hardlink is set, and it is not trusted")
        settings["annex.hardlink"] = "true"
    if _wants_secure_hashes(branch.read(b"config.log", start)):
        settings["annex.securehashesonly"] = "true"
    for name, value in settings.items():
        if config.get(name) != os.fsencode(value):
            set_config(git, name, os.fsencode(value))
    set_up(paths, git, config, warn)

    parts = Parts(paths, read_config(git), git, Use(warn))
    make_directories(paths.annex_dir + b"/journal", paths.common_dir, parts.annex.perms)
    _write_sentinal(paths.annex_dir, parts.annex.perms)
    _note_description(parts, description)
    if tunings:
        _note(parts, b"difference.log", b"fromList [%b]" % b",".join(sorted(tunings)))
    if is_new:
        _note_wishes(parts)
    if borrows:
        _note(parts, TRUST, _UNTRUSTED)
    return parts


def initialize_once(paths: GitPaths, git: Git, config: Config, warn: Callable[[str], None]) -> bytes:
    """Initialises a repository without a uuid, and returns the new one. If several clients come at the same time, one
    of them does it and the others get the same uuid. Raises what `initialize` raises, and LockTimeout."""
    path = paths.common_dir + b"/annexshell-init.lck"
    try:
        lock = Parts(paths, config, git, Use(warn)).annex.locks.exclusive(path, _PATIENCE)
    except OSError:  # locks do not work here; the probe will find that out
        return initialize(paths, git, config, None, warn).uuid
    with lock:
        try:
            config = read_config(git)
            return config.get("annex.uuid") or initialize(paths, git, config, None, warn).uuid
        finally:
            os.unlink(path)


def has_sibling(git: Git) -> bool:
    """Whether the repository has a git-annex branch under any name, so that git-annex is used with it."""
    return bool(sibling_refs(git))


def _check_allowed(paths: GitPaths, git: Git, config: Config) -> None:
    directory = paths.work_tree or paths.git_dir
    if not trusts(directory, git.env):
        raise Refused("git refuses to operate on the repository, probably because somebody else owns it")
    if paths.work_tree is not None and os.path.exists(paths.work_tree + b"/.noannex"):
        raise Refused("initialization prevented by the .noannex file")
    hook = paths.hooks_dir + b"/pre-init-annex"
    command = config.get("annex.pre-init-command")
    argv: list[bytes | str] = [hook] if os.access(hook, os.X_OK) else ["sh", "-c", command] if command else []
    if argv and run(argv, for_hooks(git.env, config.flag("core.bare", False)), directory) != 0:
        raise Refused("initialization prevented by the pre-init hook")


def _start_branch(git: Git, branch: Branch, siblings: list[tuple[bytes, bytes]]) -> bytes:
    """Returns the tip of the branch. If there is none, it is made from one that was pushed or fetched, or else
    empty."""
    tip = branch.tip()
    if tip is not None:
        return tip
    if siblings:
        start = siblings[0][0]
    else:
        git.committer()  # makes one up if need be
        tree = git.output("hash-object", "-t", "tree", "-w", "/dev/null").strip()
        start = git.output("commit-tree", tree, "-m", "branch created", "--no-gpg-sign").strip()
    if git.succeeds("update-ref", BRANCH, start, b"0" * len(start)):
        return start
    tip = branch.tip()
    if tip is None:
        raise ChildFailed("the git-annex branch could not be created")
    return tip


def _borrows_all(paths: GitPaths) -> bool:
    """Whether the repository is a fresh clone with --shared: one without objects of its own (Git/Objects.hs)."""
    objects = paths.common_dir + b"/objects"
    if not (read_file(objects + b"/info/alternates") or b"").strip():
        return False
    packs = any(name.endswith(b".pack") for name in os.listdir(objects + b"/pack"))
    return not packs and not any(
        len(name) == _FAN_OUT and os.listdir(objects + b"/" + name) for name in os.listdir(objects)
    )


def _tunings(config: Config, branch: Branch, start: bytes, uuid: bytes, warn: Callable[[str], None]) -> set[bytes]:
    """The tunings of a new repository: those of the others or, if it is the first one, the configured ones
    (Annex/Difference.hs)."""
    theirs = _adopted(branch.read(b"difference.log", start))
    wanted = theirs | {tuning for tuning, setting in _TUNINGS.items() if config.flag(setting, False)}
    if wanted == theirs:
        return theirs
    if theirs or any(other != uuid for other, _ in UuidLog(branch.read(b"uuid.log", start)).items()):
        warn("other clones of this repository do not have the tunable parameters that are configured here")
        return theirs
    return wanted


def _adopted(difference_log: bytes) -> set[bytes]:
    """The tunings of the other repositories, which all repositories have to share (Types/Difference.hs)."""
    found = set()
    for line in difference_log.splitlines():
        inside = line.partition(b"[")[2].partition(b"]")[0]
        found |= {word for word in inside.replace(b" ", b"").split(b",") if word in _TUNINGS}
    return found


def _wants_secure_hashes(config_log: bytes) -> bool:
    """Whether the shared configuration has annex.securehashesonly, the one setting that init copies (Annex/Init.hs)."""
    value = MapLog(config_log).get(b"annex.securehashesonly") or b""
    return value.strip().lower() in (b"true", b"1", b"yes", b"on")


def _write_sentinal(annex_dir: bytes, perms: Perms) -> None:
    """Writes the sentinal file. As long as its inode stays the same, remembered inode numbers can be trusted
    (Annex/InodeSentinal.hs)."""
    path = annex_dir + b"/sentinal"
    if os.path.exists(path) or os.path.exists(annex_dir + b"/objects"):
        return  # inode numbers may have been remembered already
    with open(path, "wb") as file:
        info = os.fstat(file.fileno())
    seconds, fraction = divmod(info.st_mtime_ns, 1_000_000_000)
    with open(path + b".cache", "wb") as file:
        file.write(b"%d %d %d %d" % (info.st_ino, info.st_size, seconds, fraction))
    for written in (path, path + b".cache"):
        perms.new_file(written)


def _note(parts: Parts, path: bytes, value: bytes) -> None:
    """Sets a value of the repository in a log, unless the log has it already."""

    def noted(text: bytes) -> bytes:
        log = UuidLog(text)
        if log.get(parts.uuid) == value:
            return text
        log.set(parts.uuid, value, parts.journal.now())
        return log.text()

    parts.journal.change(path, parts.uuid, noted)


def _note_description(parts: Parts, description: bytes | None) -> None:
    if description is None and Facts(parts.git, parts.journal).descriptions().get(parts.uuid) is None:
        description = _made_up_description(parts.paths, parts.git.env)
    if description is not None:
        _note(parts, b"uuid.log", description.replace(b"\n", b"\\n"))


def _note_wishes(parts: Parts) -> None:
    """Records what the git config says that new repositories want and require, and their groups (Annex/Init.hs). An
    expression that can't be understood is recorded too, as in the original, with a warning."""
    for setting, log in (("annex.initwanted", PREFERRED), ("annex.initrequired", REQUIRED)):
        expression = parts.config.text(setting)
        if expression is None:
            continue
        failure = explain_failure(os.fsdecode(expression))
        if failure is not None:
            parts.use.warn(f"{setting} can't be understood: {failure}")
        _note(parts, log, b" ".join(expression.splitlines()))
    groups = set((parts.config.text("annex.initgroups") or b"").split())
    if groups:
        groups |= set((UuidLog(parts.journal.read(GROUPS)).get(parts.uuid) or b"").split())
        _note(parts, GROUPS, b" ".join(sorted(groups)))


def _made_up_description(paths: GitPaths, env: Environment) -> bytes:
    """`user@host:path`, as the original describes a repository (Annex/Init.hs)."""
    path = paths.work_tree or paths.git_dir
    home = own_home(env.get(b"HOME")).rstrip(b"/") + b"/"
    if (path + b"/").startswith(home):
        path = b"~/" + path[len(home) :]
    return b"%b@%b:%b" % (user_name(env), os.fsencode(os.uname().nodename), path)
