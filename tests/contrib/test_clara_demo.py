"""The demo of CLARA: every answer comes from inside, where nothing listens to the outside."""

import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).parents[2] / "contrib" / "clara" / "demo.py"


def test_everything_arrives():
    done = subprocess.run([sys.executable, DEMO], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "100 of 100 requests through the gateway" in done.stdout
    assert "the DPE listens on nothing" in done.stdout or sys.platform != "linux"
    assert "all answers were right" in done.stdout and "everything has arrived" in done.stdout
