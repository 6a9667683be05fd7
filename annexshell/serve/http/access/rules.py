"""Who may do what in which repository: rules as an administrator writes them into a file, or as options say. No I/O."""

from __future__ import annotations

import re

from annexshell.errors import BadUsage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Rights = frozenset[str]
READ, LOCK, WRITE, REMOVE = "read", "lock", "write", "remove"
GIT, PUSH, CREATE = "git", "push", "create"  # to fetch from, to push to, to make by a push
NOTHING: Rights = frozenset()
APPEND = frozenset((READ, LOCK, WRITE, GIT, PUSH))
FULL = frozenset((*APPEND, REMOVE))

_WORDS: dict[bytes, Rights] = {
    b"nothing": NOTHING,
    b"read": frozenset((READ,)),
    b"lock": frozenset((LOCK,)),
    b"write": frozenset((WRITE,)),
    b"remove": frozenset((REMOVE,)),
    b"git": frozenset((GIT,)),
    b"push": frozenset((GIT, PUSH)),
    b"create": frozenset((CREATE,)),
    b"append": APPEND,
    b"full": FULL,
}
_EVERYBODY, _USERS = b"anonymous", b"users"
_MAX_REMEMBERED = 10000


class Section:
    """What holds in the repositories that a pattern matches. Rights by name, by group, of all who are logged in (None
    if nothing is said of them), and of everybody."""

    def __init__(self, pattern: bytes) -> None:
        self.pattern = pattern
        self.names: dict[bytes, Rights] = {}
        self.groups: dict[bytes, Rights] = {}
        self.users: Rights | None = None
        self.anonymous = NOTHING
        self._expression = re.compile(b".*".join(re.escape(part) for part in pattern.split(b"*")), re.DOTALL)

    def matches(self, path: bytes, uuid: bytes, relative: Sequence[bytes]) -> bool:
        """Whether it is about the repository at an absolute path, that has other names `relative` to directories."""
        names = [path] if self.pattern.startswith(b"/") else relative
        return self.pattern == uuid or any(self._expression.fullmatch(name) for name in names)

    def rights(self, user: bytes, groups: Iterable[bytes]) -> Rights:
        """What a user may do; the empty name is for those who have not logged in. The line with the user's name counts,
        then those of their groups (whatever any of them may do), then the one for all users, then for everybody."""
        if user:
            if user in self.names:
                return self.names[user]
            granted = [self.groups[group] for group in groups if group in self.groups]
            if granted:
                return NOTHING.union(*granted)
            if self.users is not None:
                return self.users
        return self.anonymous

    def by_login(self) -> Rights:
        """What somebody may do who logs in."""
        return (self.users or NOTHING).union(*self.names.values(), *self.groups.values())


class Rules:
    """All of them. The first section that matches a repository counts; where none does nobody may do anything."""

    def __init__(self, sections: Sequence[Section], members: Mapping[bytes, frozenset[bytes]]) -> None:
        self._sections = sections
        self._groups: dict[bytes, list[bytes]] = {}
        for group, names in members.items():
            for name in names:
                self._groups.setdefault(name, []).append(group)
        self.by_login = NOTHING.union(*(section.by_login() for section in sections))
        is_complete = any(section.pattern == b"*" for section in sections)
        # Whether there may be repositories that those see nothing of who don't log in.
        self.hide_some = not is_complete or not all(section.anonymous for section in sections)
        self._found: dict[tuple[bytes, bytes], Section | None] = {}
        self._anywhere: dict[bytes, Rights] = {}

    def groups(self, user: bytes) -> Sequence[bytes]:
        return self._groups.get(user, [])

    def section(self, path: bytes, uuid: bytes, directories: Sequence[bytes]) -> Section | None:
        """The one for the repository at an absolute path below one of `directories`, or in the current one."""
        place = path, uuid
        if place not in self._found:
            if len(self._found) >= _MAX_REMEMBERED:
                self._found.clear()
            relative = [path[len(top.rstrip(b"/")) + 1 :] for top in directories if path.startswith(_slashed(top))]
            matching = (section for section in self._sections if section.matches(path, uuid, relative or [b"."]))
            self._found[place] = next(matching, None)
        return self._found[place]

    def anywhere(self, user: bytes) -> Rights:
        """What a user may do in one repository or another."""
        if user not in self._anywhere:
            if len(self._anywhere) >= _MAX_REMEMBERED:
                self._anywhere.clear()
            groups = self.groups(user)
            self._anywhere[user] = NOTHING.union(*(section.rights(user, groups) for section in self._sections))
        return self._anywhere[user]


