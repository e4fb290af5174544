"""Sections of graph and repository files, and what these allow besides the grammar of INI files."""

from dataclasses import dataclass

import pytest

from ccproxy import kinds, option
from ccproxy_handlers.ssmmp.sections import has_sections_of, read


@dataclass(frozen=True, slots=True)
class Thing:
    words: str = option(kinds.text, default="", aliases=("old_words",), help="words")
    more_words: str = option(kinds.text, default="", help="more words")


@dataclass(frozen=True, slots=True)
class Whole:
    count: int = option(kinds.natural, default=0, help="a number")


TABLES = {"[whole]": Whole, "[thing NAME]": Thing}


def read_one(text):
    (section,), problems = read("f.ini", text, TABLES)
    assert not problems
    return section


def test_sections_have_a_kind_a_name_options_and_lines():
    text = "# all\n[thing a]\r\nwords = 1 ; one\nmore-words=2\n\n[whole]\ncount = 3\n"
    (thing, whole), problems = read("f.ini", text, TABLES)
    assert not problems
    assert (thing.kind, thing.name, thing.line) == ("thing", "a", 2)
    assert (thing.options.words, thing.options.more_words) == ("1", "2")
    assert (whole.kind, whole.name, whole.options) == ("whole", "", Whole(count=3))
    assert (thing.line_of("more_words"), thing.line_of("words"), whole.line_of("x")) == (4, 3, 6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("words = colour#1 #2", "colour#1"),
        ("words = a;b ; c", "a;b"),
        ("words = date +%s %(x)s %%", "date +%s %(x)s %%"),
        ("   words = indented", "indented"),
        ("more-words = x\n  words=1", "1"),
        ("old_words = x", "x"),
    ],
)
def test_a_value_means_what_it_always_meant(text, words):
    assert read_one(f"[thing a]\n{text}\n").options.words == words


def test_an_indented_line_continues_the_value_above():
    section = read_one("[thing a]\nwords = run\n  --set=1\n  A=2\n  words\n")
    assert section.options.words.split() == ["run", "--set=1", "A=2", "words"]


def test_headers_may_have_white_space():
    assert read_one("  [ thing   a ]\n").name == "a"


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("[thing]", 1, "unknown section [thing]; expected [whole], [thing NAME]"),
        ("[whole a]", 1, "unknown section [whole a]"),
        ("[thing a/b]", 1, "unknown section [thing a/b]"),
        ("[DEFAULT]\nwords = 1\n[thing a]", 1, "unknown section [DEFAULT]"),
        ("[thing a]\n[thing  a]", 2, "given twice; first in line 1"),
        ("words = 1\n[thing a]", 1, "start with a line such as [whole]"),
        ("[thing a]\nwords = 1\nold_words = 2", 3, "another name"),
        ("[thing a]\nhost_name = x", 2, 'unknown option "host_name"'),
        ("[thing a]\nword = x", 2, 'did you mean "words"?'),
        ("[whole]\ncount = x", 2, '"count" in [whole]'),
    ],
)
def test_every_mistake_has_its_line(text, line, what):
    _, (problem,) = read("f.ini", text, TABLES)
    assert problem.line == line and what in str(problem)


def test_a_section_with_a_mistake_has_no_options_and_the_others_have():
    (wrong, right), problems = read("f.ini", "[whole]\ncount = x\n[thing a]\nwords = y", TABLES)
    assert len(problems) == 1
    assert wrong.options is None and right.options.words == "y"
    assert str(wrong.problem("count", "odd")) == "f.ini:2: odd"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[app]", True), ("# x\n  [service a b]\n", True), ("[ app ]", True),
        ("", False), ("[h:app]\n", False), ("[services a]", False), ("x = [app]", False),
    ],
)  # fmt: skip
def test_a_text_is_known_by_its_sections_also_if_they_are_wrong(text, found):
    assert has_sections_of(text, {"[app]": object, "[service NAME]": object}) is found
