"""The options of the server that say who may do what. BadUsage is raised where they make no sense."""

from __future__ import annotations

import os
from functools import partial

from annexshell.cli.admin.serving.p2phttp.options import warn
from annexshell.errors import BadUsage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from annexshell.green.tasks import Tasks
    from annexshell.serve.http.access.auth import Access
    from annexshell.serve.http.access.htpasswd import Passwords
    from annexshell.serve.http.access.rules import Rights, Rules
    from annexshell.serve.http.access.trusted import TrustedProxies

_ANYBODY = ("--wideopen", "--unauth-appendonly", "--unauth-readonly")  # the first one given wins


def read_access(options: dict[str, Any], directories: list[bytes]) -> Callable[[Tasks], Access]:
    """Reads the rules. Returns a function that makes a worker's Access of them: each worker process needs threads of
    its own to check passwords."""
    from annexshell.serve.http.access.auth import Access, limits_from_environment
    from annexshell.serve.http.access.logins import Logins

    limits = limits_from_environment(os.environb)
    passwords = _read_passwords(options)
    rules = _read_rules(options)
    over_http = options["--authenv-http"]
    over_tls = over_http or options["--authenv"] or options["--htpasswd"] is not None

    def make(tasks: Tasks) -> Access:
        return Access(rules, Logins(passwords, tasks), limits, directories or [os.getcwdb()], over_tls, over_http)

    return make


def read_proxies(options: dict[str, Any]) -> TrustedProxies:
    from annexshell.serve.http.access.trusted import TrustedProxies

    return TrustedProxies(options["--trust-proxy"])


def _read_passwords(options: dict[str, Any]) -> Passwords:
    from annexshell.serve.http.access.auth import passwords_from_environment
    from annexshell.serve.http.access.htpasswd import Passwords, parse_htpasswd, require_bcrypt
    from annexshell.serve.http.access.watched import Watched

    from_environment = options["--authenv"] or options["--authenv-http"]
    plain = passwords_from_environment(os.environb) if from_environment else {}
    path = options["--htpasswd"]
    if path is None:
        return Passwords(plain)
    if not (options["--certfile"] or options["--trust-proxy"] or options["--authenv-http"]):
        raise BadUsage(
            "--htpasswd lets users log in over https: give --certfile and --privatekeyfile, or --trust-proxy for a "
            "proxy that does https, or --authenv-http to take passwords over http too"
        )
    require_bcrypt()
    return Passwords(plain, Watched(os.path.abspath(path), partial(parse_htpasswd, taken=plain), warn).current)


def _read_rules(options: dict[str, Any]) -> Callable[[], Rules]:
    from annexshell.serve.http.access.rules import parse_rules, same_everywhere
    from annexshell.serve.http.access.watched import Watched

    path = options["--access"]
    if path is not None:
        for name in (*_ANYBODY, "--unauth-nolocking"):
            if options[name]:
                raise BadUsage(f"--access says what everybody may do: {name} can't be given too")
        return Watched(os.path.abspath(path), parse_rules, warn).current
    rules = same_everywhere(_anonymous_rights(options))
    return lambda: rules


def _anonymous_rights(options: dict[str, Any]) -> Rights:
    """What people who do not log in may do. Readers among them may lock unless that is forbidden, unlike users who may
    only read."""
    from annexshell.serve.http.access.rules import APPEND, FULL, GIT, LOCK, NOTHING, READ

    rights = dict(zip(_ANYBODY, (FULL, APPEND, frozenset((READ, LOCK, GIT)))))
    name = next((name for name in _ANYBODY if options[name]), None)
    if name is None:
        return NOTHING
    return rights[name] - {LOCK} if options["--unauth-nolocking"] and rights[name] != FULL else rights[name]