def _slashed(directory: bytes) -> bytes:
    return directory.rstrip(b"/") + b"/"


def same_everywhere(anonymous: Rights) -> Rules:
    """What holds without a file: everybody may do this much, and users everything."""
    section = Section(b"*")
    section.anonymous = anonymous
    section.users = FULL
    return Rules([section], {})


def parse_rules(data: bytes) -> Rules:
    """The rules in a file. Raises BadUsage, which names the line.

    First groups, `@name = user user @group`; then sections, `[pattern]` with lines `who who = word word` below it.
    """
    reader = _Reader()
    for number, line in enumerate(map(bytes.strip, data.split(b"\n")), 1):
        if line and not line.startswith(b"#"):
            try:
                reader.take(line)
            except ValueError as error:
                raise BadUsage(f"line {number}: {error}") from None
    if not reader.sections:
        raise BadUsage("there is no [repository] in it")
    return Rules(list(reader.sections.values()), reader.members)


class _Reader:
    """What has been read of a file. `take` raises ValueError for a line that makes no sense."""

    def __init__(self) -> None:
        self.members: dict[bytes, frozenset[bytes]] = {}
        self.sections: dict[bytes, Section] = {}
        self._section: Section | None = None
        self._said: set[bytes] = set()  # of whom something is said in the section

    def take(self, line: bytes) -> None:
        if line.startswith(b"["):
            self._begin(line)
            return
        left, separator, right = line.partition(b"=")
        who, words = left.split(), right.split()
        if not separator or not who or not words:
            raise ValueError("it has to be a [repository], or somebody = what they may do there")
        if self._section is None:
            self._define(who, words)
            return
        for name in who:
            self._grant(self._section, name, self._rights(words))

    def _begin(self, line: bytes) -> None:
        pattern = line[1:-1].strip()
        if not line.endswith(b"]") or not pattern:
            raise ValueError("a repository has to stand between [ and ]")
        if pattern in self.sections:
            raise ValueError(f"[{_text(pattern)}] is there twice")
        self._section = self.sections[pattern] = Section(pattern)
        self._said = set()

    def _define(self, who: list[bytes], members: list[bytes]) -> None:
        if len(who) != 1 or not who[0].startswith(b"@"):
            raise ValueError("before the first [repository] there are only groups: @group = user user")
        if who[0] in self.members:
            raise ValueError(f"{_text(who[0])} is there twice")
        names: set[bytes] = set()
        for member in members:
            names.update(self._group(member) if member.startswith(b"@") else (member,))
        self.members[who[0]] = frozenset(names)

    def _group(self, name: bytes) -> frozenset[bytes]:
        if name not in self.members:
            raise ValueError(f"there is no group {_text(name)} above")
        return self.members[name]

    def _rights(self, words: list[bytes]) -> Rights:
        rights = [_WORDS.get(word.rstrip(b",")) for word in words]
        for word, meaning in zip(words, rights):
            if meaning is None:
                raise ValueError(f"{_text(word)!r} is not one of {', '.join(name.decode() for name in _WORDS)}")
            if not meaning and len(words) > 1:
                raise ValueError("the word nothing can't be combined with others")
        return NOTHING.union(*(meaning for meaning in rights if meaning))

    def _grant(self, section: Section, who: bytes, rights: Rights) -> None:
        if who in self._said:
            raise ValueError(f"there is already a line for {_text(who)} above")
        self._said.add(who)
        if who == _EVERYBODY:
            section.anonymous = rights
        elif who == _USERS:
            section.users = rights
        elif who.startswith(b"@"):
            self._group(who)
            section.groups[who] = rights
        else:
            section.names[who] = rights


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")
