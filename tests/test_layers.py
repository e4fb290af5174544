"""Who may import whom: inward only and in no circle. Imports for type hints alone count as well."""

import ast
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.sources import ROOT, SOURCES, name, parsed

pytestmark = pytest.mark.xdist_group("rules")

CONTRACTS = {"ccproxy.courier", "ccproxy.handler", "ccproxy.protocol", "ccproxy.verb"}

ALLOWED = {
    "wire": {"ccproxy.wire", "nacl"},
    "core": {"ccproxy.core", "ccproxy.wire"},
    "config": {"ccproxy.config", "ccproxy.core", "ccproxy.wire"},
    "handler": {"ccproxy.config", "ccproxy.core", "ccproxy.net", "ccproxy.protocol"},
    "protocol": {"ccproxy.config", "ccproxy.core", "ccproxy.net"},
    "verb": {"ccproxy.config"},
    "courier": {"ccproxy.protocols.jolie.values"},
    "hookspecs": {*CONTRACTS, "pluggy"},
    "plugins": {*CONTRACTS, "ccproxy.config", "ccproxy.core", "ccproxy.hookspecs", "pluggy"},
    "process": {"ccproxy.process", "ccproxy.wire.text"},
    "spool": {"ccproxy.core", "ccproxy.spool", "ccproxy.wire"},
    "net": {
        *CONTRACTS, "ccproxy.config", "ccproxy.core", "ccproxy.net", "ccproxy.process",
        "ccproxy.spool", "ccproxy.wire",
    },
    "protocols": {
        *CONTRACTS, "ccproxy.config", "ccproxy.core", "ccproxy.net", "ccproxy.protocols",
        "ccproxy.wire", "h11",
    },
    "server": {
        *CONTRACTS, "ccproxy", "ccproxy.config", "ccproxy.core", "ccproxy.net", "ccproxy.plugins",
        "ccproxy.process", "ccproxy.server", "ccproxy.spool", "ccproxy.wire", "h11",
        "prometheus_client",
    },
    "client": {
        "ccproxy.client", "ccproxy.config", "ccproxy.core", "ccproxy.spool", "ccproxy.wire", "zmq",
    },
    "zeromq": {"zmq"},
    "reach": {"ccproxy.config"},
    "handlers": {"ccproxy", "ccproxy.config", "ccproxy.wire", "ccproxy_handlers"},
    "groups": {
        "ccproxy", "ccproxy.config", "ccproxy.core", "ccproxy.wire", "ccproxy_handlers.groups",
    },
    "redirect": {
        "ccproxy", "ccproxy.client", "ccproxy.commands", "ccproxy.config", "ccproxy.protocol",
        "ccproxy.protocols.jolie", "ccproxy.reach", "ccproxy.verb", "ccproxy.wire",
        "ccproxy_handlers.redirect",
    },
    "ssmmp": {
        "ccproxy", "ccproxy.client", "ccproxy.commands", "ccproxy.config",
        "ccproxy.protocols.ssmmp", "ccproxy.reach", "ccproxy.service", "ccproxy.verb",
        "ccproxy_handlers.ssmmp", "ccproxy_handlers.state_file", "ccproxy_handlers.state_writer",
    },
    "cameo": {
        "ccproxy", "ccproxy.config", "ccproxy.core", "ccproxy.net", "ccproxy.process",
        "ccproxy.protocols.zmq", "ccproxy.wire", "ccproxy_handlers.cameo", "ccproxy_handlers.zmq",
    },
    "zmq": {
        "ccproxy", "ccproxy.config", "ccproxy.core", "ccproxy.net.zmtp", "ccproxy.protocols.zmq",
        "ccproxy.wire", "ccproxy_handlers.link_member", "ccproxy_handlers.zmq",
    },
    "xmsg": {
        "ccproxy", "ccproxy.commands", "ccproxy.config", "ccproxy.core", "ccproxy.net.zmtp",
        "ccproxy.protocols.zmq", "ccproxy.reach", "ccproxy.verb", "ccproxy.wire", "ccproxy.zeromq",
        "ccproxy_handlers.state_file", "ccproxy_handlers.state_writer", "ccproxy_handlers.xmsg",
        "ccproxy_handlers.zmq", "google",
    },
    "engine": {"ccproxy", "ccproxy.config", "ccproxy.protocols", "ccproxy_handlers"},
}  # fmt: skip
"""Layer -> what it may import besides the standard library."""

FREE = {"__init__", "__main__", "cli", "commands", "service", "testing"}
"""Layers that may import anything but handlers."""

SHORT_LINES = 40

SHORT_MODULES = {
    "ccproxy/config/limits.py": "what several options show together; all others are checked alone",
    "ccproxy/courier.py": "a contract, beside those of handlers, protocols and verbs",
    "ccproxy/protocols/jolie/sodep/shortcut.py": "knows callers, of which the codec knows nothing",
    "handlers/ssmmp/agent/config_check.py": "what `check` says of a section; nothing of it runs",
    "handlers/ssmmp/manager/config_check.py": "what `check` says of a section; nothing of it runs",
    "handlers/ssmmp/manager/restored.py": "runs in a thread, the handler on the loop",
}
"""Modules of a few lines that one other module imports, and why they stand alone."""

