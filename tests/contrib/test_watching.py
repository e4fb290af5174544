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
    assert len(lines) == 6
    for line in lines:
        assert re.fullmatch(r".+ +\d+\.\d\d ms a look   longest turn +\d+\.\d\d ms", line), line
