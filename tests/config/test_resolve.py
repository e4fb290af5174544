"""From entries to options: what is reported, and that one mistake does not hide another."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from ccproxy.config import kinds
from ccproxy.config.ini import parse
from ccproxy.config.options import option
from ccproxy.config.resolve import resolve, suggest


@dataclass(frozen=True, slots=True)
class Options:
    exclusive: ClassVar[tuple[tuple[str, str], ...]] = (("many", "few"),)

    number: int = option(kinds.integer, help="any number")
    to: str = option(kinds.section, default="", help="a section")
    others: tuple[str, ...] = option(kinds.sections, default=(), help="sections")
    many: int = option(kinds.natural, default=0, help="many of them", aliases=("lots",))
    few: int = option(kinds.natural, default=0, help="few of them")
    word: str = option(kinds.choice("a", "b"), default="a", help="a secret word", secret=True)
    old: int = option(kinds.integer, default=3, help="not used any more", ignored=True)

    def __post_init__(self):
        if self.few > 100:
            raise ValueError("that is not few")
        if self.few > 98:
            raise SystemExit(self.few) if self.few > 99 else LookupError("no such thing")


def read(*lines, besides=()):
    made, problems = parse("x.ini", "\n".join(lines), {}, "host1")
    assert problems == []
    return resolve(made.section("s"), Options, besides)


@pytest.mark.parametrize(
    ("few", "what"),
    [(99, "LookupError: no such thing"), (100, "PluginExit: raised SystemExit(100)")],
)
def test_options_that_raise_are_a_problem_of_their_section(few, what):
    resolved = read("[s]", "number = 1", f"few = {few}")
    assert resolved.options is None
    [said] = texts(resolved)
    start = f"x.ini:1: [s]: {what}; a fault of its options, test_resolve.py:"
    assert said.startswith(start)


def texts(resolved):
    return [str(problem) for problem in resolved.problems]


def test_values_and_defaults():
    resolved = read("[s]", "number = 5", "lots = 7")
    assert resolved.problems == ()
    assert resolved.options == Options(number=5, many=7)


def test_all_mistakes_at_once_and_the_good_values_all_the_same():
    resolved = read("[s]", "few = x", "many = 2", "fwe = 3", "to = %")
    assert resolved.options is None
    assert resolved.values == {"many": 2}
    assert texts(resolved) == [
        'x.ini:4: unknown option "fwe" in [s]; did you mean "few"?',
        'x.ini:3: "many" sets "few", and both are given; keep one of them',
        'x.ini:1: [s] lacks "number"; any number',
        'x.ini:5: "to" in [s] has a single "%"; write "%%" for a percent sign, %(NAME)s for the '
        "value of an option",
        'x.ini:2: "few" in [s]: found "x", expected a whole number of 0 or more',
    ]


def test_helpers_and_options_that_are_read_elsewhere_are_known():
    resolved = read(
        "[s]", "number = %(one)s%(two)s", "one = 1", "two = 2", "handler = x", "job_name = y",
        besides=("handler",),
    )  # fmt: skip
    assert (resolved.options.number, resolved.problems) == (12, ())


def test_defaults_section_gives_values_but_no_unknown_options():
    resolved = read("[DEFAULT]", "number = 5", "zzz = 1", "few = 1", "[s]", "few = 2")
    assert (resolved.options, resolved.problems) == (Options(number=5, few=2), ())


def test_a_default_that_cannot_be_read_is_named_with_its_own_line():
    assert texts(read("[DEFAULT]", "few = x", "[s]", "number = 1")) == [
        'x.ini:2: "few" in [s]: found "x", expected a whole number of 0 or more'
    ]


def test_two_names_of_one_option():
    assert texts(read("[s]", "number = 1", "lots = 1", "many = 1")) == [
        'x.ini:3: "lots" is another name of "many", and both are given; keep one of them'
    ]


def test_secrets_stay_out_of_problems():
    [text] = texts(read("[s]", "number = 1", "word = xyzzy"))
    assert "xyzzy" not in text


def test_ignored_options_are_said_and_keep_their_default():
    resolved = read("[s]", "number = 1", "old = what ever")
    assert resolved.options.old == 3
    assert texts(resolved) == ['x.ini:3: warning: "old" in [s] has no effect; not used any more']


def test_options_that_contradict_each_other():
    resolved = read("[s]", "number = 1", "few = 101")
    assert resolved.options is None
    assert texts(resolved) == ["x.ini:1: [s]: that is not few"]


def test_references():
    resolved = read("[s]", "to = h:a", "others = h:b, h:c")
    assert [(one.section, one.kind, one.option, one.entry.line) for one in resolved.references] == [
        ("h:a", "handler", "to", 2),
        ("h:b", "handler", "others", 3),
        ("h:c", "handler", "others", 3),
    ]


@pytest.mark.parametrize(
    ("word", "hint"),
    [("PING", 'did you mean "ping"?'), ("pign", 'did you mean "ping"?'), ("zebra", "")],
)
def test_suggest(word, hint):
    assert suggest(word, iter(["queue", "ping"])) == hint
