"""Random repositories with random wishes, about which the real git-annex is asked all at once."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable
from hashlib import md5
from pathlib import Path

from annexshell.model.key import Key, parse_key
from tests.support.real import Repo, run

FILES = """x a/x a/b/y a/w.mp3 public/z a/public/z public/a/z archive/q b/archive/q.txt it's x<y a]b é.txt back\\slash
deep/er/and/deeper.txt pub/one""".split()
FILES.append("A b")
ATTRIBUTES = "*.txt annex.numcopies=3\na/** annex.numcopies=2\n*.mp3 annex.numcopies=0\n"
GROUPS = """client archive smallarchive backup transfer manual public source incrementalbackup unwanted g1 g2 g3 trusted
ümlaut""".split()
_VARIETIES = "SHA256E SHA256 SHA1 MD5E WORM URL BLAKE2B256 XFOO VURL SHA3_256E".split()
_SIZES = [None, 0, 1, 10, 100, 999, 1000, 1024, 5000, 10**6, 2 * 10**6]
_MAXIMA = [0, 100, 1000, 5000, 10**6, 2 * 10**6, 5 * 10**6, 10**9]
_URLS = ["http://example.com/f", "https://x.org/f", "ftp://a/b", "yt:https://v/1", ":odd:thing"]

_GLOBS = """* a/* */x x *.txt *.mp3 */archive/* archive/* ? ?/x [a-c]/* [!a]* *[[:digit:]]* *b* pub* */*/* *'* *<* a]b
back\\slash é* *é* A* a//x *[.]txt *d*e*p*r*""".split()
_SIZE_TEXTS = (
    """1 10 100 999 1kB 1KiB 1000 1mb 2MB 1.5kB 0.001MB 1e3 8kbit 0x64 100bytes 5foo big 1megabyte 0""".split()
)
_FIELDS = "tag Tag year score nofield lastchanged tag-lastchanged bad!".split()
_CONDITIONS = [*"=* =f* =FOO = <5 >=5 >5 <=1999 =1[0-9] >foo <2000-01-01 >1990 =10".split(), ""]
_URL_GLOBS = "* http://* https://*/f *example* ftp* yt:* *//*".split()
_TRUST_SPECS = "trusted semitrusted untrusted dead trusted+ untrusted+ semitrusted+ dead+".split()
_ODD_NUMBERS = ["007", "0x2", "2abc", "-1", "", "x", "1.5", "5"]
_PLAIN = "anything nothing present standard groupwanted inpreferreddir securehash unused".split()
_BROKEN = ["mimetype=text/*", "bogus", "in=here", "present=1", "include"]
_GLUE = ["and or", "or or", "not not", "( )", ") (", "and not or"]


class Dice(random.Random):
    """Draws expressions and what they are about."""

    def uuid(self) -> str:
        digits = f"{self.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"

    def key(self) -> str:
        size = self.choice(_SIZES)
        return f"{self.choice(_VARIETIES)}{'' if size is None else f'-s{size}'}--{self.getrandbits(160):040x}"

    def number(self) -> str:
        return self.choice(_ODD_NUMBERS) if self.random() < 0.1 else str(self.randrange(5))

    def group(self) -> str:
        return self.choice([*GROUPS, "nogroup"])

    def term(self) -> str:
        """A term; every one is drawn about as often as every other."""
        draws: list[Callable[[], str]] = [
            lambda: self.choice(_PLAIN),
            lambda: self.choice(["include=", "exclude="]) + self.choice(_GLOBS),
            lambda: self.choice(["largerthan=", "smallerthan="]) + self.choice(_SIZE_TEXTS),
            lambda: "copies=" + self.choice(["", self.group() + ":", self.choice(_TRUST_SPECS) + ":"]) + self.number(),
            lambda: self.choice(["lackingcopies=", "approxlackingcopies="]) + self.number(),
            lambda: "inbackend=" + self.choice(_VARIETIES),
            lambda: "metadata=" + self.choice(_FIELDS) + self.choice(_CONDITIONS),
            lambda: "url=" + self.choice(_URL_GLOBS),
            lambda: self.choice(["inallgroup=", "onlyingroup="]) + self.group(),
            self.balanced,
            self.balanced,
            lambda: self.choice(_BROKEN) if self.random() < 0.2 else "groupwanted",
        ]
        return self.choice(draws)()

    def balanced(self) -> str:
        name = self.choice(["balanced=", "fullybalanced=", "sizebalanced=", "fullysizebalanced="])
        return name + self.group() + self.choice(["", "", ":" + self.number(), ":2", ":3", ":lackingcopies"])

    def expression(self) -> str:
        words = []
        for _ in range(self.choice([0, 1, 1, 1, 2, 2, 3, 4, 6, 9])):
            words += ["("] * (self.random() < 0.25) + ["not"] * (self.random() < 0.2) + [self.term()]
            words += [")"] * (self.random() < 0.25)
            words.append(self.choice(_GLUE if self.random() < 0.05 else ["and", "or", "and", "or", "", "not"]))
        if self.random() < 0.8:
            words = words[:-1]
        return " ".join(word for word in words if word)

    def stamp(self) -> str:
        return f"{1700000000 + self.randrange(1000)}s"


