"""The verbs of annexshell: the overview that --help prints, and the module of each verb."""

from __future__ import annotations

USAGE = """annexshell - looks after the git-annex repositories that git-annex-shell serves

Usage:
  annexshell <verb> [<args>...]
  annexshell --help
  annexshell --version

Verbs for any repository:
  create         makes a repository to be served, and grants rights to it
  init           makes a git repository a git-annex repository
  info           shows a repository: its clusters, their nodes, transfers
  status         shows what is going on: transfers, locks and who holds them, nodes, sessions
  top            shows the same again and again
  settings       lists all settings, with their defaults, and what is set

Accounts:
  user             adds, changes, removes or lists who can log in to p2phttp
  authorized-keys  gives an ssh key access through git-annex-shell, or takes it away
  doctor           finds what is wrong with an account or a repository, and says what to do

Servers:
  p2phttp        serves repositories over HTTP, in place of git annex p2phttp
  p2p            serves a repository in P2P networks such as tor, in place of git annex remotedaemon

Verbs about what repositories hold:
  wanted         shows or sets what content a repository wants
  required       shows or sets what content a repository must not lose
  group          adds a repository to a group, or lists groups
  ungroup        takes a repository out of a group
  groupwanted    shows or sets what content the repositories of a group want
  maxsize        shows or sets how much a repository may hold
  vicfg          edits all of that, and the clusters, in an editor
  sim            simulates where uploads to a cluster would go

Verbs for gateways:
  initcluster    makes a cluster
  addnode        makes a remote a node of a cluster
  removenode     takes a node out of a cluster
  updatecluster  publishes which remotes are nodes and which are proxied
  extendcluster  makes this repository one more gateway of a cluster
  renamecluster  gives a cluster another name
  removecluster  removes a cluster from this gateway
  updateproxy    publishes which remotes are proxied

For shells:
  completion     prints the completion script for bash, zsh or fish

"annexshell <verb> --help" tells more.
"""

# The verbs of each room; a verb's module has its name, with _ in place of -.
_ROOMS = {
    "repository": "create init info settings wanted required group ungroup groupwanted maxsize vicfg",
    "cluster": "initcluster addnode removenode updatecluster extendcluster renamecluster removecluster updateproxy sim",
    "access": "authorized-keys user",
    "serving": "p2phttp p2p completion",
    "watching": "status top doctor",
}
MODULES = {
    verb: f"annexshell.cli.admin.{room}.{verb.replace('-', '_')}"
    for room, verbs in _ROOMS.items()
    for verb in verbs.split()
}
