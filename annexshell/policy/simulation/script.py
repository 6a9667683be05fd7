"""Sim files of git-annex: the commands that configure. Those that make something happen are network.Network's.

Upstream: Annex/Sim/File.hs, Annex/Sim.hs: applySimCommand'. Pure.
"""

from __future__ import annotations

from annexshell.policy.simulation.setting import BadScript, check_expression, drawn_uuid, size_of
from annexshell.policy.snapshot import TRUST_LEVELS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from annexshell.policy.simulation.network import Network

_EXPECTATIONS = ("present", "notpresent")
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def lines_of(text: str) -> list[tuple[int, list[str]]]:
    """The lines that are neither empty nor comments: (number, words)."""
    lines = enumerate(text.split("\n"), 1)
    return [(number, line.split()) for number, line in lines if line.strip() and not line.startswith(("#", "--"))]


def run(network: Network, words: Sequence[str]) -> None:
    """Carries out a line. Raises BadScript."""
    name, *rest = words
    least, most, command = _COMMANDS.get(name, (1, 0, None))
    if command is not None and least <= len(rest) <= most:
        if name not in _EXPECTATIONS:
            network.log.append(" ".join(words))
        command(network, *rest)
        if name in _CONFIGURATION:
            network.configured()
        return
    raise BadScript(f'Unable to parse sim command: "{" ".join(words)}"')


def whole_number(text: str, what: str) -> int:
    digits = text[1:] if text.startswith("-") else text
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 30:
        raise BadScript(f'Unable to parse {what} "{text}"')
    return int(text)


def connections(words: Sequence[str]) -> list[tuple[str, str]]:
    """Reads connections such as `a <-> b -> c`: pairs (repository, its remote). Raises BadScript."""
    found = []
    for index in range(0, len(words) - 1, 2):
        one, arrow, other = (*words[index : index + 3], "")[:3]
        if not other or arrow not in ("->", "<-", "<->"):
            raise BadScript(f'Bad connect syntax near "{" ".join(words[index:])}"')
        found += [(one, other)] * (arrow != "<-") + [(other, one)] * (arrow != "->")
    if not found:
        raise BadScript(f'Bad connect syntax near "{" ".join(words)}"')
    return found


def _init(network: Network, name: str) -> None:
    network.setting.add(name, drawn_uuid(network.dice))


def _init_remote(network: Network, name: str) -> None:
    network.setting.add(name, drawn_uuid(network.dice), special=True)


def _use(network: Network, name: str, *what: str) -> None:
    network.setting.check_new(name)
    network.world.use(network.setting, name, " ".join(what))


def _group(network: Network, name: str, group: str) -> None:
    network.setting.groups.setdefault(network.setting.uuid(name), set()).add(group)


def _ungroup(network: Network, name: str, group: str) -> None:
    network.setting.groups.setdefault(network.setting.uuid(name), set()).discard(group)


def _trust(network: Network, name: str, level: str) -> None:
    if level not in TRUST_LEVELS:
        raise BadScript(f'Unknown trust level "{level}".')
    network.setting.trust[network.setting.uuid(name)] = TRUST_LEVELS[level]


def _wanted(network: Network, name: str, *words: str) -> None:
    network.setting.wanted[network.setting.uuid(name)] = check_expression(" ".join(words))


def _required(network: Network, name: str, *words: str) -> None:
    network.setting.required[network.setting.uuid(name)] = check_expression(" ".join(words))


def _group_wanted(network: Network, group: str, *words: str) -> None:
    network.setting.group_wanted[group] = check_expression(" ".join(words))


def _random(network: Network, terms: Sequence[str]) -> str:
    """A random expression made of the terms."""
    for term in terms:
        check_expression(term)
    dice = network.dice
    words: list[str] = []
    for _ in range(dice.randint(1, len(terms))):
        words += [dice.choice(["and", "or"])] if words else []
        words += ["not"] * dice.randint(0, 1) + [dice.choice(terms)]
    return " ".join(words)


def _random_wanted(network: Network, name: str, *terms: str) -> None:
    network.setting.wanted[network.setting.uuid(name)] = _random(network, terms)


