"""Every error of this server, split by whose fault it is.

An error says three things: its text (one sentence for a person), what a peer of the line protocol is told, and the
exit code of a command that ends with it. `wire` is None for an operation that merely did not work: the peer gets
FAILURE, and the sentence goes to stderr, which ssh shows to the user. An error with a `wire` text is sent as ERROR.
Exceptions of the operating system are translated where they are met, by `disk_error`.
"""

from __future__ import annotations

import errno


class Cause:
    """Why something on another host, or at another path, can't be used, where that tells what to do about it
    (repo/nodes/remedies.py)."""

    UNKNOWN = "unknown"
    NO_PROGRAM = "git-annex-shell is not found there"
    PROGRAM_FORBIDDEN = "git-annex-shell may not be run there"
    LOGIN_REFUSED = "ssh does not let us in"
    HOST_KEY = "ssh does not know the host's key"
    NO_REPOSITORY = "it is no git-annex repository"
    NOT_IDENTIFIED = "its uuid has not been found out"
    OTHER_REPOSITORY = "another repository is there"
    OTHER_UUID = "another uuid is expected there than is found"
    NO_PROXYING = "it is of a kind that can't be proxied to"
    WRONG_URL = "the server does not know the repository"
    UNREADABLE = "its directory can't be read"
    NO_HOST = "the name of its host is not known"
    CONNECTION_REFUSED = "nobody listens there"
    SLOW = "it takes too long"
    UNREACHABLE = "its host does not answer"


class AnnexshellError(Exception):
    """The root. `exit_code` is that of a command that ends with the error. The text is for the administrator; `public`
    is the text for clients, without hosts. Parts that come from others are made safe where they are shown (model.show).
    """

    exit_code = 1
    cause = Cause.UNKNOWN

    def __init__(self, text: str = "", public: str | None = None) -> None:
        super().__init__(text)
        self.public = text if public is None else public

    @property
    def wire(self) -> bytes | None:
        """What follows ERROR on the wire, or None for a plain FAILURE."""
        return None


# The peer's fault


class PeerError(AnnexshellError):
    """The peer said something it should not have said."""


class BadKey(PeerError):
    """Text that is not a key."""


class BadUuid(PeerError):
    """Text that can't be the uuid of a repository."""


class UnknownCommand(PeerError):
    """A line that is no message of the protocol."""

    @property
    def wire(self) -> bytes:
        return b"unknown command"


class NotEncodable(PeerError):
    """A value that the line protocol can't express: the other side would read something else."""

    @property
    def wire(self) -> bytes:
        return self.public.encode("utf-8", "surrogateescape")


class UnexpectedMessage(PeerError):
    """A message that is not allowed at this point of the conversation."""

    @property
    def wire(self) -> bytes:
        return self.public.encode("utf-8", "surrogateescape")


class LineTooLong(PeerError):
    """A line over the limit of the protocol: the connection can't go on."""


class PeerGone(PeerError):
    """The peer closed the connection in the middle of something, or can't be connected to."""

    def __init__(self, text: str = "", public: str | None = None, cause: str = "") -> None:
        super().__init__(text, public)
        self.cause = cause or self.cause


class Stalled(PeerGone):
    """The peer kept silent for longer than we wait."""

    cause = Cause.SLOW


class BadResponse(PeerError):
    """A server's answer over HTTP that can't be understood. The sentence begins with "it", the server."""


class BadRequest(PeerError):
    """A client's request over HTTP that can't be understood."""


class NoSuchEndpoint(PeerError):
    """A request over HTTP for something that does not exist."""


class ClosedByPeer(PeerError):
    """The peer ended the conversation with ERROR: nothing went wrong here."""

    exit_code = 0


class Interrupted(AnnexshellError):
    """A signal asked the session to end. What was begun is left as if the peer had gone."""


# Refusals: the request is understood and will not be carried out


class Refused(AnnexshellError):
    """Not allowed here."""


