"""annexshell sim: simulates where uploads to a cluster would go."""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from random import Random

from annexshell.admin.rehearsal import RealWorld
from annexshell.cli.admin.cluster.sim.chart import svg
from annexshell.cli.admin.cluster.sim.stages import Stage, moved, stage, table
from annexshell.cli.admin.progress import LINE
from annexshell.cli.admin.report import say, warn
from annexshell.cli.admin.target import OPTIONS, looked_at
from annexshell.disk.files import read_file
from annexshell.errors import Refused
from annexshell.model.amounts import leading_integer
from annexshell.policy.placement import PlacementRules
from annexshell.policy.simulation.contents import Contents, parse_list, parse_sizes
from annexshell.policy.simulation.network import Network
from annexshell.policy.simulation.script import lines_of
from annexshell.policy.simulation.script import run as run_line
from annexshell.policy.simulation.setting import BadScript, Setting, drawn_uuid
from annexshell.policy.simulation.uploads import Uploads
from annexshell.repo.gateway.placing import rules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from annexshell.cli.admin.options import Options

USAGE = f"""Simulates uploads to a cluster: where they would go, how full each node would get, and how unevenly.

Usage:
  annexshell sim [options] [--add=<node>]... [--lose=<node>]... [--] [<file>]

{OPTIONS}
  --keys=<number>     How many uploads; 10000 unless the file has contents of its own.
  --sizes=<sizes>     How large they are: "1MB", "1kB..10MB", "mean 1MB" (exponential), "median 1MB" or "median 1MB*10"
                      (log-normal, a third varies by more than this factor, 4 if it is left out) [default: median 1MB].
  --list=<file>       A file of sizes to choose from instead, one a line, each followed by the name of a file if
                      preferred content depends on it: find -type f -printf '%s %P\\n'
  --seed=<number>     Another number gives other uploads, the same one the same uploads [default: 0].
  --cluster=<cluster>  Which cluster of this gateway, if it has several and no file is given.
  --add=<node>        Afterwards, add a node that is set up like another one, as in --add=new:old; then all nodes get
                      what they want and drop what they do not want.
  --lose=<node>       Afterwards, take away a node with all that it holds; then the same happens.
  --rebalance         Let balanced preferred content move objects, as git-annex's option of that name does.
  --log               Print what was done to files, as git annex sim show does.
  --svg=<chart>       Write a chart to this file.
  --json              Print one line of JSON.

Without FILE, the cluster of this gateway is simulated as it is now, by the rules in its git config (see annexshell
settings). FILE is a sim file of git annex sim that describes a cluster: init, group, wanted, maxsize and so on say what
there is, and clusternode names the nodes; without any, all repositories are nodes. What happens in the file (add,
connect, action, step) happens first; visit is ignored. Nothing is ever changed.

In the table, "contents" counts the simulated uploads, and "of even" is how much more a node holds than if all were
equally full. What a node held before counts only by its size, and stays where it is.
"""

_KEYS = 10_000
_ROUNDS = 10  # of changes, after which we report that they do not come to rest


def run(options: Options) -> int:
    """Prints the results. Returns 1 if an expectation of the file is not met."""
    with looked_at(options) as parts:
        world = RealWorld(parts)
        try:
            simulation = _Simulation(options, world, rules(parts.config))
            return simulation.run()
        except BadScript as error:
            raise Refused(str(error)) from None
        finally:
            world.close()


