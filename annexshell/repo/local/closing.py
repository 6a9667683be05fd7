"""What a session owes the repository at its end: the commit of the journal, git's index, and the owner's hooks."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.repo.local.parts import Parts


def close(parts: Parts, changed: bool) -> None:
    """Ends the use of the repository: commits, restages and runs hooks, as is due; `changed` if contents arrived or
    left. Raises ChildFailed, OSError, LockTimeout if the journal can't be committed, or notes of what was not
    recorded not be settled: they stay for the next session then."""
    try:
        _settle(parts, changed)
    finally:
        parts.git.close()


def _settle(parts: Parts, changed: bool) -> None:
    if not (parts.uuid and os.path.exists(parts.annex.layout.unrecorded)):
        _finish(parts, changed)
        return
    from annexshell.repo.local.unrecorded import settle

    try:
        settle(parts)
    finally:  # the journal does not wait for notes that are another account's, or damaged
        _finish(parts, changed)


def _finish(parts: Parts, changed: bool) -> None:
    unlocked = parts.contents.unlocked() if changed and parts.contents.unlocked.is_made else None
    if unlocked is not None:
        unlocked.restage(os.fsdecode(parts.config.get("extensions.objectformat") or b"sha1"))
    try:
        if _commits(parts) and parts.journal.names():
            _commit(parts)
            _run_hook(parts, "post-update-annex", "annex.post-update-command")
    finally:
        if parts.contents.locks.is_made:
            _expire_claims(parts)
        if changed:
            _run_hook(parts, "annex-content")


def _expire_claims(parts: Parts) -> None:
    """Tidies up after some of the clients that died while they had objects locked: sessions that use locks do that for
    others. If it fails, a later session tries again."""
    from annexshell.repo.local.expiry import expire_claims

    try:
        expire_claims(parts)
    except OSError:
        pass


def _commits(parts: Parts) -> bool:
    return bool(parts.uuid) and parts.use.may_commit() and parts.config.flag("annex.alwayscommit", True)


def _commit(parts: Parts) -> None:
    from annexshell.annexlog.commit import Committer

    options = []
    if parts.annex.durability.is_on:
        options += ["-c", "core.fsync=committed,reference"]
        if parts.config.get("core.fsyncmethod") is None:
            options += ["-c", "core.fsyncMethod=batch"]
    Committer(parts.git, parts.journal, _message(parts), parts.use.tell, options).commit()


def _message(parts: Parts) -> bytes:
    message = parts.config.get("annex.commitmessage") or b"update"
    argv = _hook(parts, "commitmessage-annex", "annex.commitmessage-command")
    if argv:
        from annexshell.disk.spawn import output

        code, text = output(argv, parts.hook_env(), directory=parts.paths.top)
        if code == 0 and text.strip():
            return text
        parts.use.warn(f"the commitmessage hook failed with exit code {code}")
    return message


def _hook(parts: Parts, file_name: str, setting: str) -> list[bytes | str]:
    """The command of a hook: the executable file, or what is configured, or nothing."""
    path = os.path.join(parts.paths.hooks_dir, file_name.encode())
    if os.access(path, os.X_OK):
        return [path]
    command = parts.config.get(setting)
    return ["sh", "-c", command] if command else []


def _run_hook(parts: Parts, file_name: str, setting: str = "") -> None:
    """Runs a hook, whose failure is no failure of ours."""
    argv = _hook(parts, file_name, setting)
    if argv:
        from annexshell.disk.spawn import run

        code = run(argv, parts.hook_env(), parts.paths.top)
        if code != 0:
            parts.use.warn(f"the {file_name} hook failed with exit code {code}")
