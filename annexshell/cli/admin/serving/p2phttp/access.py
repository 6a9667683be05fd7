"""The options of the server that say who may do what."""

from __future__ import annotations

from functools import partial

from annexshell.cli.admin.serving.p2phttp.messages import warn
from annexshell.errors import BadUsage
from annexshell.serve.http.access.auth import Access, limits_from_environment, passwords_from_environment
from annexshell.serve.http.access.htpasswd import Passwords, parse_htpasswd, require_bcrypt
from annexshell.serve.http.access.logins import Logins
from annexshell.serve.http.access.rules import APPEND, FULL, GIT, LOCK, NOTHING, READ, parse_rules, same_everywhere
from annexshell.serve.http.access.watched import Watched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from annexshell.cli.admin.serving.p2phttp.values import Given
    from annexshell.green.tasks import Tasks
    from annexshell.serve.http.access.rules import Rights, Rules

# What people who do not log in may do; the first option given wins. Readers among them may lock unless that is
# forbidden, unlike users who may only read.
_ANYBODY = {"--wideopen": FULL, "--unauth-appendonly": APPEND, "--unauth-readonly": frozenset((READ, LOCK, GIT))}


class AccessOptions:
    """Who may do what. `environment` has passwords and limits of users. Raises BadUsage."""

    def __init__(self, given: Given, environment: Mapping[bytes, bytes]) -> None:
        self.is_wideopen = given.flag("--wideopen")
        self._limits = limits_from_environment(environment)
        self._passwords = _passwords(given, environment)
        self._rules = _rules(given)
        self._over_http = given.flag("--authenv-http")
        self._over_tls = self._over_http or given.flag("--authenv") or given.path("--htpasswd") is not None

    def open(self, tasks: Tasks, directories: list[bytes]) -> Access:
        """The rules of a worker, which checks passwords with `tasks`, for repositories below `directories`."""
        logins = Logins(self._passwords, tasks)
        return Access(self._rules, logins, self._limits, directories, self._over_tls, self._over_http)


def _passwords(given: Given, environment: Mapping[bytes, bytes]) -> Passwords:
    from_environment = given.flag("--authenv") or given.flag("--authenv-http")
    plain = passwords_from_environment(environment) if from_environment else {}
    path = given.path("--htpasswd")
    if path is None:
        return Passwords(plain)
    if not (given.text("--certfile") or given.texts("--trust-proxy") or given.flag("--authenv-http")):
        raise BadUsage(
            "--htpasswd lets users log in over https: give --certfile and --privatekeyfile, or --trust-proxy for a "
            "proxy that does https, or --authenv-http to take passwords over http too"
        )
    require_bcrypt()
    return Passwords(plain, Watched(path, partial(parse_htpasswd, taken=plain), warn).current)


def _rules(given: Given) -> Callable[[], Rules]:
    path = given.path("--access")
    if path is not None:
        for name in (*_ANYBODY, "--unauth-nolocking"):
            if given.flag(name):
                raise BadUsage(f"--access says what everybody may do: {name} can't be given too")
        return Watched(path, parse_rules, warn).current
    rules = same_everywhere(_anonymous_rights(given))
    return lambda: rules


def _anonymous_rights(given: Given) -> Rights:
    rights = next((rights for name, rights in _ANYBODY.items() if given.flag(name)), NOTHING)
    return rights - {LOCK} if given.flag("--unauth-nolocking") and rights != FULL else rights
