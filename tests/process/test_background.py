"""Going to the background, and what the waiting parent is told."""

import os
import subprocess
import sys


def background(program, tmp_path):
    """Run a program that goes to the background: exit status, stdout, stderr of the parent."""
    head = "import os, sys, time\nfrom ccproxy.process.background import go_to_background\n"
    done = subprocess.run(
        [sys.executable, "-c", head + program], capture_output=True, text=True, timeout=30,
        cwd=tmp_path,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


START = """
line = go_to_background()
if isinstance(line, int): sys.exit(line)
"""


def test_the_parent_waits_until_the_child_is_ready(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    program = START + (
        "print('unheard'); print('unheard', file=sys.stderr)\n"
        "open('session', 'w').write(f'{os.getsid(0) != os.getpid()} {os.getcwd()}')\n"
        "line.ready(); line.ready()\n"
        "open('fifo').read()\n"
        "open('over', 'w').close()\n"
        "os.unlink('fifo')\n"
    )
    assert background(program, tmp_path) == (0, "", "")
    assert (tmp_path / "session").read_text() == f"True {tmp_path}"
    assert not (tmp_path / "over").exists()
    fifo.write_text("go on")


def test_a_warning_of_a_start_is_printed(tmp_path):
    program = START + "print('unheard', file=sys.stderr); line.ready('beware\\n')"
    assert background(program, tmp_path) == (0, "", "beware\n")


def test_a_failed_start_is_told_with_its_status(tmp_path):
    program = START + "print('the reason', file=sys.stderr); line.failed(78); line.ready()"
    assert background(program, tmp_path) == (78, "", "the reason\n")


def test_a_child_that_dies_is_told(tmp_path):
    status, out, err = background(START + "raise SystemError('broken')", tmp_path)
    assert (status, out) == (1, "")
    assert "SystemError: broken" in err
    assert err.endswith("ccserver: the background process ended before it was ready\n")
