"""The verb `completion`: prints a script with which a shell completes verbs, options and files."""

from __future__ import annotations

import argparse

from ccproxy import cli
from ccproxy.verb import Verb

EXAMPLES = """\
examples:
  eval "$(ccserver completion bash)"                                      in ~/.bashrc
  eval "$(ccserver completion zsh)"                                       in ~/.zshrc
  ccserver completion fish > ~/.config/fish/completions/ccserver.fish"""

BASH = """\
_ccserver() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} verb=run each options
    for each in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case $each in {alternatives}) verb=$each; break ;; esac
    done
    case $verb in
{cases}
    esac
    if [[ $word == -* ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$word"))
        return
    fi
    COMPREPLY=($(compgen -f -X '!*.ini' -- "$word") $(compgen -d -S / -- "$word"))
    if (( COMP_CWORD == 1 )); then
        COMPREPLY+=($(compgen -W "{verbs}" -- "$word"))
    fi
}}
complete -o nospace -F _ccserver ccserver
"""

ZSH = """\
#compdef ccserver
autoload -U +X bashcompinit && bashcompinit
{bash}"""


class CompletionVerb(Verb):
    """`ccserver completion`."""

    about = "print a completion script for bash, zsh or fish"
    examples = EXAMPLES

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the shell."""
        parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="whose script to print")

    def run(self, options: argparse.Namespace) -> int:
        """Print the script."""
        scripts = {"bash": bash, "zsh": lambda: ZSH.format(bash=bash()), "fish": fish}
        print(scripts[options.shell](), end="")
        return 0


def options_of(verb: str) -> list[tuple[list[str], str]]:
    """The option strings of a verb with their help."""
    actions = cli.parser_of(verb)._actions  # argparse offers no public list
    return [(list(one.option_strings), one.help or "") for one in actions if one.option_strings]


def bash() -> str:
    """The script for bash."""
    cases = []
    for verb in cli.Verbs().names:
        words = " ".join(word for strings, _ in options_of(verb) for word in strings)
        cases.append(f'        {verb}) options="{words}" ;;')
    names = list(cli.Verbs().names)
    return BASH.format(alternatives="|".join(names), cases="\n".join(cases), verbs=" ".join(names))


def fish() -> str:
    """The script for fish."""
    first = "__fish_is_first_token"
    lines = [
        f"complete -c ccserver -n {first} -a {verb} -d '{about}'"
        for verb, about in cli.Verbs().table().items()
    ]
    for verb in cli.Verbs().names:
        seen = f"'__fish_seen_subcommand_from {verb}'"
        if verb == "run":
            others = " ".join(name for name in cli.Verbs().names if name != "run")
            seen = f"'not __fish_seen_subcommand_from {others}'"
        for strings, about in options_of(verb):
            flags = " ".join(fish_flag(one) for one in strings)
            text = about.replace("'", "")
            lines.append(f"complete -c ccserver -n {seen} {flags} -d '{text}'")
    return "\n".join(lines) + "\n"


def fish_flag(option: str) -> str:
    """`-x` or `--xyz` in the form that fish expects."""
    return f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
