"""The other options of the server. Each function reads some of them, and raises BadUsage where they make no sense."""

from __future__ import annotations

import os
from functools import lru_cache

from annexshell.errors import AnnexshellError, BadUsage
from annexshell.model.show import visible
from annexshell.serve.http.reporting.outlet import Outlet

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    import ssl
    from typing import Any

    from annexshell.serve.http.http1.sendfile import SendFile
    from annexshell.serve.http.httpd import Limits
    from annexshell.serve.http.listening import SocketFile

_MOST = 10**9  # the limit of any number, so that a typing error is noticed


def check_parser() -> None:
    """Raises BadUsage if no library that reads HTTP is installed."""
    try:
        import annexshell.serve.http.http1.parsing  # noqa: F401
    except ModuleNotFoundError:
        raise BadUsage(
            "this needs h11 (Debian has it as python3-h11), or httptools 0.6.4 or newer (PyPI has it)"
        ) from None


def read_number(options: dict[str, Any], name: str) -> int:
    try:
        number = int(options[name])
    except ValueError:
        number = -1
    if not 0 <= number <= _MOST:
        raise BadUsage(f"{name} has to be a number, not {options[name]!r}")
    return number


def read_size(options: dict[str, Any], name: str) -> int | None:
    """A size such as git-annex takes it, in bytes; None if the option is not given."""
    from annexshell.model.amounts import parse_size

    if options[name] is None:
        return None
    size = parse_size(options[name])
    if size is None or not 0 <= size < 1 << 63:
        raise BadUsage(f"{name} has to be a size such as 100GB, not {options[name]!r}")
    return size


def read_age(options: dict[str, Any]) -> float:
    """The age, in seconds, at which partial uploads are deleted; 0 for never."""
    from annexshell.model.amounts import parse_duration

    text = options["--expire-partials"]
    age = parse_duration(text) or 0.0
    if (age <= 0 or not text[-1:].isalpha()) and text != "never":
        raise BadUsage(f"--expire-partials has to be a time such as 12h or 14d, or never, not {text!r}")
    return age


def check_limits(options: dict[str, Any]) -> None:
    """Raises BadUsage for numbers that would fail only in the workers."""
    numbers = "--jobs --proxyconnections --clusterjobs --lockedfiles --clientlocks --stall --git-jobs"
    for name in numbers.split():
        if options[name]:
            read_number(options, name)
    for name in ("--max-size", "--max-size-user", "--min-rate"):
        read_size(options, name)
    read_age(options)


def read_limits(options: dict[str, Any]) -> Limits:
    from annexshell.serve.http.httpd import Limits

    return Limits(stall=float(max(1, read_number(options, "--stall"))), rate=read_size(options, "--min-rate") or 0)


def read_origins(options: dict[str, Any]) -> frozenset[str]:
    """The origins whose pages may use this server, in lower case; `*` stands for all."""
    from urllib.parse import urlsplit

    found = set()
    for text in options["--cors-origin"]:
        parts = urlsplit(text.lower())
        if text != "*" and not (parts.scheme and parts.netloc and not parts.path.strip("/") and not parts.query):
            raise BadUsage(f"--cors-origin has to be an origin such as https://example.org, or *, not {text!r}")
        found.add(text.lower().rstrip("/"))
    return frozenset(found)


def read_sendfile(options: dict[str, Any]) -> SendFile | None:
    from annexshell.serve.http.http1.sendfile import SendFile

    if not options["--sendfile-header"]:
        return None
    if not options["--trust-proxy"]:
        raise BadUsage("--sendfile-header needs --trust-proxy: only a trusted proxy may learn where files are")
    return SendFile(options["--sendfile-header"])


def base_path(options: dict[str, Any]) -> bytes:
    path = (options["--base-path"] or "").strip("/")
    return os.fsencode(f"/{path}" if path else "")


def warn_of_wideopen(options: dict[str, Any], listeners: list[socket.socket]) -> None:
    """Warns if others than this machine may do everything."""
    import socket
    from ipaddress import ip_address

    if not options["--wideopen"]:
        return
    for listener in listeners:
        if listener.family in (socket.AF_INET, socket.AF_INET6):
            address = listener.getsockname()[0]
            if not ip_address(address.partition("%")[0]).is_loopback:
                warn("--wideopen lets all who reach this port store and remove: give --bind 127.0.0.1, or logins")
                return


