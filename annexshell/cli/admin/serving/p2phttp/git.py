"""What a worker process needs to serve git beside the API."""

from __future__ import annotations

import os

from annexshell.cli.admin.serving.p2phttp.messages import warn
from annexshell.errors import BadUsage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.serving.p2phttp.options import ServerOptions
    from annexshell.serve.http.access.auth import Access
    from annexshell.serve.http.git.service import GitService
    from annexshell.serve.http.repositories.directory import Repositories
    from annexshell.serve.http.repositories.settings import ServerSettings


def open_git(
    options: ServerOptions, repositories: Repositories, access: Access, settings: ServerSettings
) -> GitService:
    """What answers for the urls of repositories; tidies them up meanwhile."""
    from annexshell.repo.initialization.smudging import bypassing
    from annexshell.serve.http.git.discovery import ApiUrls
    from annexshell.serve.http.git.pushes import Pushes
    from annexshell.serve.http.git.running import Runner
    from annexshell.serve.http.git.service import GitService
    from annexshell.serve.http.git.tidying import Tidying
    from annexshell.serve.http.git.turns import Turns
    from annexshell.serve.http.repositories.places import Places

    env, tasks, base, directories = settings.variables, settings.tasks, options.web.base, options.directories
    places = Places(directories, None if directories else os.getcwdb(), env, tasks)
    runner = Runner(bypassing(env), Turns(tasks, options.work.git), tasks, warn)
    pushes = Pushes(places, directories, env, tasks, warn)
    tasks.spawn(Tidying(repositories, env, tasks, warn).run)
    return GitService(places, repositories, access, runner, pushes, ApiUrls(base, warn).of, base)


def require_http_backend() -> None:
    """Raises BadUsage unless git can be served here: some distributions have that in a package of its own."""
    from annexshell.disk.spawn import output

    code, path = output(["git", "--exec-path"], os.environb)
    if code != 0 or not os.access(path.rstrip(b"\n") + b"/git-http-backend", os.X_OK):
        raise BadUsage("--git needs git http-backend, which is not installed: it comes with git, or with git-daemon")
