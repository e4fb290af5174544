"""Configurations of the original server, replayed; intended differences are listed with reasons.

The cases are captured from the original server: lookups of single options, sizes, route tables
and roles. Each table of differences is complete: a case that no longer differs fails as well.
"""

import json
from pathlib import Path

import pytest

from ccproxy import Handler, Problem
from ccproxy.config import kinds
from ccproxy.config.build import build
from ccproxy.config.ini import decode, parse
from ccproxy.config.scan import ORIGINAL_FILE, SERVER_FILE
from ccproxy.core.routes import Routes
from ccproxy.plugins import Plugins

VECTORS = Path(__file__).parents[1] / "vectors" / "cc"
CONFIG = json.loads((VECTORS / "config.json").read_text())
ROUTING = json.loads((VECTORS / "routing.json").read_text())

LOOKUPS = {
    "get": kinds.text, "getint": kinds.integer, "getfloat": kinds.real, "getbool": kinds.flag,
    "getlist": kinds.names, "getfile": kinds.file,
}  # fmt: skip

ALIKE_WITH_COMPAT = {"K = v", "[h:x]|k = 1|[h:x]|k2 = 2", "k = 1|k = 2", "k : v"}
"""Lookups that differ only without `compat = cc`."""

DIFFERENT_LOOKUPS = {
    "k = a,,b": "an empty element is a slip, so it is a problem",
    "k = a,": "an empty element is a slip, so it is a problem",
    "k = ,": "an empty element is a slip, so it is a problem",
    "k = a| b": "a line end without a comma joined two names into one",
    "k = nan": "no option has a use for it",
    "K = v": "names keep their case, because those of routes must; there is a hint",
    "[h:x]|k = 1|[h:x]|k2 = 2": "a section given twice is a problem",
    "k = 1|k = 2": "an option given twice is a problem",
    "k : v": 'only "=" separates, because types and addresses have colons',
    "\ufeff[h:x]|k=v": "a byte order mark does no harm",
}
"""Lines of the case (without a leading [h:x]) and the reason."""


def key_of(case):
    lines = [line.rstrip("\r") for line in case["ini"]]
    whole = "|".join(lines)
    alone = "|".join(lines[1:]) if lines[0] == "[h:x]" else whole
    return whole if whole in DIFFERENT_LOOKUPS else alone


def look_up(case, grammar):
    """(found, value) as `resolve` reads an option; found is False for a problem or a lack."""
    data = "\n".join(case["ini"]).encode()
    text, problems = decode("/DIR/t12.conf.ini", data)
    made, more = parse("/DIR/t12.conf.ini", text, {}, "vm", grammar)
    more = [one for one in more if not one.warning]
    section = made.section("h:x")
    entry = section.entry(case["key"]) if section else None
    if problems or more or (entry is not None and entry.fault):
        return False, None
    if entry is None:
        return "default" in case, case.get("default")
    try:
        return True, LOOKUPS[case["lookup"]].parse(entry.text)
    except ValueError:
        return False, None


def expected(case):
    if "error" in case:
        return False, None
    value = case["value"]
    if case["lookup"] == "getlist":
        value = tuple(value)
    if isinstance(value, str) and value.startswith("HOME/"):
        value = str(Path.home() / value.removeprefix("HOME/"))
    return True, value


@pytest.mark.parametrize("grammar", [SERVER_FILE, ORIGINAL_FILE], ids=["strict", "compat"])
@pytest.mark.parametrize(
    "case", CONFIG["cases"], ids=lambda case: f"{case['lookup']}:{key_of(case)}"
)
def test_lookups(case, grammar):
    found, value = look_up(case, grammar)
    different = DIFFERENT_LOOKUPS.keys() - (ALIKE_WITH_COMPAT if grammar.original else ())
    wanted = expected(case)
    if wanted[0] and value == [] and wanted[1] == ():
        value = ()
    same = (found, value) == wanted
    if key_of(case) in different:
        assert not same, "no longer different: take it out of the table"
    else:
        assert same


