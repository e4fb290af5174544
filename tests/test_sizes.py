"""How large things may be: a stranger should see a module's point without scrolling for long."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sources import SOURCES, name, parsed

pytestmark = pytest.mark.xdist_group("rules")

MODULE_LINES = 400
"""The limit; a module holds one idea, whole, and is not split at a line count."""
USUAL_MODULE_LINES = 300
FUNCTION_LINES = 40
USUAL_LINES = 20
"""Nine functions in ten are no longer than this."""
PARAMETERS = 5

LONG_MODULES: dict[str, str] = {
    "ccproxy/client/producer.py": "the messages of a client between callers, spool and socket",
    "ccproxy/client/socket_thread.py": "one thread and its socket, from the first event to the end",
    "ccproxy/commands/spool.py": "one verb, with both ways to a spool",
    "ccproxy/config/links.py": "the options of links and of listeners, which share most of them",
    "ccproxy/core/outbox.py": "one queue, whose counts are true together or not at all",
    "ccproxy/core/switch.py": "the one place that gives messages their fates",
    "ccproxy/core/walk.py": "the hot functions for messages of any socket, each one straight line",
    "ccproxy/core/delivery/memory_store.py": "one store, whose counts are true together or not",
    "ccproxy/handler.py": "the contract of handlers, all of it on one page",
    "ccproxy/net/stream.py": "one connection from its handshake to its end, under a seal or not",
    "ccproxy/net/zmtp/connection.py": "the read path of a peer in one piece: no call more per read",
    "ccproxy/commands/run.py": "the verb and its process, which the options of the verb are about",
    "ccproxy/server/requests.py": "one request of HTTP from its bytes to the end of its answer",
    "ccproxy/server/handlers.py": "the life of handlers: each change undoes itself if it fails",
    "ccproxy/net/zmtp/link.py": "a link in all its states, whether it waits for receipts or not",
    "ccproxy/net/zmtp/listener.py": "peers from their handshake to the end of what they send",
    "ccproxy/plugins.py": "how plugins of all three kinds are found, on one page",
    "ccproxy/server/context.py": "all that a handler may use; the contract is as long",
    "ccproxy/testing/context.py": "all that a handler may use, for tests; the contract is as long",
    "ccproxy/server/server.py": "the life of one server, from its parts to its ledger",
    "ccproxy/server/status.py": "all that is known of a server, as one value on one page",
    "ccproxy/spool/file.py": "one file, with all that it is asked",
    "ccproxy/spool/store.py": "one store, whose counts are true together or not at all",
    "ccproxy/spool/thread.py": "one thread, whose steps share what is not written yet",
    "ccproxy/wire/zmtp/handshake.py": "one state machine, whose stages are read together",
    "ccproxy/protocols/jolie/xml/writing.py": "one walk, and what any of its nodes may need",
    "ccproxy/protocols/jolie/http/sides.py": "a form and its two sides, for others to fill in",
    "ccproxy/protocols/jolie/http/server.py": "one connection, whose requests are read in two ways",
    "ccproxy/protocols/jolie/http/pass_peer.py": "both directions of one exchange, and its ends",
    "ccproxy/protocols/jolie/caller.py": "a caller, what slows it down, and the way back to it",
    "ccproxy/protocols/jolie/sodep/fastpath.py": "the fast path and its records, of one form",
    "handlers/redirect/connections.py": "the connections of one port, on the fast path and off it",
    "handlers/redirect/calls.py": "the calls of one target, whose ends have to agree",
}
"""Modules of more lines than usual, and why."""

HOT = {
    "ccproxy/core/addresses.py": "a call per frame costs more than everything else together",
    "ccproxy/core/hot.py": "a call per frame costs more than everything else together",
    "ccproxy/core/walk.py": "a call per frame costs more than everything else together",
    "ccproxy/net/hot.py": "a call more at each read or write costs every unit",
    "ccproxy/protocols/jolie/json_walk.py": "a call per token costs more than the token",
    "ccproxy/protocols/jolie/sodep/fastpath.py": "a call per message costs a message",
    "ccproxy/wire/zmtp/boxes.py": "a call per frame costs more than the walk",
    "ccproxy/protocols/jolie/sodep/scan.py": "a call per value costs more than the walk",
    "ccproxy/protocols/jolie/sodep/to_json.py": "a call per value costs more than the value",
    "ccproxy/protocols/jolie/xml/writing.py": "a call per value costs more than the value",
}
"""Files whose functions may be long, and why."""

LONG_TABLES = {
    "option": "one row of the option table, every cell by name",
    "unbox": "in C for each frame, where a tuple would cost more than the call",
    "publish": "what is sent, and how long each thing may take, by name",
    "ccproxy/client/client.py: __init__": "what programs may set, each by its name",
}
"""Functions that may have many parameters, and why."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(file: Path) -> Iterator[Function]:
    for node in ast.walk(parsed(file)):
        if isinstance(node, Function):
            yield node


def lines(function: Function) -> int:
    """Lines from `def` to the end, the docstring not counted."""
    total = (function.end_lineno or 0) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return total
    text = function.body[0]
    return total - ((text.end_lineno or 0) - text.lineno + 1)


def parameters(function: Function) -> int:
    """Parameters without self and cls; those with a name only count as well."""
    arguments = function.args
    named = [one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len([one for one in named if one not in ("self", "cls")])


def test_modules_are_short():
    sizes = {name(file): len(file.read_text("utf-8").splitlines()) for file in SOURCES}
    assert not {file: size for file, size in sizes.items() if size > MODULE_LINES}
    long = {file: size for file, size in sizes.items() if size > USUAL_MODULE_LINES}
    assert long.keys() == LONG_MODULES.keys(), long


def test_functions_are_short():
    long = {
        f"{name(file)}: {one.name}": lines(one)
        for file in SOURCES
        if name(file) not in HOT
        for one in functions(file)
        if lines(one) > FUNCTION_LINES
    }
    assert not long


def test_functions_have_few_parameters():
    many = {
        f"{name(file)}: {one.name}": parameters(one)
        for file in SOURCES
        for one in functions(file)
        if parameters(one) > PARAMETERS and one.name not in LONG_TABLES
    }
    assert not many.keys() - LONG_TABLES.keys()


def test_nine_functions_in_ten_fit_on_half_a_screen():
    sizes = [lines(one) for file in SOURCES if name(file) not in HOT for one in functions(file)]
    long = [size for size in sizes if size > USUAL_LINES]
    assert len(long) <= len(sizes) / 10


def test_every_module_says_what_it_holds():
    silent = [name(one) for one in SOURCES if not ast.get_docstring(parsed(one))]
    assert not silent
