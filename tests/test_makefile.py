"""The Makefile: an install follows each file that is compiled, `clean` removes what it made."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = dict(
    re.findall(r'"(ccproxy[\w.]+)": "(ccproxy[\w/]+\.py)"', (ROOT / "setup.py").read_text())
)
pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="no make here")


def commands(*words: str) -> str:
    """What make would do, without doing it."""
    done = subprocess.run(
        ["make", "-n", *words], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_is_something_to_compile():
    assert "ccproxy/core/hot.py" in SOURCES.values()


@pytest.mark.parametrize("file", [*SOURCES.values(), "setup.py", "pyproject.toml"])
def test_an_edit_leads_to_a_new_install(file):
    assert "pip install" in commands("-W", file, ".venv/installed")


def test_an_edit_of_a_type_declaration_leads_to_a_new_install():
    declarations = sorted(ROOT.glob("ccproxy/**/*.pxd"))
    assert declarations
    for file in declarations:
        assert "pip install" in commands("-W", str(file.relative_to(ROOT)), ".venv/installed")


@pytest.mark.parametrize("module", SOURCES)
def test_clean_removes_each_compiled_module(module):
    assert f"{module.replace('.', '/')}*.so" in commands("clean")


def test_the_distribution_under_its_old_name_goes_first():
    steps = commands("-W", "setup.py", ".venv/installed")
    assert steps.index("pip uninstall --quiet --yes ccproxy") < steps.index("pip install")