def _random_required(network: Network, name: str, *terms: str) -> None:
    network.setting.required[network.setting.uuid(name)] = _random(network, terms)


def _random_group_wanted(network: Network, group: str, *terms: str) -> None:
    network.setting.group_wanted[group] = _random(network, terms)


def _maximum(network: Network, name: str, size: str) -> None:
    network.setting.maxima[network.setting.uuid(name)] = size_of(size, "maxsize")


def _copies(network: Network, number: str) -> None:
    network.setting.copies = max(1, whole_number(number, "numcopies value"))


def _least_copies(network: Network, number: str) -> None:
    network.setting.least_copies = max(1, whole_number(number, "mincopies value"))


def _rebalance(network: Network, value: str) -> None:
    if value.lower() not in (*_TRUE, *_FALSE):
        raise BadScript(f'Unable to parse rebalance value "{value}"')
    network.setting.rebalance = value.lower() in _TRUE


def _cluster_node(network: Network, name: str, repository: str) -> None:
    uuid = network.setting.uuid(repository)
    network.setting.check_new(name)
    network.setting.nodes[name] = uuid


def _metadata(network: Network, file: str, change: str) -> None:
    field, equals, value = change.partition("=")  # Annex/MetaData.hs: parseModMeta
    if not equals:
        raise BadScript(f'metadata is set as in "year=2025", and not as in "{change}"')
    how = field[-1:] if field.endswith(("+", "-", "?")) else ""
    field = field.removesuffix(how)
    if file not in network.files:
        raise BadScript(f"Cannot set metadata of unknown file {file}")
    values = network.setting.fields.setdefault(network.files[file], {}).setdefault(field.casefold(), set())
    if how == "-":
        values.discard(value)
    elif how != "?" or not values:
        if not how:
            values.clear()
        values.add(value)


_ANY = 1 << 30

# By name: the least and the largest number of words behind it, and the function.
_CONFIGURATION: dict[str, tuple[int, int, Callable[..., None]]] = {
    "init": (1, 1, _init),
    "initremote": (1, 1, _init_remote),
    "use": (2, _ANY, _use),
    "group": (2, 2, _group),
    "ungroup": (2, 2, _ungroup),
    "trustlevel": (2, 2, _trust),
    "wanted": (1, _ANY, _wanted),
    "required": (1, _ANY, _required),
    "groupwanted": (1, _ANY, _group_wanted),
    "randomwanted": (2, _ANY, _random_wanted),
    "randomrequired": (2, _ANY, _random_required),
    "randomgroupwanted": (2, _ANY, _random_group_wanted),
    "maxsize": (2, 2, _maximum),
    "numcopies": (1, 1, _copies),
    "mincopies": (1, 1, _least_copies),
    "rebalance": (1, 1, _rebalance),
    "clusternode": (2, 2, _cluster_node),
    "metadata": (2, 2, _metadata),
}
_COMMANDS: dict[str, tuple[int, int, Callable[..., None]]] = {
    **_CONFIGURATION,
    "connect": (3, _ANY, lambda network, *words: network.connect(connections(words))),
    "disconnect": (3, _ANY, lambda network, *words: network.disconnect(connections(words))),
    "addtree": (2, _ANY, lambda network, name, *words: network.add_tree(name, check_expression(" ".join(words)))),
    "add": (3, _ANY, lambda network, file, size, *names: network.add(file, size_of(size), names)),
    "addmulti": (
        5,
        _ANY,
        lambda network, count, suffix, least, most, *names: network.add_many(
            whole_number(count, "number"), suffix, size_of(least), size_of(most), names
        ),
    ),
    "step": (1, 1, lambda network, number: network.step(whole_number(number, "step value"), False)),
    "stepstable": (1, 1, lambda network, number: network.step(whole_number(number, "stepstable value"), True)),
    "action": (2, _ANY, lambda network, *words: network.act(words)),
    "visit": (1, _ANY, lambda network, *words: network.leave_out("visit", words)),
    "seed": (1, 1, lambda network, number: network.seed(whole_number(number, "seed value"))),
    "present": (2, 2, lambda network, name, file: network.expect(name, file, True)),
    "notpresent": (2, 2, lambda network, name, file: network.expect(name, file, False)),
}
