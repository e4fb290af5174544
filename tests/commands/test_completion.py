"""The completion scripts, in the shells they are for: what the Tab key leaves on the screen."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

INI = """\
    [ccserver]
    cc-socket = tcp://127.0.0.1:5000
    cc-role = remote
    [routes]
    log.info = h:echo
    [h:echo]
    handler = echo
"""
SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
SET_UP = {
    "bash": 'bind "set enable-bracketed-paste off"; eval "$(ccserver completion bash)"',
    "zsh": 'autoload -U compinit; compinit -u -D; eval "$(ccserver completion zsh)"',
    "fish": "ccserver completion fish | source",
}
TIMEOUT = 60.0
"""Each Tab starts a Python, 0.5 s of processor time, and some waits are for three of them. On a
machine whose cores other programs kept busy, 15 s were too few."""


def wanted(shell: str) -> str:
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    return shell


class Terminal:
    """A shell on a terminal of its own; what it has shown is kept."""

    def __init__(self, shell: str, folder: Path) -> None:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {"PATH": path, "HOME": str(folder), "TERM": "dumb", "PS1": "$ "}
        main, side = pty.openpty()
        self.main = main
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *SHELLS[shell]], cwd=folder, env=environment,
            stdin=side, stdout=side, stderr=side,
        )  # fmt: skip
        os.close(side)

    def type(self, text: str) -> None:
        os.write(self.main, text.encode())

    def wait_for(self, pattern: str) -> str:
        """What is shown until the pattern is."""
        shown, end = "", time.monotonic() + TIMEOUT
        while not re.search(pattern, shown):
            assert time.monotonic() < end, f"no {pattern!r} in {shown!r}"
            if select.select([self.main], [], [], 0.1)[0]:
                shown += os.read(self.main, 4096).decode("utf-8", "replace")
                shown = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]|\x07|[^\n]\x08", "", shown)
        return shown

    def close(self) -> None:
        self.process.kill()
        self.process.wait(TIMEOUT)
        os.close(self.main)


@pytest.fixture
def terminal(tmp_path, request, ini):
    """A shell that has read its script, beside a configuration x.ini."""
    shell = wanted(request.param)
    ini(INI)
    found = Terminal(shell, tmp_path)
    try:
        found.type(f"{SET_UP[shell]}; echo rea''dy\n")
        found.wait_for(r"ready\r?\n")
        yield found
    finally:
        found.close()


@pytest.mark.parametrize("terminal", SHELLS, indirect=True)
def test_the_tab_key(terminal):
    for line, becomes in [
        ("ccserver expl\tx.i\tlog\t", r"explain x\.ini log\.info"),
        ("ccserver mesh x.ini undr\t", "undrain"),
        ("ccserver send x.ini log.info --time\t", "--timeout"),
    ]:
        terminal.type("\x15" + line)  # behind Ctrl-U, which deletes what is there
        terminal.wait_for(becomes)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_can_read_it(shell, call):
    script = call("completion", shell)[1]
    done = subprocess.run(
        [wanted(shell), "-n"], input=script, text=True, capture_output=True, timeout=TIMEOUT
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_script_asks_for_candidates(call):
    assert call("completion", "bash", "=mesh", "=x.ini", "=undr")[:2] == (0, "undrain\n")
    status, out, _ = call("completion", "fish", "=check", "=--")
    assert (status, out.splitlines()[-1]) == (0, "--json\tprint JSON instead of text")


def test_an_unknown_shell(call):
    assert call("completion", "tcsh")[0] == 2
