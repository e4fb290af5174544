"""The demo of CAMEO: requests, answers and a synchronised stream arrive, and it says how it ran."""

import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).parents[2] / "contrib" / "cameo" / "demo.py"


def test_everything_arrives():
    command = [sys.executable, str(DEMO), "30"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=200)
    print(found.stdout, found.stderr, sep="\n")
    assert found.returncode == 0
    assert "500 requests answered" in found.stdout
    assert "1000 messages, all in order" in found.stdout
    assert ("namespaces" in found.stdout) != ("no packet is filtered" in found.stdout)
    assert found.stdout.endswith("everything arrived\n")
