"""Which handler sections start, in which order, with which class; roles, circles, idle ones."""

import asyncio
import re
import sys
from dataclasses import dataclass

import pytest

from ccproxy import Handler, Problem, kinds, option
from ccproxy.config.handlers import Handlers, Role
from ccproxy.config.ini import parse
from ccproxy.config.plan import Plan
from ccproxy.config.routes import read_routes
from ccproxy.config.taken import TakenAddresses


@dataclass(frozen=True, slots=True)
class Options:
    to: tuple[str, ...] = option(kinds.sections, default=(), help="handler sections")
    jobs: tuple[str, ...] = option(kinds.daemon_sections, default=(), help="daemon sections")
    speaks: str = option(kinds.protocol, default="calls", help="what the service speaks")


class Sink(Handler):
    Options = Options


class Alone(Handler):
    standalone = True


class Central(Handler):
    roles = frozenset({"remote"})


class Picky(Handler):
    def check(self, plan):
        return [Problem(plan.file, 1, "not like this", warning=True)]


class Fragile(Handler):
    def check(self, plan):
        raise LookupError("nothing there")


class Leaving(Handler):
    def check(self, plan):
        sys.exit(3)


class Cancelled(Handler):
    def check(self, plan):
        raise asyncio.CancelledError


class Interrupted(Handler):
    def check(self, plan):
        raise KeyboardInterrupt


class Sloppy(Handler):
    def check(self, plan):
        return ["a text is no problem"]


class Unmade(Handler):
    def __init__(self, name, options):
        raise RuntimeError("cannot be made")


KINDS = (Sink, Alone, Central, Picky, Fragile, Leaving, Cancelled, Interrupted, Sloppy, Unmade)
CLASSES = {one.__name__.lower(): one for one in KINDS}


def find(word):
    return CLASSES.get(word) or Problem("", 0, f'no handler "{word}"')


class Called:
    calls_services = True


class Deaf:
    calls_services = False


def find_protocol(word):
    found = {"calls": Called, "texts": Deaf}.get(word)
    return found or Problem("", 0, f'no protocol "{word}"')


def collect(*lines, role="insecure"):
    made, problems = parse("x.ini", "\n".join(lines), {}, "host1")
    assert problems == []
    handlers = Handlers(made, find, find_protocol, Role(role, 0))
    handlers.collect(read_routes(made.section("routes")).uses)
    return handlers


def texts(handlers):
    return [str(problem) for problem in handlers.problems]


def test_order_is_that_of_the_routes_but_those_referred_to_come_first():
    handlers = collect(
        "[routes]", "b = h:b", "a = h:a, h:b", "[h:c]", "handler = sink",
        "[h:a]", "handler = sink", "[h:b]", "handler = sink", "to = h:c, h:d",
        "[h:d]", "handler = sink",
    )  # fmt: skip
    assert list(handlers.plans) == ["h:c", "h:d", "h:b", "h:a"]
    assert handlers.plans["h:b"].refers == ("h:c", "h:d")
    assert handlers.plans["h:b"].line == 8
    assert handlers.plans["h:a"].factory is Sink
    assert texts(handlers) == []


def test_two_ways_to_one_section_are_no_circle():
    handlers = collect(
        "[routes]", "a = h:a", "[h:a]", "handler = sink", "to = h:b, h:c",
        "[h:b]", "handler = sink", "to = h:d", "[h:c]", "handler = sink", "to = h:d",
        "[h:d]", "handler = sink",
    )  # fmt: skip
    assert texts(handlers) == []
    assert list(handlers.plans) == ["h:d", "h:b", "h:c", "h:a"]


@pytest.mark.parametrize("target", ["h:a", "h:b, h:a"])
def test_circles(target):
    handlers = collect(
        "[routes]", "a = h:a", "[h:a]", "handler = sink", f"to = {target}",
        "[h:b]", "handler = sink",
    )  # fmt: skip
    assert texts(handlers)[0] == 'x.ini:5: "to" in [h:a] goes round in a circle: h:a -> h:a'


def test_plugin_is_the_old_name_and_wins():
    handlers = collect("[routes]", "a = h:a", "[h:a]", "handler = alone", "plugin = sink")
    assert handlers.plans["h:a"].factory is Sink
    assert texts(handlers) == [
        'x.ini:5: warning: "plugin" in [h:a] wins over "handler" in line 4; keep one of them'
    ]


def test_a_section_needs_no_h_in_its_name():
    handlers = collect("[routes]", "a = x", "[x]", "handler = sink")
    assert list(handlers.plans) == ["x"]


def test_the_handler_can_come_from_default():
    handlers = collect("[DEFAULT]", "handler = sink", "[routes]", "a = h:x", "[h:x]")
    assert handlers.plans["h:x"].word == "sink"


@pytest.mark.parametrize(
    ("role", "ok"), [("insecure", True), ("remote", True), ("local", False), ("other", False)]
)
def test_roles(role, ok):
    handlers = collect("[routes]", "a = h:a", "[h:a]", "handler = central", role=role)
    assert (texts(handlers) == []) is ok
    if not ok:
        assert "cannot run with cc-role" in texts(handlers)[0]
        assert "the command line sets the role; this handler needs remote" in texts(handlers)[0]


def test_idle_sections_are_said_and_those_that_stand_alone_start():
    handlers = collect(
        "[routes]", "[h:a]", "handler = sink", "nonsense = 1", "[h:b]", "handler = alone"
    )
    assert list(handlers.plans) == ["h:b"]
    assert texts(handlers) == [
        'x.ini:4: warning: unknown option "nonsense" in [h:a]',
        "x.ini:2: warning: section [h:a] is not used: no route and no option names it",
    ]