class _Simulation:
    def __init__(self, options: Options, world: RealWorld, real_rules: PlacementRules) -> None:
        self._options = options
        self._seed = _number(options.text("--seed"), "--seed")
        self._network: Network | None = None
        self._said: list[str] = []
        self._stages: list[Stage] = []
        script = options.given("<file>")
        if script is None:
            self._setting, self._nodes = world.cluster(options.given("--cluster"))
            self._sizes, self._rules = world.sizes(), real_rules
        else:
            self._network = network = self._played(script, world)
            self._setting = network.setting
            self._nodes = list(dict.fromkeys(network.setting.nodes.values() or network.setting.names.values()))
            self._sizes, self._rules = network.sizes(), PlacementRules()
        self._setting.rebalance |= options.flag("--rebalance")
        self._setting.changed()

    def _played(self, name: str, world: RealWorld) -> Network:
        """The repositories after all that the file says has happened."""
        network = Network(world, self._seed, self._said.append, partial(LINE.show, "playing"))
        for number, words in lines_of(_text_of(name)):
            try:
                run_line(network, words)
            except BadScript as error:
                raise BadScript(f"{name}, line {number}: {error}") from None
        if not network.setting.names:
            raise BadScript(f"{name} describes no repositories")
        return network

    def run(self) -> int:
        options = self._options
        for sentence in self._said:
            warn(sentence)
        if options.flag("--log") and self._network is not None:
            say("\n".join(self._network.log))
        uploads = self._uploaded()
        for node in options.texts("--add"):
            self._change(uploads, f"after adding {node.partition(':')[0]}", *self._with_another(node))
        for node in options.texts("--lose"):
            uuid = self._setting.uuid(node)
            self._change(uploads, f"after losing {node}", self._setting.without(uuid), self._without(uuid))
        self._report()
        return 1 if self._network is not None and self._network.failed else 0

    def _uploaded(self) -> Uploads:
        options = self._options
        has_contents = self._network is not None and self._network.has_happened()
        count = 0 if has_contents else _KEYS
        keys, names = options.given("--keys"), options.given("--list")
        if keys is not None:
            count = _number(keys, "--keys")
        listed = () if names is None else parse_list(_text_of(names))
        contents = Contents(count, self._seed, parse_sizes(options.text("--sizes")), listed)
        tell = partial(LINE.show, "simulating", total=count)
        uploads = Uploads(self._setting, self._nodes, contents, self._sizes, self._rules, tell)
        if self._network is not None:
            uploads.counts |= self._network.counts()
        uploads.upload()
        remarks = [f"{uploads.unwanted:,} uploads were wanted by no node, and went to all."] if uploads.unwanted else []
        self._stages.append(stage(f"after {count:,} uploads", uploads, remarks))
        return uploads

    def _with_another(self, node: str) -> tuple[Setting, list[bytes]]:
        name, colon, like = node.partition(":")
        if not (name and colon and like):
            raise BadScript(f"--add={node} does not say which node the new one is like, as in --add=new:old")
        uuid = drawn_uuid(Random(f"{self._seed} {name}"))  # noqa: S311
        return self._setting.with_another(name, self._setting.uuid(like), uuid), [*self._nodes, uuid]

    def _without(self, uuid: bytes) -> list[bytes]:
        nodes = [node for node in self._nodes if node != uuid]
        if not nodes:
            raise BadScript("no node would be left")
        return nodes

    def _change(self, uploads: Uploads, title: str, setting: Setting, nodes: Sequence[bytes]) -> None:
        """Goes on with a changed set of nodes until none of them wants anything else."""
        self._setting, self._nodes = setting, list(nodes)
        lost = uploads.change(setting, nodes)
        remarks = [f"{lost:,} contents were on no other node, and are lost."] if lost else []
        for number in range(1, _ROUNDS + 1):
            moves = uploads.settle()
            if not moves:
                remarks.append("Nothing moves any more." if number > 1 else "Nothing moves.")
                break
            remarks.append(f"Round {number}: {moved(moves)}.")
        else:
            remarks.append(f"After {_ROUNDS} rounds contents still move: these expressions do not come to rest.")
        self._stages.append(stage(title, uploads, remarks))

    def _report(self) -> None:
        if self._options.flag("--json"):
            failed = self._network is not None and self._network.failed
            stages = [one.as_json() for one in self._stages]
            say(json.dumps({"command": "sim", "success": not failed, "stages": stages}))
        else:
            for one in self._stages:
                say("\n".join([f"{one.title}:", *table(one), *one.remarks, ""]))
        chart = self._options.given("--svg")
        if chart is not None:  # comes last: if writing fails, the results are printed already
            with open(chart, "w", encoding="utf-8") as file:
                file.write(svg("Where uploads go", self._stages))


def _number(text: str, option: str) -> int:
    number = leading_integer(text) if text.isascii() and text.isdigit() else None
    if number is None or number > 1_000_000_000:
        raise BadScript(f"{option}={text} is not a number from 0 to 1,000,000,000")
    return number


def _text_of(name: str) -> str:
    """The text of a file, or of standard input if it is called -. Raises Refused."""
    text = sys.stdin.buffer.read() if name == "-" else read_file(os.fsencode(name))
    if text is None:
        raise Refused(f"there is no file {name}")
    return text.decode("utf-8", "surrogateescape")