class AccessDenied(Refused):
    """The access mode forbids it; upstream's texts (P2P/Protocol.hs) reach the user of a client."""

    @property
    def wire(self) -> bytes:
        return self.public.encode("utf-8", "surrogateescape")


class QuotaExceeded(Refused):
    """The repository, or the user, has stored as much as may be."""


class BadUsage(Refused):
    """A command line that asks for something that does not exist or is not allowed."""


class NeedsLogin(Refused):
    """A client of the HTTP API has to say who it is, or has said it wrongly."""


class TooManyLogins(Refused):
    """A client of the HTTP API tries more passwords than can be checked for it, or for all together."""


class TooBusy(Refused):
    """So much is going on that this has to wait, and has waited long enough or can't."""


class NotARepository(Refused):
    """The directory holds no repository that can be served."""

    cause = Cause.NO_REPOSITORY


class WrongRepository(Refused):
    """The client expected another repository uuid."""


class InsecureKey(Refused):
    """annex.securehashesonly is set and the key's hash is not cryptographically secure."""


# The content's state


class ContentError(AnnexshellError):
    """The state of a key's content does not allow the operation now."""


class ContentLocked(ContentError):
    """Locked by somebody, or kept for a client whose connection was lost."""


class TooManyLocks(ContentError):
    """The limit of locked keys is reached."""


class TooLate(ContentError):
    """The time until which a client allowed a removal has passed."""


class TransferBusy(ContentError):
    """Another process is receiving the same key just now."""


class VerificationFailed(ContentError):
    """The bytes that were received are not the content of the key."""


class NotPresent(ContentError):
    """The key's content is not here."""


# A node's fault


class NodeError(AnnexshellError):
    """A node of a gateway can't be reached, or does not do its part. The text says which node, and why; the `cause` is
    for programs."""

    def __init__(self, name: str, reason: str, public: str | None = None, cause: str = Cause.UNKNOWN) -> None:
        super().__init__(f"{name}: {reason}", f"{name}: {reason if public is None else public}")
        self.name = name
        self.reason = reason
        self.cause = cause

    @property
    def wire(self) -> bytes:
        return self.public.encode("utf-8", "surrogateescape")


def node_error(name: str, error: Exception) -> NodeError:
    """Blames an error on a node."""
    if isinstance(error, AnnexshellError):
        return NodeError(name, str(error), error.public, error.cause)
    return NodeError(name, str(error))


class NodeRefused(NodeError):
    """A node answered ERROR: it works, and refuses."""


class NodeFailed(ContentError):
    """A node answered FAILURE. `uuids` are the repositories for which it worked all the same."""

    def __init__(self, text: str, uuids: list[bytes] | None = None) -> None:
        super().__init__(text)
        self.uuids = uuids or []


# This machine's fault


class DiskError(AnnexshellError):
    """The file system refused."""


class DiskFull(DiskError):
    """Not enough space, or annex.diskreserve would be violated."""


class LockTimeout(DiskError):
    """A lock that others hold only briefly did not become free in time."""


class InternalError(AnnexshellError):
    """A mistake in this program."""


class StreamBusy(InternalError):
    """Two at once use one direction of a connection."""


class ChildFailed(AnnexshellError):
    """git or another program that we started failed."""


def internal_error(error: Exception) -> InternalError:
    """The error for an exception that nobody expected, in a sentence instead of a traceback."""
    if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("annexshell"):
        return InternalError(f"the Python module {error.name} is missing here; pip, or your distribution, has it")
    return InternalError(f"internal error, please report it: {type(error).__name__}: {error}")


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def disk_error(error: OSError, doing: str) -> DiskError:
    """The `DiskError` for an OSError met while `doing` (a phrase such as "storing the object")."""
    kind = DiskFull if error.errno in _FULL else DiskError
    return kind(f"{error.strerror or error} while {doing}")


class doing:  # reads as a statement: `with doing("storing the content"):`
    """Translates an OSError inside the block into a DiskError that says what was being done."""

    __slots__ = ("_phrase",)

    def __init__(self, phrase: str) -> None:
        self._phrase = phrase

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise disk_error(error, self._phrase) from error
