"""Setting up P2P networks: addresses, tokens and remotes (upstream: Command/P2P.hs)."""

from __future__ import annotations

import os
import sys
import time

from annexshell.annexlog.logs import is_legal_remote_name
from annexshell.cli.admin.owner import owner_of
from annexshell.cli.admin.report import Action, say, warn
from annexshell.cli.admin.serving.p2p.repository import P2pHome
from annexshell.cli.admin.target import find
from annexshell.disk.spawn import is_program, output
from annexshell.errors import BadUsage, ChildFailed, NotARepository, Refused
from annexshell.git.config import set_config
from annexshell.model.access import APPEND_ONLY, READ_ONLY, READ_WRITE
from annexshell.model.ids import is_recordable
from annexshell.model.p2p import TOR, P2PAddress, is_network, is_place, parse_p2p_url, parse_token
from annexshell.serve.sockets.places import add_addresses, own_addresses
from annexshell.serve.sockets.tokens import Grant
from annexshell.serve.sockets.torrc import add_service

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.options import Options

_LIMIT = 120.0  # seconds that a peer in a slow network may take to answer
_MODES = (READ_ONLY, APPEND_ONLY, READ_WRITE)


def set_up(options: Options) -> int:
    """Does what the options ask for."""
    if options.given("--enable"):
        return enable(options)
    home = P2pHome(options)
    if options.flag("--gen-addresses"):
        return generate(home, options)
    if options.flag("--link"):
        return link(home, options)
    if options.flag("--tokens"):
        return list_tokens(home)
    count = home.tokens.revoke(options.text("--revoke"))
    if not options.flag("--quiet"):
        say(f"{count} token{'s' if count != 1 else ''} revoked")
    return 0


def enable(options: Options) -> int:
    """Adds the addresses of a network."""
    name = options.text("--enable")
    network = os.fsencode(name)
    if not is_network(network):
        raise BadUsage(f"{name!r} can't be the name of a network")
    with Action("p2p enable", name, options.flag("--quiet")):
        if network == TOR:
            _enable_tor(options)
        else:
            home = P2pHome(options)
            add_addresses(home.credentials, _ask_network(home, network))
    return 0


def _ask_network(home: P2pHome, network: bytes) -> list[P2PAddress]:
    """The addresses that its program tells."""
    program = b"git-annex-p2p-" + network
    if not is_program(program, home.git.env):
        raise Refused(f"{os.fsdecode(program)} is not installed, without which the network can't be used")
    code, told = output([program, b"address"], home.git.env, directory=home.directory)
    if code != 0:
        raise ChildFailed(f"{os.fsdecode(program)} failed with exit code {code}")
    places = [line for line in told.splitlines() if is_place(line)]
    if not places:
        raise Refused(f"{os.fsdecode(program)} did not output any P2P addresses")
    return [P2PAddress(network, place) for place in places]


def _enable_tor(options: Options) -> None:
    """Root has tor make the service; the rest is done as the owner of the repository."""
    if os.geteuid() != 0:
        raise Refused("tor's configuration is root's: run this as root, with --repo")
    paths, git, config = find(options.given("--repo"))
    uuid = config.get("annex.uuid")
    if not uuid or not is_recordable(uuid) or b"/" in uuid:
        raise NotARepository("First run: annexshell init")
    address = add_service(owner_of(paths), uuid, git.env)
    add_addresses(P2pHome(options).credentials, [address])


def generate(home: P2pHome, options: Options) -> int:
    """Prints addresses with tokens, and nothing else on standard output."""
    addresses = own_addresses(home.credentials)
    if not addresses:
        raise Refused("No P2P networks are currently available.")
    tokens = home.tokens.make(addresses, _grant(options))
    if not options.flag("--quiet"):
        warn("These addresses let in whoever knows them. Give them only to people you trust, and over safe ways.")
    for address, token in zip(addresses, tokens):
        say(os.fsdecode(address.url + b":" + token))
    return 0


def _grant(options: Options) -> Grant:
    mode, name = options.text("--access"), options.given("--name") or ""
    uuid = os.fsencode(options.given("--for") or "")
    if mode not in _MODES:
        raise BadUsage(f"--access has to be one of {', '.join(_MODES)}, not {mode!r}")
    if uuid and not is_recordable(uuid):
        raise BadUsage(f"{options.given('--for')!r} can't be the uuid of a repository")
    if not name.isprintable():
        raise BadUsage("the name of a token can't hold control characters")
    return Grant(mode, uuid, name)


def list_tokens(home: P2pHome) -> int:
    """One a line: its name, what it allows, since when, and where it lets in."""
    for token in home.tokens.all():
        since = time.strftime("%Y-%m-%d", time.localtime(token.since)) if token.since else "-"
        where = os.fsdecode(token.address.url) if token.address else "tor"
        leads = f" for {os.fsdecode(token.grant.uuid)}" if token.grant.uuid else ""
        say(f"{token.called}  {token.grant.mode}{leads}  {since}  {where}")
    return 0


def link(home: P2pHome, options: Options) -> int:
    """Adds a remote for an address that is read from standard input, so that no list of processes shows it."""
    name = options.given("--name") or _unused_name(home)
    if not is_legal_remote_name(os.fsencode(name)):
        raise BadUsage(f"{name!r} can't be the name of a remote")
    with Action("p2p link", name, options.flag("--quiet")):
        say("\nEnter peer address: ", end="")
        address, token = _parse_address(sys.stdin.readline().strip())
        uuid = _ask_who(home, name, address, token)
        home.git.output("remote", "add", "--", name, address.url)
        set_config(home.git, f"remote.{name}.annex-uuid", uuid)
        with home.credentials.lock():
            home.credentials.write(address.file_name, token)
    return 0


def _unused_name(home: P2pHome) -> str:
    taken = home.git.output("remote").split()
    number = next(number for number in range(1, len(taken) + 2) if b"peer%d" % number not in taken)
    return f"peer{number}"


def _parse_address(text: str) -> tuple[P2PAddress, bytes]:
    if not text:
        raise Refused("Nothing entered, giving up.")
    url, _, token = os.fsencode(text).rpartition(b":")
    address = parse_p2p_url(url)
    if address is None or not parse_token(token):
        raise Refused("that is no address with a token behind it, as annexshell p2p --gen-addresses prints them")
    return address, parse_token(token)


def _ask_who(home: P2pHome, name: str, address: P2PAddress, token: bytes) -> bytes:
    from annexshell.repo.nodes.dial import Dialer
    from annexshell.repo.nodes.p2p import ask_who
    from annexshell.stream.polling import PollWaiter
    from annexshell.stream.port import Waiting

    waiter = PollWaiter(_LIMIT)
    dialer = Dialer(home.paths.annex_dir, home.git.env, False, home.perms, Waiting(waiter, waiter))
    return ask_who(dialer, name, address, home.uuid, token)
