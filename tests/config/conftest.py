"""Fixtures: the built-in handlers as pyproject.toml declares them, and a builder of plans."""

import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from ccproxy.config.build import build
from ccproxy.plugins import HANDLER, PROTOCOL, Plugins

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def finder():
    """Finds built-in handlers and protocols, whether or not the project is installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return Plugins(
        EntryPoint(word, value, kind.group)
        for kind in (HANDLER, PROTOCOL)
        for word, value in project["entry-points"][kind.group].items()
    )


@pytest.fixture
def build_ini(tmp_path, monkeypatch, finder):
    """Builds the text of an x.ini, with `--set` options: the plan and the problems as texts."""
    monkeypatch.chdir(tmp_path)

    def made(text, overrides=None):
        Path("x.ini").write_text(text)
        plan, problems = build("x.ini", overrides or {}, finder)
        return plan, [str(problem) for problem in problems]

    return made


@pytest.fixture
def plan_of(build_ini):
    """The plan of a text that has no mistakes."""

    def made(text, overrides=None):
        plan, problems = build_ini(text, overrides)
        assert plan is not None, problems
        return plan

    return made
