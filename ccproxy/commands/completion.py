"""The verb `completion`: prints a script with which a shell completes command lines.

The scripts ask the program itself each time, so that they know the routes of the file on the
command line and the verbs of plugins: `ccserver completion SHELL =WORD...`, with a `=` in front of
each word, so that none is taken for an option of this command.
"""

from __future__ import annotations

import argparse

from ccproxy.commands.candidates import candidates
from ccproxy.verb import Verb

EXAMPLES = """\
examples:
  eval "$(ccserver completion bash)"                               in ~/.bashrc
  eval "$(ccserver completion zsh)"                                in ~/.zshrc, behind compinit
  ccserver completion fish > ~/.config/fish/completions/ccserver.fish"""

BASH = r"""_ccserver() {
    local line=${COMP_LINE:0:COMP_POINT} IFS=$' \t\n' words current here word
    read -ra words <<< "$line"
    words=("${words[@]:1}")
    [[ $line == *[[:space:]] ]] && words+=("")
    current=${words[${#words[@]}-1]}
    # The shell splits words at `:` and `=`, and replaces only what is behind the last of them.
    here=${current%"${current##*[:=]}"}
    COMPREPLY=()
    IFS=$'\n'
    for word in $("$1" completion bash "${words[@]/#/=}" 2>/dev/null); do
        case $word in
            :ini)
                compopt -o filenames 2>/dev/null
                COMPREPLY+=($(compgen -f -X '!*.ini' -- "$current"; compgen -d -- "$current")) ;;
            :files)
                compopt -o filenames 2>/dev/null
                COMPREPLY+=($(compgen -f -- "$current")) ;;
            *)
                COMPREPLY+=("${word#"$here"}") ;;
        esac
    done
}
complete -F _ccserver ccserver
"""

ZSH = r"""#compdef ccserver
_ccserver() {
    local line word
    local -a found shown
    for line in "${(@f)$(${words[1]} completion zsh "=${(@)^words[2,CURRENT]}" 2>/dev/null)}"; do
        word=${line%%$'\t'*}
        case $word in
            '') ;;
            :ini) _files -g '*.ini' ;;
            :files) _files ;;
            *) found+=("$word"); shown+=("$word  ${line#*$'\t'}") ;;
        esac
    done
    (( $#found )) && compadd -l -d shown -a found
}
compdef _ccserver ccserver
"""

FISH = r"""function __ccserver_candidates
    set -l words (commandline -opc) (commandline -ct)
    for line in ($words[1] completion fish =$words[2..-1] 2>/dev/null)
        switch $line
            case ':ini*'
                __fish_complete_suffix (commandline -ct) .ini
            case ':files*'
                __fish_complete_path (commandline -ct)
            case '*'
                echo $line
        end
    end
end
complete -c ccserver -f -a '(__ccserver_candidates)'
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


class CompletionVerb(Verb):
    """`ccserver completion`."""

    about = "print a completion script for bash, zsh or fish"
    examples = EXAMPLES

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the shell, and the words that its script asks about."""
        parser.add_argument("shell", choices=tuple(SCRIPTS), help="whose script to print")
        parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)

    def run(self, options: argparse.Namespace) -> int:
        """Print the script; or the candidates, with their meaning where the shell shows it."""
        if not options.words:
            print(SCRIPTS[options.shell], end="")
            return 0
        for one in candidates([word.removeprefix("=") for word in options.words]):
            about = " ".join(one.about.split())
            print(one.word if options.shell == "bash" else f"{one.word}\t{about}")
        return 0