def warn_of_root(directories: list[bytes]) -> None:
    """Warns if root serves a repository of another account, which could not use the files that root stores there."""
    from annexshell.cli.admin.owner import name_of, owner_of
    from annexshell.errors import NotARepository
    from annexshell.git.paths import locate, repositories_below

    if os.geteuid() != 0:
        return
    for path in (
        [os.getcwdb()] if not directories else [path for top in directories for path in repositories_below(top)]
    ):
        try:
            owner = owner_of(locate(path))
        except (NotARepository, OSError):
            continue
        if owner != 0:
            text = f"{os.fsdecode(path)} belongs to {name_of(owner)}, and what root stores there will be root's; use:"
            warn(f"{text} su {name_of(owner)} -s /bin/sh, and serve it as that account")
            return


def check_place(directories: list[bytes]) -> None:
    from annexshell.cli.context import child_environment
    from annexshell.git.config import read_config
    from annexshell.git.paths import locate
    from annexshell.git.program import Git

    for directory in directories:
        if not os.path.isdir(directory):
            raise BadUsage(f"{os.fsdecode(directory)} is not a directory")
    if directories:
        return
    try:
        config = read_config(Git(locate(os.getcwdb()).git_dir, child_environment()))
    except (AnnexshellError, OSError):
        config = None
    if config is None or not config.get("annex.uuid"):
        raise BadUsage("there is no git-annex repository here; say where there are some with --directory")


def read_tls(options: dict[str, Any]) -> ssl.SSLContext | None:
    certificate, key = options["--certfile"], options["--privatekeyfile"]
    if not certificate and not key:
        return None
    if not certificate or not key:
        raise BadUsage("https needs both --certfile and --privatekeyfile")
    from annexshell.green.sockets import tls_context

    try:
        return tls_context(certificate, key, options["--chainfile"])
    except (OSError, ValueError) as error:
        raise BadUsage(f"the certificate or its key can't be used: {error}") from None


def worker_count(options: dict[str, Any]) -> int:
    return max(1, read_number(options, "--cpus") if options["--cpus"] else len(os.sched_getaffinity(0)))


def listen(options: dict[str, Any]) -> tuple[list[socket.socket], SocketFile]:
    """A listening socket for each worker, and the file of a Unix socket, which is to be removed at the end if we made
    it."""
    from annexshell.serve.http.listening import SocketFile, listen_tcp, listen_unix, shared
    from annexshell.serve.systemd import passed_sockets

    workers = worker_count(options)
    passed = passed_sockets(os.environb, os.getpid())
    if passed:
        return [listener for one in passed for listener in shared(one, workers)], SocketFile()
    try:
        if options["--socket"]:
            listeners = listen_unix(options["--socket"], workers, _read_mode(options))
            return listeners, SocketFile(options["--socket"])
        return listen_tcp(options["--bind"], _read_port(options), workers), SocketFile()
    except (OSError, OverflowError) as error:
        raise BadUsage(f"can't listen there: {error}") from None


def _read_port(options: dict[str, Any]) -> int:
    port = read_number(options, "--port")
    if port > 65535:  # the operating system would take it modulo 65536
        raise BadUsage(f"--port has to be a number up to 65535, not {port}")
    return port


def _read_mode(options: dict[str, Any]) -> int:
    try:
        mode = int(options["--socket-mode"], 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o777:
        raise BadUsage(f"--socket-mode has to be three octal digits such as 660, not {options['--socket-mode']!r}")
    return mode


def warn(text: str) -> None:
    """Prints a warning on standard error. If nobody reads that any more, requests go on all the same."""
    line = f"annexshell p2phttp: {visible(text)}\n".encode(errors="backslashreplace")
    try:
        errors().write(line)
    except OSError:
        pass


@lru_cache(maxsize=1)
def errors() -> Outlet:
    """Where warnings go. A worker opens it when it starts, since later it may have no file descriptor left."""
    return Outlet(2)
