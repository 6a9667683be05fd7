"""Completion for zsh."""

from __future__ import annotations

from annexshell.cli.admin.serving.completion.usage import CLUSTERS, DIRECTORIES, FILES, REMOTES, REPOSITORIES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.serving.completion.usage import Option, Value, Verb

_TEMPLATE = r"""#compdef annexshell
# Has zsh complete command lines of annexshell. Made by: annexshell completion zsh

_annexshell_remotes() {
    compadd "$@" -- ${(f)"$(git remote 2>/dev/null)"}
}

_annexshell_repositories() {
    compadd "$@" -- here ${(f)"$(git remote 2>/dev/null)"}
}

_annexshell_clusters() {
    local -a names=(${(f)"$(git config --name-only --get-regexp '^annex\.cluster\.' 2>/dev/null)"})
    compadd "$@" -- ${names#annex.cluster.}
}

_annexshell() {
    local curcontext=$curcontext state line
    typeset -A opt_args
    local -a verbs=(
@names@
    )
    _arguments -C '(- *)'{-h,--help}'[Show how to use it]' '(- *)--version[Show the version]' \
        '1:verb:->verb' '*::argument:->argument'
    case $state in
        verb) _describe verb verbs ;;
        argument)
            curcontext=${curcontext%:*:*}:annexshell-$words[1]:
            case $words[1] in
@verbs@
            esac
            ;;
    esac
}

if [[ $funcstack[1] == _annexshell ]]; then
    _annexshell "$@"
else
    compdef _annexshell annexshell
fi
"""
_ACTIONS = {
    FILES: "_files",
    DIRECTORIES: "_files -/",
    REMOTES: "_annexshell_remotes",
    REPOSITORIES: "_annexshell_repositories",
    CLUSTERS: "_annexshell_clusters",
}


def script(verbs: list[Verb]) -> str:
    names = [f"        {_quoted(f'{verb.name}:{verb.text}')}" for verb in verbs]
    return _TEMPLATE.replace("@names@", "\n".join(names)).replace("@verbs@", "\n".join(map(_case, verbs)))


def _case(verb: Verb) -> str:
    """The branch of the case statement for a verb."""
    specs = [spec for option in verb.options for spec in _option(option)]
    for number, value in enumerate(verb.arguments, 1):
        specs.append(f"{number}{_value(value)}")
    if verb.repeats:
        specs.append(f"*{_value(verb.arguments[-1])}")
    lines = " \\\n".join(f"                        {_quoted(spec)}" for spec in specs)
    return f"                {verb.name})\n                    _arguments -S \\\n{lines}\n                    ;;"


def _option(option: Option) -> list[str]:
    """A specification for each name of an option. A `*` in front has zsh offer it more than once."""
    others = "*" if "repeated" in option.text else f"({' '.join(option.names)})"
    text = "".join(f"\\{c}" if c in "[]:\\" else c for c in option.text)
    found = []
    for name in option.names:
        joint = "" if option.value is None else "=" if name == option.long else "+"
        found.append(f"{others}{name}{joint}[{text}]{'' if option.value is None else _value(option.value)}")
    return found


def _value(value: Value) -> str:
    action = _ACTIONS.get(value.kind) or (f"({' '.join(value.words)})" if value.words else " ")
    return f":{value.name}:{action}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