class World:
    """A repository whose files never change, and whose git-annex branch is drawn anew again and again."""

    def __init__(self, path: Path, seed: int, more: int = 0) -> None:
        """With so many `more` files than FILES."""
        self.repo = Repo(path)
        dice = Dice(seed)
        self.keys: dict[str, Key] = {}
        for name in [*FILES, *(f"more/{number}.txt" for number in range(more))]:
            key = dice.key()
            self.keys[name] = parse_key(key.encode())
            object_name = os.fsdecode(self.keys[name].file_name)
            target = f".git/annex/objects/00/00/{object_name}/{object_name}"
            file = path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.symlink_to("../" * name.count("/") + target)
        (path / ".gitattributes").write_text(ATTRIBUTES)
        self.repo.git("add", ".")
        self.repo.git("commit", "-qm", "files")
        self.uuids: list[str] = []

    def draw(self, dice: Dice, count: int = 40) -> dict[str, str]:
        """New logs about `count` repositories; returns their expressions by uuid."""
        self.uuids = [dice.uuid() for _ in range(count)]
        wanted = {uuid: dice.expression() for uuid in self.uuids}
        files = {
            "uuid.log": _old_log(dice, dict.fromkeys([*self.uuids, self.repo.uuid], "repo")),
            "group.log": _old_log(
                dice, {uuid: " ".join(dice.sample(GROUPS, dice.choice([0, 1, 1, 2, 3]))) for uuid in self.uuids}
            ),
            "trust.log": _old_log(dice, {uuid: dice.choice("X0????11") for uuid in self.uuids if dice.random() < 0.6}),
            "preferred-content.log": _old_log(dice, wanted),
            "required-content.log": _old_log(dice, {u: dice.expression() for u in self.uuids if dice.random() < 0.1}),
            "group-preferred-content.log": _new_log(dice, {group: dice.expression() for group in GROUPS[::2]}),
            "maxsize.log": _new_log(dice, {u: dice.choice(_MAXIMA) for u in self.uuids if dice.random() < 0.5}),
            "remote.log": _old_log(
                dice,
                {u: f"type=directory preferreddir={dice.choice(['pub', 'a'])}" for u in dice.sample(self.uuids, 5)},
            ),
            "numcopies.log": f"{dice.stamp()} {dice.choice([1, 2, 3, 5])}\n",
        }
        if dice.random() < 0.3:
            cluster = f"ac{dice.uuid()[2:14]}8{dice.uuid()[15:]}"
            files["cluster.log"] = _new_log(dice, {cluster: " ".join(dice.sample(self.uuids, 3))})
        for key in self.keys.values():
            files.update(self._about_key(dice, key))
        self.write(files)
        return wanted

    def _about_key(self, dice: Dice, key: Key) -> dict[str, str]:
        path = log_path(key)
        there = dice.sample(self.uuids, dice.choice([0, 0, 1, 1, 2, 3, 5, 10]))
        gone = [uuid for uuid in dice.sample(self.uuids, 3) if uuid not in there]
        logs = {path: "".join(f"{dice.stamp()} {int(uuid in there)} {uuid}\n" for uuid in [*there, *gone])}
        if dice.random() < 0.6:
            score = dice.choice(["5", "10", "4.5", "1e1", "x", "-3"])
            logs[path + ".met"] = f"1700000100s tag +foo -bar year +{dice.choice([1999, 2005])} score +{score}\n"
            logs[path + ".met"] += (
                f"1700000{dice.randrange(100, 300)}s tag +{dice.choice(['bar', 'Foo', '!YSBi'])} -foo\n"
            )
        if dice.random() < 0.6:
            logs[path + ".web"] = "".join(f"{dice.stamp()} 1 {url}\n" for url in dice.sample(_URLS, 2))
        return logs

    def write(self, files: dict[str, str]) -> None:
        """Replaces all logs by others."""
        tip = self.repo.git("rev-parse", "refs/heads/git-annex").strip()
        commit = f"commit refs/heads/git-annex\ncommitter t <t@t> 1 +0000\ndata 0\nfrom {tip}\ndeleteall\n".encode()
        for name, text in files.items():
            commit += f'M 100644 inline "{name}"\ndata {len(text.encode())}\n{text}\n'.encode()
        run("git", "fast-import", "--quiet", cwd=self.repo.path, input=commit)

    def ask(self, *options: str) -> list[list[bool]]:
        """For each of FILES, in git's order, whether each repository wants it, as the real git-annex explains when it
        is given some options."""
        limits: list[str] = []
        for uuid in self.uuids:  # each is asked, since none decides: they all come to nothing
            limits += ["--or"] * bool(limits) + ["-(", f"--want-get-by={uuid}", "--and", "--nothing", "-)"]
        text = self.repo.annex("whereis", "--explain", *options, *limits, *self.names())
        answers = [re.findall(r"want-get-by\[(TRUE|FALSE)\]", line) for line in text.splitlines()]
        rows = [[answer == "TRUE" for answer in row] for row in answers if len(row) == len(self.uuids)]
        assert len(rows) == len(self.keys), text
        return rows

    def names(self) -> list[str]:
        return sorted(self.keys, key=os.fsencode)


def log_path(key: Key) -> str:
    """The path of a location log."""
    digest = md5(key.serialized).hexdigest()
    return f"{digest[:3]}/{digest[3:6]}/{os.fsdecode(key.file_name)}.log"


def _old_log(dice: Dice, values: dict[str, str]) -> str:
    return "".join(f"{uuid} {value} timestamp={dice.stamp()}\n" for uuid, value in values.items())


def _new_log(dice: Dice, values: dict[str, object]) -> str:
    return "".join(f"{dice.stamp()} {field} {value}\n" for field, value in values.items())
