"""The demo of the shop with few requests: all promises hold, and it says so."""

import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "contrib" / "shop" / "demo.py"


@pytest.mark.slow
@pytest.mark.xdist_group("shop")
def test_the_promises_hold():
    found = subprocess.run(
        [sys.executable, str(DEMO), "--requests", "600", "--rate", "100", "--users", "4", "--logs"],
        capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    print(found.stdout, found.stderr, sep="\n")
    assert found.returncode == 0
    assert "all promises kept" in found.stdout
