"""Lists that must be complete: verbs, options, handlers, fates, configurations, packages."""

import ast
import importlib.util
import re
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import ccproxy
from ccproxy import Handler, __version__, cli
from ccproxy.commands import common
from ccproxy.config.options import options_of
from ccproxy.config.server import ListenSection, ServerOptions
from ccproxy.core.ledger import FATES
from ccproxy.server.events import EVENTS
from tests.certificates import example

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
CONFIG = (ROOT / "docs" / "config.md").read_text("utf-8")
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text("utf-8")
OPERATE = (ROOT / "docs" / "operate.md").read_text("utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
CONFIGURATIONS = sorted(one for one in ROOT.glob("conf/*.ini") if "." not in one.stem)
"""Of servers; NAME.graph.ini and NAME.repo.ini are read by handlers."""
HELPERS = {
    "__init__", "candidates", "cases", "columns", "common", "control", "drawing", "dry",
    "environment", "explanation", "frames", "live_flow", "members", "nearmiss", "numbers",
    "offline", "offline_context", "offline_messages", "operate", "parts", "proof", "sample",
    "server_verb", "succeeding", "topology", "undelivered", "unserved", "verdicts",
}  # fmt: skip
"""Modules of `commands` that are no verbs."""

BUILT_IN = {
    point.name: point.load()
    for point in entry_points(group="ccproxy.handlers")
    if point.module.startswith("ccproxy_handlers.")
}


@pytest.fixture(scope="module")
def reference():
    spec = importlib.util.spec_from_file_location("reference", ROOT / "contrib" / "reference.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_every_module_of_commands_is_a_verb():
    modules = {file.stem for file in ROOT.glob("ccproxy/commands/*.py")}
    assert modules - HELPERS == {
        point.module.rpartition(".")[2]
        for point in entry_points(group="ccproxy.verbs")
        if point.module.startswith("ccproxy.commands.")
    }


@pytest.mark.parametrize("verb", cli.Verbs().names)
def test_every_verb_is_in_the_help_and_documented(verb):
    assert f"  {verb} " in cli.parser_of("run", overview=True).format_help()
    assert f"`ccserver {verb} " in OPERATE


@pytest.mark.parametrize("verb", cli.Verbs().names)
def test_every_option_and_argument_of_a_verb_has_help(verb):
    for action in cli.parser_of(verb)._actions:
        assert action.help, action


@pytest.mark.parametrize("verb", cli.Verbs().names)
def test_every_verb_has_examples_that_begin_with_its_name(verb):
    assert "examples:" in cli.Verbs().load(verb).examples
    assert f"ccserver {verb}" in cli.Verbs().load(verb).examples


@pytest.mark.parametrize(
    "table", [ServerOptions, ListenSection, *(one.Options for one in BUILT_IN.values())],
    ids=lambda table: table.__module__,
)  # fmt: skip
def test_every_option_has_help(table):
    for one in options_of(table):
        assert one.help and not one.help.endswith("."), one.name
        assert one.help[0].islower() or not one.help[0].isalpha() or one.help[:3].isupper(), one


@pytest.mark.parametrize("group", ["ccproxy.handlers", "ccproxy.protocols", "ccproxy.verbs"])
def test_the_entry_points_are_those_of_the_project_file(group):
    installed = {
        point.name: point.value
        for point in entry_points(group=group)
        if point.module.partition(".")[0] in {"ccproxy", "ccproxy_handlers"}
    }
    assert installed == PROJECT["project"]["entry-points"][group]


@pytest.mark.parametrize("word", BUILT_IN)
def test_every_handler_is_documented(word):
    assert issubclass(BUILT_IN[word], Handler)
    assert BUILT_IN[word].__doc__
    assert f"| `{word}` |" in CONFIG
    assert f"### `handler = {word}`" in CONFIG


def test_every_handler_module_is_an_entry_point():
    values = PROJECT["project"]["entry-points"]["ccproxy.handlers"].values()
    modules = {value.partition(":")[0].rpartition(".")[2] for value in values}
    with_handlers = {
        file.stem
        for file in ROOT.glob("handlers/**/*.py")
        if re.search(r"^class \w+\((Handler|Group)\):", file.read_text("utf-8"), re.MULTILINE)
    }
    assert with_handlers == modules


@pytest.mark.parametrize("page", ["config.md", "mesh.md"])
def test_the_reference_is_what_the_code_says(reference, page):
    hint = "run: python contrib/reference.py --write"
    assert set(reference.PAGES) == {"config.md", "mesh.md"}
    assert (ROOT / "docs" / page).read_text("utf-8") == reference.written(page), hint


@pytest.mark.parametrize("word", PROJECT["project"]["entry-points"]["ccproxy.protocols"])
def test_every_protocol_is_documented(word):
    assert f"| `{word}` |" in CONFIG
    assert f"### `protocol = {word}`" in CONFIG


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_is_documented(event):
    [row] = re.findall(rf"(?m)^\| `{re.escape(event)}` \| (.*) \|$", OPERATE)
    assert row.replace("`", "") == EVENTS[event].replace("`", "")


@pytest.mark.parametrize("fate", FATES)
def test_every_fate_is_documented(fate):
    assert f"| `{fate}` |" in CONFIG


@pytest.mark.parametrize("file", CONFIGURATIONS, ids=lambda file: file.name)
def test_every_configuration_is_valid_and_in_the_readme(file, tmp_path):
    plan, problems = common.load(example(file, tmp_path))
    assert plan is not None and problems == []
    assert f"| [conf/{file.name}](https://" in README


def test_every_package_is_in_the_project_file():
    found = {
        ".".join(file.parent.relative_to(ROOT).parts)
        for file in ROOT.glob("ccproxy/**/__init__.py")
    }
    handlers = {
        ".".join(("ccproxy_handlers", *file.parent.relative_to(ROOT / "handlers").parts))
        for file in ROOT.glob("handlers/**/__init__.py")
    }
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == found | handlers
    for package in found:
        assert (ROOT / package.replace(".", "/") / "__init__.py").exists()


def test_the_version_is_asked_of_one_place():
    """A distribution that was installed before the version changed says the older one."""
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "ccproxy.__version__"}
    for file in [*ROOT.glob("ccproxy/**/*.py"), *ROOT.glob("handlers/**/*.py")]:
        assert f'"{__version__}"' not in file.read_text("utf-8") or file.parent.name == "ccproxy"


def test_the_make_targets_are_documented():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = re.search(r"(?m)^\.PHONY: help (.*)$", makefile)
    assert targets
    for target in targets[1].split():
        assert f"\n{target}:" in makefile
        assert f"@echo 'make {target} " in makefile
        assert f"make {target}`" in README + CONTRIBUTING or f"make {target} " in README


def test_the_changelog_has_a_place_for_what_is_new():
    assert "\n## Unreleased\n" in (ROOT / "CHANGELOG.md").read_text("utf-8")


@pytest.mark.parametrize("word", BUILT_IN)
def test_every_built_in_handler_says_what_becomes_of_a_message(word):
    own = BUILT_IN[word].explain is not Handler.explain
    assert own or len(BUILT_IN[word].__doc__.partition("\n")[0]) > 20


# What a plugin imports

CONTRACTS = [
    ROOT / "ccproxy" / f"{name}.py"
    for name in ("handler", "protocol", "verb", "courier", "core/sinks")
]
EXAMPLES = sorted(ROOT.glob("contrib/plugins/*.py"))


def imported(text: str) -> set[tuple[str, str]]:
    """Module and name of everything that is imported from packages of ours."""
    return {
        (node.module, alias.name)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("ccproxy")
        for alias in node.names
    }


@pytest.mark.parametrize("page", CONTRACTS, ids=lambda page: page.stem)
def test_what_a_contract_names_is_offered_by_the_package(page):
    place = page.relative_to(ROOT).with_suffix("")
    module = importlib.import_module(".".join(place.parts))
    classes = {name for name, one in vars(module).items() if isinstance(one, type)}
    own = {name for name in classes if vars(module)[name].__module__ == module.__name__}
    # What builds listeners stays in `ccproxy.net`: handlers never need it.
    named = {
        name
        for place, name in imported(page.read_text("utf-8"))
        if not place.startswith("ccproxy.net")
    }
    assert own | named <= {*ccproxy.__all__, "ccproxy"}, (own | named) - {*ccproxy.__all__}


def test_what_the_package_offers_exists_is_used_and_is_documented():
    used_by = ("handlers/**/*.py", "contrib/plugins/*.py", "tests/contrib/*.py")
    sources = [*CONTRACTS, *(file for one in used_by for file in ROOT.glob(one))]
    text = "".join(file.read_text("utf-8") for file in sources)
    for name in ccproxy.__all__:
        assert hasattr(ccproxy, name)
        if not name.startswith("__"):
            assert re.search(rf"\b{name}\b", text), f"{name} is used by nothing"
            assert f"`{name}`" in TUTORIAL, f"{name} is not documented"


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_examples_import_from_the_package_what_it_offers(file):
    deep = {(module, name) for module, name in imported(file.read_text("utf-8")) if "." in module}
    assert not [one for one in deep if one[1] in ccproxy.__all__]