def test_every_difference_is_of_a_case():
    cases = {key_of(case) for case in CONFIG["cases"]}
    assert set(DIFFERENT_LOOKUPS) <= cases
    assert set(DIFFERENT_LOOKUPS) >= ALIKE_WITH_COMPAT


DIFFERENT_SIZES = {"1 KiB": "the usual way to write it"}


@pytest.mark.parametrize("case", CONFIG["sizes"], ids=lambda case: case["text"])
def test_sizes(case):
    try:
        value = kinds.size.parse(case["text"])
    except ValueError:
        value = None
    if case["text"] in DIFFERENT_SIZES:
        assert value != case.get("value")
    else:
        assert value == case.get("value")


class Sink(Handler):
    """Runs in the centre and on hosts."""


class Central(Handler):
    """Runs in the centre."""

    roles = frozenset({"remote"})


class OnHosts(Handler):
    """Runs on hosts."""

    roles = frozenset({"local"})


ROLES = {
    "infowriter": Central, "tailwriter": Central, "database": Central, "dbhandler": Central,
    "taskrouter": Central, "jobmgr": OnHosts, "proxy": Sink, "echo": Sink, "disposer": Sink,
    "locallogger": Sink, "delay": Sink, "filter": Sink,
}  # fmt: skip


class Finder(Plugins):
    def handler(self, word, folders=()):
        factory = ROLES.get(word.removeprefix("cc.handler."))
        return factory or Problem("", 0, f'no handler "{word}"')


def plan_of(lines, tmp_path):
    path = tmp_path / "t2.ini"
    path.write_text("\n".join(lines).replace("PORT1", "22632") + "\n")
    return build(str(path), {}, Finder())


DIFFERENT_ROUTES = {
    "duplicate-route": "a route given twice is a problem",
    "colon-separator": 'only "=" separates, because types and addresses have colons',
    "default-section": "[DEFAULT] never makes routes",
    "route-trailing-dot": "a prefix that never matches is a problem",
    "route-partial-star": "a prefix that never matches is a problem",
    "route-empty-prefix": "a prefix that never matches is a problem",
}
"""Configurations with which the original starts and which are refused here."""

REACHED_BY_CASE = {"upper-case-route": {"A.B": ["h:a"], "a.b": []}}
"""Names of routes keep their case here, so that types with capitals can have routes."""


@pytest.mark.parametrize("case", ROUTING["cases"], ids=lambda case: case["name"])
def test_route_tables_with_compat_are_those_of_the_original(case, tmp_path):
    lines = [*case["config"], "[ccserver]", "compat = cc"]
    plan, problems = plan_of(lines, tmp_path)
    assert (plan is not None) is case["starts"], problems
    if plan is not None:
        routes = Routes((one.prefix, one.sections) for one in plan.routes)
        for type, sections in case["reached"].items():
            assert list(routes.sections(type)) == sections


@pytest.mark.parametrize("case", ROUTING["cases"], ids=lambda case: case["name"])
def test_route_tables(case, tmp_path):
    plan, problems = plan_of(case["config"], tmp_path)
    starts = case["starts"] and case["name"] not in DIFFERENT_ROUTES
    assert (plan is not None) is starts, problems
    if plan is None:
        assert any(not problem.warning for problem in problems)
        return
    routes = Routes((one.prefix, one.sections) for one in plan.routes)
    for type, sections in REACHED_BY_CASE.get(case["name"], case["reached"]).items():
        assert list(routes.sections(type)) == sections
    reached = {one for sections in case["reached"].values() for one in sections}
    assert {one.section for one in plan.handlers} >= reached


@pytest.mark.parametrize(
    "case", ROUTING["roles"]["cases"], ids=lambda case: f"{case['role']}-{case['handler']}"
)
def test_roles(case, tmp_path):
    role = "" if case["role"] == "(option absent)" else f"cc-role = {case['role']}"
    lines = ["[ccserver]", "cc-socket = tcp://127.0.0.1:PORT1", role, "[routes]", "a = h:a",
             "[h:a]", f"handler = {case['handler']}"]  # fmt: skip
    plan, problems = plan_of(lines, tmp_path)
    assert (plan is not None) is case["starts"], problems
