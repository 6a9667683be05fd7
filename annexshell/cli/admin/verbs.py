"""The verbs of annexshell: how they are shown, and the module of each, which is imported when it is called."""

from __future__ import annotations

USAGE = """annexshell - looks after git-annex repositories that git-annex-shell serves

Usage:
  annexshell <verb> [<args>...]
  annexshell --help
  annexshell --version

Verbs for any repository:
  init           makes a git repository one of git-annex
  info           what a repository is, and does: its clusters, their nodes, transfers
  status         what is going on: transfers, locks and who holds them, nodes, sessions
  top            the same, again and again
  settings       what can be set, for all or for one repository, and what it costs

Accounts:
  authorized-keys  gives an ssh key access by git-annex-shell, or takes it
  doctor           what is wrong with an account or a repository, and what to do about it

Servers:
  p2phttp        serves repositories over HTTP, in place of git annex p2phttp
  p2p            serves a repository in P2P networks such as tor, in place of git annex remotedaemon

Verbs about what repositories hold:
  wanted         what content a repository wants
  required       what content a repository must not lose
  group          adds a repository to a group
  ungroup        takes a repository out of a group
  groupwanted    what content the repositories of a group want
  maxsize        how much a repository may hold, and how full all are
  vicfg          all of that, and clusters, in an editor
  sim            tries out where uploads to a cluster would go

Verbs for gateways:
  initcluster    makes a cluster
  addnode        makes a remote a node of a cluster
  removenode     takes a node out of a cluster
  updatecluster  tells clients of nodes and proxied remotes, as the git config has them
  extendcluster  makes a repository one more gateway of a cluster
  renamecluster  gives a cluster another name
  removecluster  ends a cluster
  updateproxy    tells clients of proxied remotes, as the git config has them

For shells:
  completion     prints what has bash, zsh or fish complete command lines

"annexshell <verb> --help" tells more.
"""

# By room.
_ROOMS = {
    "repository": "init info settings wanted required group ungroup groupwanted maxsize vicfg",
    "cluster": "initcluster addnode removenode updatecluster extendcluster renamecluster removecluster updateproxy sim",
    "access": "authorized-keys",
    "serving": "p2phttp p2p completion",
    "watching": "status top doctor",
}
MODULES = {
    verb: f"annexshell.cli.admin.{room}.{verb.replace('-', '_')}"
    for room, verbs in _ROOMS.items()
    for verb in verbs.split()
}