MAY_OPEN_SOCKETS = {
    "net", "client", "process", "protocols", "reach", "server", "service", "testing", "zeromq",
}  # fmt: skip

OUTSIDE_WORLD = {"asyncio", "socket", "subprocess", "time"}
"""What a pure module never imports: it is given the time and answers with actions."""

PURE = {"wire", "core", "config", "engine"}
"""Layers that import nothing of the outside world, nor a module that does. `ccproxy` itself, which
names the types of the contracts, does not count."""


def module_of(file: Path) -> str:
    parts = list(file.relative_to(ROOT).with_suffix("").parts)
    parts[0] = parts[0].replace("handlers", "ccproxy_handlers")
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_of(file): name(file) for file in SOURCES}


def layer_of(file: Path) -> str:
    parts = file.relative_to(ROOT).parts
    if "engine" in parts:
        return "engine"
    if parts[0] == "handlers":
        return parts[1] if len(parts) > 2 else "handlers"
    return parts[1].removesuffix(".py")


@cache
def imports(file: Path) -> frozenset[str]:
    """Every imported module with its full name, wherever in the file the import stands."""
    return frozenset(_imports(ast.walk(parsed(file)), file))


def _imports(nodes: Iterable[ast.AST], file: Path) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            module = _absolute(node, file)
            yield from (_member(module, alias.name) for alias in node.names)


def _absolute(node: ast.ImportFrom, file: Path) -> str:
    if not node.level:
        return str(node.module)
    package = module_of(file.with_name("__init__.py")).split(".")
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, *filter(None, [node.module])])


def _member(module: str, member: str) -> str:
    """The module `member` of a package, or the package for anything else it offers."""
    return f"{module}.{member}" if f"{module}.{member}" in FILES else module


def allowed(module: str, permitted: set[str]) -> bool:
    if module.partition(".")[0] in sys.stdlib_module_names:
        return True
    exact = {"ccproxy"} & permitted
    return module in exact or any(f"{module}.".startswith(f"{one}.") for one in permitted - exact)


def circles() -> list[set[str]]:
    """Groups of modules in which each imports each other, directly or through others."""
    reached = {module: _reached(module) for module in FILES}
    groups = {
        frozenset(other for other in reached[module] if module in reached[other])
        for module in FILES
        if module in reached[module]
    }
    return [set(group) for group in groups]


def _reached(module: str, but: str = "") -> set[str]:
    """Every module of ours that this one imports, directly or through others; not through `but`."""
    found: set[str] = set()
    new = [module]
    while new:
        for one in imports(ROOT / FILES[new.pop()]):
            if one in FILES and one not in found and one != but:
                found.add(one)
                new.append(one)
    return found


def test_imports_point_inward():
    wrong = [
        f"{name(file)} imports {module}"
        for file in SOURCES
        if layer_of(file) not in FREE
        for module in sorted(imports(file))
        if not allowed(module, ALLOWED[layer_of(file)])
    ]
    assert not wrong, "\n".join(wrong)


def test_no_circles():
    found = [sorted(circle) for circle in circles()]
    assert not found, "\n".join(map(str, found))


def test_only_the_edges_open_sockets():
    wrong = [
        name(file)
        for file in SOURCES
        if layer_of(file) not in MAY_OPEN_SOCKETS
        if {"socket", "selectors", "socketserver", "zmq"} & imports(file)
    ]
    assert not wrong, wrong


def test_pure_layers_import_nothing_of_the_outside_world():
    wrong = [
        f"{name(file)} imports {outside} by way of {module}"
        for file in SOURCES
        if layer_of(file) in PURE
        for module in sorted({module_of(file)} | _reached(module_of(file), but="ccproxy"))
        for outside in sorted(imports(ROOT / FILES[module]) & OUTSIDE_WORLD)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_server_does_not_know_its_built_in_handlers():
    wrong = [
        f"{name(file)} imports {module}"
        for file in ROOT.glob("ccproxy/**/*.py")
        for module in sorted(imports(file))
        if module.startswith("ccproxy_handlers")
    ]
    assert not wrong, "\n".join(wrong)


def test_every_layer_is_under_a_rule_or_known_to_be_free():
    assert {layer_of(file) for file in SOURCES} <= set(ALLOWED) | FREE


def test_a_short_module_has_two_importers_or_a_reason():
    importers = Counter(module for file in SOURCES for module in imports(file) if module in FILES)
    short = {
        file
        for module, file in FILES.items()
        if importers[module] == 1 and not file.endswith("/__init__.py")
        if len((ROOT / file).read_text("utf-8").splitlines()) < SHORT_LINES
    }
    assert short == SHORT_MODULES.keys(), short ^ SHORT_MODULES.keys()
