"""annexshell p2p: serves a repository in P2P networks, and sets that up (upstream: Command/P2P.hs, RemoteDaemon)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.options import Options

USAGE = """Serves a repository in P2P networks, such as tor, and sets that up.

Usage:
  annexshell p2p [--repo=<directory>] [--connections=<number>] [-q]
  annexshell p2p --enable=<network> [--repo=<directory>] [-q]
  annexshell p2p --gen-addresses [--name=<name>] [--access=<mode>] [--for=<uuid>] [--repo=<directory>] [-q]
  annexshell p2p --link [--name=<name>] [--repo=<directory>] [-q]
  annexshell p2p --tokens [--repo=<directory>] [-q]
  annexshell p2p --revoke=<token> [--repo=<directory>] [-q]
  annexshell p2p --help

Without an option for setting up, it serves the repository at all its addresses until a signal ends it, in place of git
annex remotedaemon.

Setting up:
  --enable=<network>  Find out the addresses of this repository in a network, by its program git-annex-p2p-NETWORK. For
                      tor, as root, make a hidden service.
  --gen-addresses     Print a new address, with a new token, for each network.
  --link              Add a remote for an address with a token, which is asked for.
  --tokens            List the tokens that are accepted.
  --revoke=<token>    Stop accepting a token, by its name or by the digits that --tokens prints.

Options:
  --name=<name>       The name of the new remote, or of the new tokens.
  --access=<mode>     What the new tokens allow: read-only, append-only or read-write [default: read-write].
  --for=<uuid>        Let the new tokens lead to a cluster or a node behind this gateway.
  --connections=<number>  Clients at once at each address [default: 100].
  --repo=<directory>  The repository, if not the one in the current directory.
  -q --quiet          Print only warnings and results.
  -h --help           Show this.
"""


SETTING_UP = ("--enable", "--gen-addresses", "--link", "--tokens", "--revoke")  # without one of these, it serves


def run(options: Options) -> int:
    """Does what the options say."""
    if any(options.values[name] for name in SETTING_UP):
        from annexshell.cli.admin.serving.p2p.setup import set_up

        return set_up(options)
    from annexshell.cli.admin.serving.p2p.serving import serve

    return serve(options)
