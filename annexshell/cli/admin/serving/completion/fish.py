"""Completion for fish."""

from __future__ import annotations

from annexshell.cli.admin.serving.completion.usage import CLUSTERS, DIRECTORIES, FILES, REMOTES, REPOSITORIES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.serving.completion.usage import Option, Value, Verb

_HEAD = r"""# Has fish complete command lines of annexshell. Made by: annexshell completion fish

# Whether this is the verb.
function __annexshell_verb
    set -l words (commandline -opc | string match -v -- '-*')
    test "$words[2]" = $argv[1]
end

# Whether a verb is given and so many arguments of it, or with + that many or more. The rest are its options that take a
# value.
function __annexshell_at
    __annexshell_verb $argv[1]; or return
    set -l given -2
    set -l before
    for word in (commandline -opc)
        if not contains -- "$before" $argv[3..]; and not string match -q -- '-*' $word
            set given (math $given + 1)
        end
        set before $word
    end
    switch $argv[2]
        case '*+'
            test $given -ge (string trim -c + -- $argv[2])
        case '*'
            test $given -eq $argv[2]
    end
end

function __annexshell_clusters
    git config --name-only --get-regexp '^annex\.cluster\.' 2>/dev/null | string replace annex.cluster. ''
end

complete -c annexshell -f
complete -c annexshell -n __fish_is_first_token -s h -l help -d 'Show how to use it'
complete -c annexshell -n __fish_is_first_token -l version -d 'Show the version'
"""
_ACTIONS = {
    FILES: "-F",
    DIRECTORIES: "-a '(__fish_complete_directories)'",
    REMOTES: "-a '(git remote 2>/dev/null)'",
    REPOSITORIES: "-a 'here (git remote 2>/dev/null)'",
    CLUSTERS: "-a '(__annexshell_clusters)'",
}


def script(verbs: list[Verb]) -> str:
    lines = [
        f"complete -c annexshell -n __fish_is_first_token -a {verb.name} -d {_quoted(verb.text)}" for verb in verbs
    ]
    for verb in verbs:
        lines += [_option(verb, option) for option in verb.options]
        lines += [line for number in range(len(verb.arguments)) for line in _argument(verb, number)]
    return _HEAD + "\n".join(lines) + "\n"


def _option(verb: Verb, option: Option) -> str:
    names = f" -s {option.short[1:]}" * bool(option.short) + f" -l {option.long[2:]}" * bool(option.long)
    value = ""
    if option.value is not None:
        action = _action(option.value)
        value = " -r " + action if action == "-F" else f" -x {action}".rstrip()
    line = f"complete -c annexshell -n '__annexshell_verb {verb.name}'{names}{value}"
    return f"{line} -d {_quoted(option.text)}"


def _argument(verb: Verb, number: int) -> list[str]:
    """The commands that complete one argument of a verb; none if nothing is known about it."""
    action = _action(verb.arguments[number])
    valued = "".join(f" {name}" for option in verb.options if option.value is not None for name in option.names)
    more = "+" if verb.repeats and number + 1 == len(verb.arguments) else ""
    where = f"'__annexshell_at {verb.name} {number}{more}{valued}'"
    return [f"complete -c annexshell -n {where} {action}"] if action else []


def _action(value: Value) -> str:
    return _ACTIONS.get(value.kind) or (f"-a '{' '.join(value.words)}'" if value.words else "")


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
