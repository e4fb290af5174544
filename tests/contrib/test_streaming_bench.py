"""The benchmark of large bodies: each way arrives, and its figures are printed."""

import re
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "contrib" / "bench" / "streaming.py"


def test_a_small_measurement():
    done = subprocess.run(
        [sys.executable, BENCH, "--mb", "0.5", "--seconds", "0.2"],
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()[1:]
    assert [line.split()[0] for line in lines] == ["download", "upload", "call"]
    for line in lines:
        assert re.search(r"\d+ MB/s +-?\d+\.\d MB +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+ +\d", line), line
