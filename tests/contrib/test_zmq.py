"""The demo of ZeroMQ devices: everything arrives, and it says so."""

import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).parents[2] / "contrib" / "zmq" / "demo.py"


def test_everything_arrives():
    found = subprocess.run([sys.executable, str(DEMO)], capture_output=True, text=True, timeout=120)
    print(found.stdout, found.stderr, sep="\n")
    assert found.returncode == 0
    assert "SUB 'weather'      got weather.lima=200 weather.oslo=200" in found.stdout
    assert "400 answers were right" in found.stdout
    assert "everything arrived, the server stopped cleanly" in found.stdout
