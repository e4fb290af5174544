"""The completion scripts know every verb and option, and shells can read them."""

import shutil
import subprocess

import pytest

from ccproxy import cli


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_verb_and_long_option_is_in_the_script(shell, call):
    status, out, _ = call("completion", shell)
    assert status == 0
    for verb in cli.Verbs().names:
        assert verb in out
        for action in cli.parser_of(verb)._actions:
            for option in action.option_strings:
                assert (option if shell != "fish" else option.lstrip("-")) in out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_can_read_it(shell, call):
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    script = call("completion", shell)[1]
    done = subprocess.run([shell, "-n"], input=script, text=True, capture_output=True, timeout=20)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["ccserver", "ex"], {"explain"}),
        (["ccserver", "-"], {"-d", "--daemon", "--set", "--version"}),
        (["ccserver", "check", "--"], {"--json", "--help"}),
        (["ccserver", "send", "x.ini", "log", "--"], {"--wait", "--timeout"}),
    ],
)
def test_bash_completes(words, found, call, tmp_path):
    script = call("completion", "bash")[1]
    quoted = " ".join(f"'{word}'" for word in words)
    script += f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _ccserver\n"
    script += 'printf "%s\\n" "${COMPREPLY[@]}"\n'
    done = subprocess.run(
        ["bash"], input=script, text=True, capture_output=True, timeout=20, cwd=tmp_path
    )
    assert done.stderr == ""
    assert found <= set(done.stdout.split())


def test_an_unknown_shell(call):
    assert call("completion", "tcsh")[0] == 2
