"""What every command of git-annex-shell starts with: its parameters, and the repository that they name.

Upstream: CmdLine/GitAnnexShell.hs, CmdLine/GitAnnexShell/Checks.hs.
"""

from __future__ import annotations

import os
import sys

from annexshell.errors import AnnexshellError, BadUsage, ChildFailed, NotARepository, WrongRepository
from annexshell.git.config import read_config
from annexshell.git.paths import expand, leads_somewhere, locate, own_home
from annexshell.git.program import Git

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.git.config import Config
    from annexshell.git.paths import GitPaths
    from annexshell.repo.gateway.gateway import Gateway
    from annexshell.repo.local.parts import Parts

_FLAGS = ("--force", "--fast", "--quiet", "--verbose", "--debug", "--no-debug", "--explain")
_SHORT_FLAGS = frozenset("Fqvd")
_VALUES = ("--uuid", "--debugfilter")

# Variables that would point git to another repository than the one we serve (git rev-parse --local-env-vars).
_LOCAL_TO_A_REPOSITORY = (
    b"GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_COMMON_DIR GIT_DIR GIT_GRAFT_FILE GIT_IMPLICIT_WORK_TREE GIT_INDEX_FILE"
    b" GIT_NAMESPACE GIT_NO_REPLACE_OBJECTS GIT_OBJECT_DIRECTORY GIT_PREFIX GIT_REPLACE_REF_BASE GIT_SHALLOW_FILE"
    b" GIT_WORK_TREE"
).split()


class Invocation:
    """One command on one repository. `fields` follow the first `--`, `extra` what follows a second one; unknown options
    are refused, unknown fields ignored, as upstream does it."""

    def __init__(self, command: str, directory: str, params: list[str]) -> None:
        self.command = command
        self.program = "git-annex-shell"  # as which we speak to people
        self.directory = directory
        self.options: dict[str, str] = {}
        self.words, fields, self.extra = _partition(params)
        self.words = self._take_options(self.words)
        self.fields = _known_fields(fields)
        self.paths: GitPaths
        self.git: Git
        self.config: Config
        self._gateway: Gateway | None = None

    def _take_options(self, params: list[str]) -> list[str]:
        words = []
        rest = iter(params)
        for param in rest:
            name, equals, value = param.partition("=")
            if name in _VALUES:
                given = value if equals else next(rest, None)
                if given is None:
                    raise BadUsage(f"bad parameters: the option {name} needs a value")
                self.options[name] = given
            elif param in _FLAGS:
                self.options[param] = ""
            elif param.startswith("-") and len(param) > 1 and _SHORT_FLAGS.issuperset(param[1:]):
                continue  # they change how much is printed, and we print little
            elif param.startswith("-") and len(param) > 1:
                raise BadUsage(f"bad parameters: {self.command} has no option {param}")
            else:
                words.append(param)
        return words

    @property
    def uuid(self) -> bytes:
        """The repository's own uuid; empty if it has none."""
        return self.config.get("annex.uuid") or b""

    @property
    def gcrypt_id(self) -> bytes:
        return self.config.get("core.gcrypt-id") or b""

    def open(self) -> None:
        """Finds the repository and reads its configuration. Raises NotARepository."""
        path = check_directory(self.directory)
        try:
            self.paths = locate(path, self.directory.endswith("/"))
            self.git = Git(self.paths.git_dir, child_environment())
            self.config = read_config(self.git)
        except (NotARepository, ChildFailed, OSError) as error:
            from annexshell.model.show import for_client

            reason = f" ({for_client(error.public)})" if isinstance(error, ChildFailed) else ""
            raise NotARepository(
                f"failed to read git config of git repository in {os.uname().nodename} on {self.directory};"
                f" perhaps this repository is not set up correctly or has moved{reason}"
            ) from None
        self.paths.use_work_tree(self.config.get("core.worktree"))

    @property
    def expected_uuid(self) -> bytes:
        """The uuid of the repository that the client wants, which may be one behind this gateway; else our own."""
        expected = self.options.get("--uuid")
        return self.uuid if expected is None else os.fsencode(expected)

    def check_uuid(self) -> None:
        """Raises WrongRepository unless the client wants this repository, or one that we proxy for."""
        expected = self.options.get("--uuid")
        found = self.uuid or (gcrypt_uuid(self.gcrypt_id) if self.gcrypt_id else b"")
        if expected is None or os.fsencode(expected) == found:
            return
        if not self.uuid:
            what = f"UUID {os.fsdecode(found)}" if found else "uninitialized repository"
            raise WrongRepository(f"expected repository UUID {expected} but found {what}")
        self.gateway().configuration.check(os.fsencode(expected))
        if self.command not in ("p2pstdio", "notifychanges"):
            raise BadUsage(f"Cannot proxy {self.command} command.")

    def check_annex(self) -> None:
        """Raises NotARepository unless git-annex or gcrypt uses the repository."""
        if not self.uuid and not self.gcrypt_id:
            raise NotARepository("Not a git-annex or gcrypt repository.")

    def parts(self) -> Parts:
        """The parts of the repository, new ones at each call."""
        from annexshell.repo.local.parts import Parts, Use

        return Parts(self.paths, self.config, self.git, Use(self.warn))

    def gateway(self) -> Gateway:
        """The repository as a gateway. It is made on first use, since most sessions need none."""
        if self._gateway is None:
            from annexshell.repo.gateway.gateway import Gateway

            self._gateway = Gateway(self.parts())
        return self._gateway

    def warn(self, text: str) -> None:
        """Tells the user something. If they are gone, the work goes on without telling them."""
        from annexshell.model.show import for_client, visible

        try:
            print(f"{self.program}: {visible(self.directory)}: {for_client(text)}", file=sys.stderr, flush=True)
        except OSError:
            pass

    def report(self, error: AnnexshellError) -> None:
        """Tells the user about a failure that does not end the session."""
        self.warn(error.public)


