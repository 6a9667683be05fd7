"""Completion for bash. compgen -W is not used: it would expand names from a repository, and so run what they say."""

from __future__ import annotations

from annexshell.cli.admin.serving.completion.usage import CLUSTERS, DIRECTORIES, FILES, REMOTES, REPOSITORIES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.serving.completion.usage import Value, Verb

_TEMPLATE = r"""# Has bash complete command lines of annexshell. Made by: annexshell completion bash

# Offers the words that begin as the current one does.
_annexshell_words() {
    local word
    for word; do
        [[ $word == "$cur"* ]] || continue
        [[ $word == *= ]] && compopt -o nospace 2>/dev/null
        [[ $word == *[!A-Za-z0-9_=.,/:+-]* ]] && printf -v word %q "$word"
        COMPREPLY+=("$prefix$word")
    done
}

# Offers what a value of some kind can be.
_annexshell_value() {
    local -a found=()
    case $1 in
        @files@) compopt -o filenames 2>/dev/null; mapfile -t found < <(compgen -f -- "$cur") ;;
        @directories@) compopt -o filenames 2>/dev/null; mapfile -t found < <(compgen -d -- "$cur") ;;
        @remotes@) mapfile -t found < <(git remote 2>/dev/null); _annexshell_words "${found[@]}"; return ;;
        @repositories@) mapfile -t found < <(git remote 2>/dev/null); _annexshell_words here "${found[@]}"; return ;;
        @clusters@)
            mapfile -t found < <(git config --name-only --get-regexp '^annex\.cluster\.' 2>/dev/null)
            _annexshell_words "${found[@]#annex.cluster.}"
            return
            ;;
        *) read -ra found <<<"$1"; _annexshell_words "${found[@]}"; return ;;
    esac
    COMPREPLY=("${found[@]/#/$prefix}")
}

# Says of a verb which options it has (options), what its arguments are (arguments, more), and what is the value of the
# option $1 (value, "-" if it takes none).
_annexshell_verb() {
    value=-
    case $verb in
@verbs@
        '') arguments=('@names@') ;;
    esac
}

_annexshell() {
    local cur=${COMP_WORDS[COMP_CWORD]-} prefix='' verb='' value='' more='' option='' ended='' word
    local -a options=() arguments=()
    local -i number=0 position
    COMPREPLY=()
    for ((position = 1; position < COMP_CWORD; position++)); do
        word=${COMP_WORDS[position]}
        if [[ $word == = && -n $option ]]; then
            continue # between an option and its value
        elif [[ -n $option ]]; then
            option=''
        elif [[ -n $verb && -z $ended && $word == -- ]]; then
            ended=1
        elif [[ -n $verb && -z $ended && $word == -* ]]; then
            _annexshell_verb "$word"
            [[ $value == - ]] || option=$word
        elif [[ -z $verb && $word == -* ]]; then
            continue
        elif [[ -z $verb ]]; then
            verb=$word
        else
            number+=1
        fi
    done
    [[ $cur == = && -n $option ]] && cur=''
    if [[ -z $option && -z $ended && $cur == --*=* ]]; then # where = does not separate words
        option=${cur%%=*} prefix=${cur%%=*}= cur=${cur#*=}
    fi
    _annexshell_verb "$option"
    if [[ -n $option ]]; then
        [[ $value == - ]] || _annexshell_value "$value"
    elif [[ -z $verb && $cur == -* ]]; then
        _annexshell_words --help --version
    elif [[ -z $ended && $cur == -* ]]; then
        _annexshell_words "${options[@]}"
    elif ((number < ${#arguments[@]})); then
        _annexshell_value "${arguments[number]}"
    elif [[ -n $more ]]; then
        _annexshell_value "$more"
    fi
}

complete -F _annexshell annexshell
"""
_KINDS = (FILES, DIRECTORIES, REMOTES, REPOSITORIES, CLUSTERS)


def script(verbs: list[Verb]) -> str:
    text = _TEMPLATE.replace("@verbs@", "\n".join(_case(verb) for verb in verbs))
    text = text.replace("@names@", " ".join(verb.name for verb in verbs))
    for kind in _KINDS:
        text = text.replace(f"@{kind}@", f"@{kind}")
    return text


def _case(verb: Verb) -> str:
    """The branch of the case statement for a verb."""
    names = [name + "=" * (option.value is not None and name == option.long)
             for option in verb.options for name in option.names]  # fmt: skip
    arguments = " ".join(f"'{_kind(value)}'" for value in verb.arguments)
    more = f" more='{_kind(verb.arguments[-1])}'" if verb.repeats and _kind(verb.arguments[-1]) else ""
    values: dict[str, list[str]] = {}
    for option in verb.options:
        if option.value is not None:
            values.setdefault(_kind(option.value), []).extend(option.names)
    lines = [f"        {verb.name})", f"            options=({' '.join(names)}) arguments=({arguments}){more}"]
    if values:
        lines.append("            case $1 in")
        lines += [f"                {' | '.join(names)}) value='{kind}' ;;" for kind, names in values.items()]
        lines.append("            esac")
    return "\n".join([*lines, "            ;;"])


def _kind(value: Value) -> str:
    return f"@{value.kind}" if value.kind else " ".join(value.words)
