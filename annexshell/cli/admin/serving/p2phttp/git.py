"""What a worker process needs to serve the urls of repositories beside the API: to git, and to browsers."""

from __future__ import annotations

import os

from annexshell.cli.admin.serving.p2phttp.messages import warn
from annexshell.errors import BadUsage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.serving.p2phttp.options import ServerOptions
    from annexshell.serve.http.access.auth import Access
    from annexshell.serve.http.browse.service import Browse
    from annexshell.serve.http.git.discovery import ApiUrls
    from annexshell.serve.http.git.service import GitService
    from annexshell.serve.http.git.turns import Turns
    from annexshell.serve.http.repositories.directory import Repositories
    from annexshell.serve.http.repositories.places import Places
    from annexshell.serve.http.repositories.settings import ServerSettings


class RepositoryUrls:
    """What answers there: `git` and `browse`, each None unless it is wanted. git's programs have turns together."""

    def __init__(
        self, options: ServerOptions, repositories: Repositories, access: Access, settings: ServerSettings
    ) -> None:
        self.git: GitService | None = None
        self.browse: Browse | None = None
        self._options = options
        self._repositories = repositories
        self._access = access
        self._settings = settings
        if options.web.git or options.web.browse:
            self._open()

    def _open(self) -> None:
        from annexshell.serve.http.git.discovery import ApiUrls
        from annexshell.serve.http.git.turns import Turns
        from annexshell.serve.http.repositories.places import Places

        options, settings = self._options, self._settings
        directories = options.directories
        places = Places(directories, None if directories else os.getcwdb(), settings.variables, settings.tasks)
        turns = Turns(settings.tasks, options.work.git)
        urls = ApiUrls(options.web.base, warn)
        if options.web.git:
            self.git = self._open_git(places, turns, urls)
        if options.web.browse:
            self.browse = self._open_browse(places, turns, urls)

    def _open_git(self, places: Places, turns: Turns, urls: ApiUrls) -> GitService:
        """What answers git; tidies its repositories up meanwhile."""
        from annexshell.repo.initialization.smudging import bypassing
        from annexshell.serve.http.git.pushes import Pushes
        from annexshell.serve.http.git.running import Runner
        from annexshell.serve.http.git.service import GitService
        from annexshell.serve.http.git.tidying import Tidying

        env, tasks, base = self._settings.variables, self._settings.tasks, self._options.web.base
        runner = Runner(bypassing(env), turns, tasks, warn)
        pushes = Pushes(places, self._options.directories, env, tasks, warn)
        tasks.spawn(Tidying(self._repositories, env, tasks, warn).run)
        return GitService(places, self._repositories, self._access, runner, pushes, urls.of, base)

    def _open_browse(self, places: Places, turns: Turns, urls: ApiUrls) -> Browse:
        from annexshell.serve.http.browse.service import Browse, Reader

        settings, web = self._settings, self._options.web
        reader = Reader(settings.variables, turns, settings.tasks)
        clone_url = urls.for_git if web.git else None
        return Browse(places, self._repositories, self._access, reader, clone_url, web.base)


def require_http_backend() -> None:
    """Raises BadUsage unless git can be served here: some distributions have that in a package of its own."""
    from annexshell.disk.spawn import output

    code, path = output(["git", "--exec-path"], os.environb)
    if code != 0 or not os.access(path.rstrip(b"\n") + b"/git-http-backend", os.X_OK):
        raise BadUsage("--git needs git http-backend, which is not installed: it comes with git, or with git-daemon")