def warn_user(text: str) -> None:
    """Tells the user something about no repository in particular."""
    from annexshell.model.show import for_client

    try:
        print(f"git-annex-shell: {for_client(text)}", file=sys.stderr, flush=True)
    except OSError:
        pass


def open_invocation(command: str, directory: str, params: list[str]) -> Invocation:
    """Finds the repository of a command, and checks that it is the one that --uuid names. Raises NotARepository,
    WrongRepository, BadUsage."""
    invocation = Invocation(command, directory, params)
    invocation.open()
    invocation.check_uuid()
    if command not in ("configlist", "gcryptsetup"):
        invocation.check_annex()
    return invocation


def refuse_words(invocation: Invocation) -> None:
    """Raises BadUsage if a command that takes only the directory was given more."""
    if invocation.words:
        raise BadUsage(f"bad parameters: {invocation.command} takes no parameters besides the directory")


def access_mode() -> str:
    """The access mode that the administrator set. A variable counts unless it is empty, and read-only wins."""
    from annexshell.model import access

    if os.environ.get("GIT_ANNEX_SHELL_READONLY"):
        return access.READ_ONLY
    return access.APPEND_ONLY if os.environ.get("GIT_ANNEX_SHELL_APPENDONLY") else access.READ_WRITE


def check_directory(directory: str | None) -> bytes:
    """Returns the absolute path of the directory that a client named. Raises BadUsage unless GIT_ANNEX_SHELL_DIRECTORY
    allows it. Callers open the path that is returned, and no other: it is the one that was compared."""
    value = os.environ.get("GIT_ANNEX_SHELL_DIRECTORY")
    path = None if directory is None else _absolute(directory)
    if value is not None:
        allowed = allowed_directories(value)
        if path not in allowed and (path is None or created_below(path) is None):
            named = (
                "and could not determine directory from command line" if path is None else f"not {os.fsdecode(path)}"
            )
            raise BadUsage(f"Only allowed to access {os.fsdecode(b' or '.join(allowed))} {named}")
    if path is None:
        raise BadUsage("could not determine directory from command line")
    return path


def created_below(path: bytes) -> tuple[bytes, list[bytes]] | None:
    """The directory of GIT_ANNEX_SHELL_CREATE, if a path is below it, and the rest of the path; None if it is not, or
    leads to what somebody may have pushed."""
    value = os.environ.get("GIT_ANNEX_SHELL_CREATE")
    top = _absolute(value).rstrip(b"/") if value else b""
    words = path[len(top) + 1 :].split(b"/") if top and path.startswith(top + b"/") else []
    if not words or any(word.startswith(b".") for word in words):
        return None
    name = words[-1] if os.path.isdir(path) else words[-1] + b".git"
    if os.path.lexists(b"/".join([top, *words[:-1], name])) and not leads_somewhere(top, [*words[:-1], name]):
        return None
    return top, words


def allowed_directories(value: str) -> list[bytes]:
    """The directories that a GIT_ANNEX_SHELL_DIRECTORY allows. A colon may separate directories or belong to the name
    of one, and half a name must never allow another directory. So a value that names an existing directory is that
    directory, and only a value whose parts all begin with `/` or `~` is a list."""
    whole = _absolute(value)
    parts = value.split(":")
    is_list = len(parts) > 1 and all(part.startswith(("/", "~")) for part in parts)
    if not is_list or os.path.isdir(whole) or os.path.isdir(whole + b".git"):
        return [whole]
    return [_absolute(part) for part in parts]


def _absolute(directory: str) -> bytes:
    return expand(os.fsencode(directory), own_home(os.environb.get(b"HOME")), home_of)


def home_of(user: bytes) -> bytes | None:
    import pwd

    try:
        return os.fsencode(pwd.getpwnam(os.fsdecode(user)).pw_dir)
    except (KeyError, ValueError):
        return None


def child_environment() -> dict[bytes, bytes]:
    """The environment for child processes, without what would point git to another repository."""
    return {name: value for name, value in os.environb.items() if name not in _LOCAL_TO_A_REPOSITORY}


def _partition(params: list[str]) -> tuple[list[str], list[str], list[str]]:
    """Splits `PARAMETERS -- FIELDS -- REST`; the last two may be missing."""
    if "--" not in params:
        return params, [], []
    first = params.index("--")
    fields, rest = params[first + 1 :], []
    if "--" in fields:
        second = fields.index("--")
        fields, rest = fields[:second], fields[second + 1 :]
    return params[:first], fields, rest


def _known_fields(fields: list[str]) -> dict[str, str]:
    """The fields that we know and that are well-formed. Others are ignored, so that newer clients can send more."""
    known = {}
    for field in fields:
        name, _, value = field.partition("=")
        if (name == "remoteuuid" and value.replace("-", "").isalnum()) or (name == "autoinit" and value == "1"):
            known[name] = value
    return known


def gcrypt_uuid(gcrypt_id: bytes) -> bytes:
    """The uuid of a gcrypt repository, which follows from its id (Remote/GCrypt.hs)."""
    from uuid import NAMESPACE_URL, uuid5

    namespace = uuid5(NAMESPACE_URL, "http://git-annex.branchable.com/design/gcrypt/")
    return str(uuid5(namespace, os.fsdecode(gcrypt_id))).encode()
