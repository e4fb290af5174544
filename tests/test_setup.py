"""The one thing setup.py must not get wrong: what it says was compiled is what was compiled now."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def project(tmp_path):
    """A copy of it in a folder where Cython cannot be imported."""
    pytest.importorskip("setuptools")
    shutil.copy(ROOT / "setup.py", tmp_path)
    (tmp_path / "Cython").mkdir()
    (tmp_path / "Cython" / "__init__.py").write_text("raise ImportError('not here')\n")
    (tmp_path / "ccproxy" / "core").mkdir(parents=True)
    (tmp_path / "ccproxy" / "core" / "hot.py").write_text("")
    return tmp_path


def test_what_an_earlier_build_compiled_is_not_installed_again(project):
    old = [
        project / "out" / "ccproxy" / "core" / "_hot.cpython-311-x86_64-linux-gnu.so",
        project / "out" / "ccproxy" / "protocols" / "jolie" / "sodep" / "_scan.abi3.so",
    ]
    kept = project / "ccproxy" / "core" / "_hot.abi3.so"
    for file in (*old, kept):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("old")
    command = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", "out"]
    done = subprocess.run(
        command, cwd=project, env={"PYTHONPATH": "."}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "plain Python data path (not here)" in done.stderr
    assert [file.exists() for file in (*old, kept)] == [False, False, True]
