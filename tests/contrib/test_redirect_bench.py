"""The benchmark of the redirect: every answer is right, and every figure is printed."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "contrib" / "bench" / "redirect.py"
FIGURES = r" +[\d,]+ /s +\d+\.?\d* us"


def lines(*arguments: str) -> list[str]:
    command = [sys.executable, str(BENCH), *arguments, "--seconds", "0.1", "--runs", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[2:]


def test_forms():
    forms = ("http, passed", "soap", "sodeps")
    found = lines("--only", "forms", "--clients", "2", "--form", *forms)
    assert len(found) == len(forms)
    for form, line in zip(forms, found, strict=True):
        assert re.fullmatch(rf"{form} *(?:{FIGURES}){{2}} +\d+\.\d\d", line), line


@pytest.mark.skipif(shutil.which("gcc") is None, reason="the clients are in C")
def test_the_relays():
    found = lines("--only", "relay")
    assert len(found) == 5
    for line in found:
        assert re.fullmatch(rf"[^/]+?(?:{FIGURES}){{4}}(?: +\d+\.\d\d){{3}}", line), line
