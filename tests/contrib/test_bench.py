"""The benchmark: no message is lost, and every figure is printed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "contrib" / "bench" / "bench.py"


@pytest.mark.skipif(sys.platform != "linux", reason="needs the scheduler's account of Linux")
def test_a_small_measurement():
    done = subprocess.run(
        [sys.executable, BENCH, "--count", "500", "--fan", "2", "--body", "10"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    number = r"[\d,.]+"
    assert re.fullmatch(
        rf"fan 2  body 10  lost 0  rate {number}/s  server {number} us CPU/message  "
        rf"p50 {number} us  p99 {number} us\n",
        done.stdout,
    )