def test_what_an_unreadable_section_names_is_not_called_idle():
    handlers = collect(
        "[routes]", "a = h:a", "[h:a]", "handler = nosuch", "to = h:b , h:c",
        "[h:b]", "handler = sink", "[h:c]", "handler = sink", "[h:d]", "handler = sink",
    )  # fmt: skip
    assert texts(handlers) == [
        'x.ini:4: no handler "nosuch"',
        "x.ini:10: warning: section [h:d] is not used: no route and no option names it",
    ]


def test_daemon_sections_must_exist_but_do_not_start():
    handlers = collect(
        "[routes]", "a = h:a", "[h:a]", "handler = sink", "jobs = d:x, other",
        "[d:x]", "module = cc.daemon.x",
    )  # fmt: skip
    assert texts(handlers) == ['x.ini:5: "jobs" in [h:a] names [other], which does not exist']
    assert list(handlers.plans) == ["h:a"]
    assert handlers.plans["h:a"].refers == ()


@pytest.mark.parametrize("name", ["ccserver", "routes", "listen:x"])
def test_what_is_no_handler_section(name):
    handlers = collect("[routes]", f"a = {name}", "[ccserver]", "[listen:x]")
    assert texts(handlers) == [f'x.ini:2: route "a" names [{name}], which is no handler section']


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("h:ehco", '; did you mean "h:echo"?'),
        ("echo", '; did you mean "h:echo"?'),
        ("H:Echo", '; did you mean "h:echo"?'),
        ("h:x", ""),
        ("h:echo # note", '; a comment behind a value starts with " ;"'),
        ("h:echo h:sink", "; write a comma between two sections"),
    ],
)
def test_hints_for_sections_that_do_not_exist(name, hint):
    handlers = collect(
        "[routes]", f"a = {name}", "b = h:echo, h:sink", "[h:echo]", "handler = sink",
        "[h:sink]", "handler = sink",
    )  # fmt: skip
    assert texts(handlers) == [f'x.ini:2: route "a" names [{name}], which does not exist{hint}']


def checked(word, sound=True):
    handlers = collect("[routes]", "a = h:a", "[h:a]", f"handler = {word}")
    plan = Plan("x.ini", "x", None, (), (), tuple(handlers.plans.values()))
    return [str(problem) for problem in handlers.check(plan, sound, TakenAddresses("x.ini"))]


def test_check_is_asked():
    assert checked("picky") == ["x.ini:1: warning: not like this"]
    assert checked("sink") == []


def test_the_interrupt_of_an_operator_ends_a_check():
    with pytest.raises(KeyboardInterrupt):
        checked("interrupted")


@pytest.mark.parametrize(
    ("word", "what"),
    [
        ("fragile", "LookupError: nothing there"),
        ("unmade", "RuntimeError: cannot be made"),
        ("leaving", "PluginExit: raised SystemExit(3)"),
        ("cancelled", "PluginExit: raised CancelledError()"),
        ("sloppy", "TypeError: check gave 'a text is no problem', expected a Problem"),
    ],
)
def test_a_check_that_fails_is_a_problem_of_its_section(word, what):
    [said] = checked(word)
    line = "" if word == "sloppy" else r", test_handlers\.py:\d+"
    start = f'x.ini:3: [h:a] cannot be checked: {what}; a fault of handler "{word}"'
    assert re.fullmatch(re.escape(start) + line, said)
    assert checked(word, sound=False) == []


def test_a_protocol_that_an_option_names_must_be_one_of_calls():
    ini = ("[routes]", "a = h:a", "[h:a]", "handler = sink")
    assert collect(*ini, "speaks = calls").problems == []
    [problem] = collect(*ini, "speaks = texts").problems
    assert (problem.line, problem.what) == (
        5, '"speaks" in [h:a]: no service can be called in protocol "texts"',
    )  # fmt: skip
    [problem] = collect(*ini, "speaks = zebra").problems
    assert (problem.line, problem.what) == (5, 'no protocol "zebra"')


@pytest.mark.parametrize("word", ["cc.handler.infowriter", "taskrouter"])
def test_a_handler_of_cc_that_is_not_here_yet_is_named_as_one(word):
    [problem] = collect("[routes]", "a = h:a", "[h:a]", f"handler = {word}").problems
    assert problem.hint == (
        "a handler of CC that is not here yet; let a server of CC run it, and forward to that one"
    )


def test_an_option_of_another_handler_is_said_to_be_one():
    words = {"sink": Sink, "alone": Alone, "picky": Picky, "broken": Problem("", 0, "cannot load")}
    ini, _ = parse("x.ini", "\n".join([
        "[routes]", "a = h:a", "[h:a]", "handler = alone", "jobs = x", "hue = blue", "handlr = x",
    ]), {}, "host1")  # fmt: skip
    handlers = Handlers(
        ini, words.__getitem__, words.__getitem__, Role("remote", 1), lambda: list(words)
    )
    handlers.take("h:a")
    assert texts(handlers) == [
        'x.ini:5: unknown option "jobs" in [h:a]; it belongs to sink',
        'x.ini:6: unknown option "hue" in [h:a]',
        'x.ini:7: unknown option "handlr" in [h:a]; did you mean "handler"?',
    ]
    assert handlers.owners("nothing") == ""
