"""The repository that is served: what its files about P2P networks say."""

from __future__ import annotations

import os

from annexshell.cli.admin.target import find
from annexshell.disk.perms import Perms
from annexshell.errors import NotARepository
from annexshell.serve.sockets.credentials import Credentials
from annexshell.serve.sockets.tokens import Tokens

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.options import Options


class P2pHome:
    """A repository, used by its owner. Raises NotARepository, ChildFailed."""

    def __init__(self, options: Options) -> None:
        self.paths, self.git, self.config = find(options.given("--repo"), as_owner=True)
        self.uuid = self.config.get("annex.uuid") or b""
        if not self.uuid:
            raise NotARepository("First run: annexshell init")
        self.directory = self.paths.work_tree or self.paths.git_dir
        self.perms = Perms(
            self.config.get("core.sharedrepository"), self.config.flag("annex.crippledfilesystem", False), False
        )
        self.credentials = Credentials(self.paths.annex_dir, self.perms)
        self.tokens = Tokens(self.credentials)

    @property
    def name(self) -> str:
        return os.fsdecode(self.directory)
