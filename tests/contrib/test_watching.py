"""The benchmark of being watched: each way to look works, and its figures are printed."""

import re
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "contrib" / "bench" / "watching.py"


def test_a_small_measurement():
    done = subprocess.run(
        [sys.executable, BENCH, "--peers", "3", "--types", "50", "--looks", "2"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 8
    for line in lines:
        assert re.fullmatch(r".+ +\d+\.\d\d ms a look   longest turn +\d+\.\d\d ms", line), line


def test_messages_with_and_without_watchers():
    done = subprocess.run(
        [sys.executable, BENCH, "--peers", "3", "--types", "50", "--pairs", "1", "--seconds", "1"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(r"alone \d+\.\d+ us a message, watched \d+\.\d+, ratio ", done.stdout)
    assert re.search(r"median of 1: \d+\.\d+\n", done.stdout)
