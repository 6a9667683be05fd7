"""What a worker process needs to serve git beside the API."""

from __future__ import annotations

import os

from annexshell.cli.admin.serving.p2phttp.options import base_path, read_number, warn, worker_count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from annexshell.serve.http.access.auth import Access
    from annexshell.serve.http.git.service import GitService
    from annexshell.serve.http.repositories.directory import Repositories
    from annexshell.serve.http.repositories.served import Environment

_JOBS_EACH = 2  # for each processor


def open_git(
    options: dict[str, Any],
    directories: list[bytes],
    repositories: Repositories,
    access: Access,
    environment: Environment,
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

    env, tasks, base = environment.variables, environment.tasks, base_path(options)
    places = Places(directories, None if directories else os.getcwdb(), env, tasks)
    runner = Runner(bypassing(env), Turns(tasks, _turns(options)), tasks, warn)
    pushes = Pushes(places, directories, env, tasks, warn)
    tasks.spawn(Tidying(repositories, env, tasks, warn).run)
    return GitService(places, repositories, access, runner, pushes, ApiUrls(base, warn).of, base)


def _turns(options: dict[str, Any]) -> int:
    """A worker's part of the programs of git's that run at once."""
    given = options["--git-jobs"]
    jobs = read_number(options, "--git-jobs") if given else _JOBS_EACH * len(os.sched_getaffinity(0))
    return max(1, -(-jobs // worker_count(options)))
