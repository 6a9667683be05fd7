"""annexshell settings: every setting that git-annex-shell honours, with its default, its meaning and its price."""

from __future__ import annotations

import os
import sys

from annexshell.git.config import read_config
from annexshell.git.paths import locate
from annexshell.git.program import Git

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.options import Options

USAGE = """Lists all settings with their defaults; with DIRECTORY also what is set there.

Usage:
  annexshell settings [<directory>]
  annexshell settings --help

Options:
  -h --help  Show this.

Set a git config with "git config NAME VALUE" in the repository, or with --global for all repositories of an account.
Environment variables belong in the forced command in authorized_keys.
"""

_DURABILITY = """\
Whether what is acknowledged has been flushed to disk: the object, the directories that name it, and the entry in the
location log. Unset means yes. "none" turns it off: a crash of the machine, not of the program, can then lose what
clients were told is stored, as it can with the original git-annex, which never flushes. The price of yes is a few
flushes for each object, which dominates for small files on slow disks and is little for large ones."""

GIT_CONFIG = (
    ("core.fsync", "on", _DURABILITY),
    ("core.fsyncMethod", "fsync", 'How to flush. "writeout-only" flushes content but no directories.'),
    ("annexshell.log", "none", "A file, or syslog, that gets a line of JSON for each operation."),
    (
        "annexshell.clusterOneByOne",
        "false",
        'Ask the nodes of a cluster one after the other, as if those before had the upload already. Then "not\n'
        'copies=archive:1", which all archives say, gives one copy and not one on each. The cheapest node is first.',
    ),
    (
        "annexshell.clusterFillInTurn",
        "none",
        "Groups whose nodes are filled one after the other, such as tapes: an upload goes to only one of those that\n"
        "want it, the same as the last one for as long as its maxsize leaves space for it.",
    ),
    ("annex.diskreserve", "100 MB", "Space to keep free: uploads that would leave less are refused."),
    ("annex.verify", "true", 'Whether to hash uploads that the client calls valid. "false" is faster and unsafe.'),
    ("annex.securehashesonly", "false", "Refuse keys whose hash is not cryptographically secure, or can't be checked."),
    ("annex.thin", "false", "Unlocked files may be hard links of objects; an edited one does not count as present."),
    ("annex.pidlock", "false", "Use one lock for all, on file systems where locks on files do not work."),
    ("annex.pidlocktimeout", "300", "Seconds to wait for that lock."),
    ("annex.trashbin", "none", "A remote on this machine that keeps what is removed."),
    ("annex.alwayscommit", "true", "Commit the location log at the end of each session."),
    ("annex.commitmessage", "update", "The message of these commits; annex.commitmessage-command makes one."),
    ("annex.post-update-command", "none", "Run after each commit to the git-annex branch."),
    ("annex.freezecontent-command", "none", "Run to protect a %path, besides changing its mode."),
    ("annex.thawcontent-command", "none", "Run to make a %path writable."),
    ("annex.secure-erase-command", "none", "Run to overwrite a %file before it is deleted."),
    ("annex.initwanted", "none", "What new repositories want, from when they are initialised."),
    ("annex.initrequired", "none", "What they require."),
    ("annex.initgroups", "none", "The groups that they are in."),
    ("annex.private", "false", "Never publish what this repository has."),
    ("remote.NAME.annex-proxy", "false", "Serve this remote to clients: it is a node of the gateway."),
    ("remote.NAME.annex-cluster-node", "none", "The clusters that this remote is a node of."),
    ("remote.NAME.annex-cluster-gateway", "none", "The uuids of clusters that this remote is another gateway of."),
    ("remote.NAME.annex-cost", "100, 200 over a network", "Downloads come from the node of the lowest cost."),
    (
        "remote.NAME.annex-stalldetection",
        "one byte a minute",
        'The least that a node has to take while others wait for it, as in "1MB/1m"; else it is left out.',
    ),
    ("remote.NAME.annex-ssh-options", "none", "More options for ssh."),
    ("remote.NAME.annex-shell", "git-annex-shell", "The program to run there."),
    ("annex.jobs", "all", "With how many nodes to work at once."),
    ("annex.sshcaching", "true", "Share one ssh connection to a host among sessions."),
    ("core.sharedRepository", "umask", "Who may read and write; objects and locks get their modes from it."),
)
HOOKS = (
    ("annex-content", "Runs at the end of a session in which objects arrived or left."),
    ("post-update-annex", "Runs after each commit to the git-annex branch."),
    (
        "freezecontent-annex, thawcontent-annex, secure-erase-annex",
        "As the settings above; a file wins over a setting.",
    ),
)
ENVIRONMENT = (
    ("GIT_ANNEX_SHELL_READONLY", "Nothing may be changed in the annex; pushes of git are another matter."),
    ("GIT_ANNEX_SHELL_APPENDONLY", "Files may be added but not removed."),
    ("GIT_ANNEX_SHELL_LIMITED", "No git-shell: nothing but the commands of git-annex."),
    ("GIT_ANNEX_SHELL_DIRECTORY", "The only repository that may be accessed, or several: /srv/a:/srv/b."),
    ("GIT_ANNEX_SHELL_CREATE", "A directory below which pushes make repositories, and may use those there."),
    ("GIT_ANNEX_SHELL_LOG", "As annexshell.log, and wins over it."),
)


def run(options: Options) -> int:
    """Prints the settings, and those of a directory if one is given."""
    directory = options.given("<directory>")
    values: dict[str, str] = {}
    if directory is not None:
        config = read_config(Git(locate(os.path.abspath(os.fsencode(directory))).git_dir, dict(os.environb)))
        for name, _, _ in GIT_CONFIG:
            value = config.get(name.lower())
            if value is not None:
                values[name] = os.fsdecode(value)
    print("Settings of git config:\n")
    for name, default, text in GIT_CONFIG:
        _show(name, f"set to {values[name]!r}" if name in values else f"default: {default}", text)
    print("Hooks, executable files in the hooks directory of the repository:\n")
    for name, text in HOOKS:
        _show(name, "", text)
    print("Environment variables, where any value but the empty one counts:\n")
    for name, text in ENVIRONMENT:
        _show(name, f"set to {os.environ[name]!r}" if os.environ.get(name) else "", text)
    sys.stdout.flush()
    return 0


def _show(name: str, state: str, text: str) -> None:
    print(f"  {name}" + (f" ({state})" if state else ""))
    for line in text.splitlines():
        print(f"      {line}")
    print()
