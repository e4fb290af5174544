"""The scanner: every line is classified as configparser will do it, faults lose nothing else."""

from configparser import ConfigParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.config.scan import ORIGINAL_FILE, Grammar, asks_for_original, bare, scan


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("a = b", "a = b"),
        ("a = b ; c", "a = b"),
        ("a = b;c ; d", "a = b;c"),
        ("a = b # c", "a = b # c"),
        ("# a", ""),
        ("   ; a", ""),
        ("a = b\t;c", "a = b"),
        ("[a] ; b", "[a]"),
        ("", ""),
    ],
)
def test_comments(line, text):
    assert bare(line) == text


@pytest.mark.parametrize("line", ["rem", "Rem a = b", "REM\tremote = x"])
def test_a_remark_is_a_comment_in_the_files_of_the_original(line):
    assert bare(line, ORIGINAL_FILE) == ""
    assert bare(line) == line
    assert bare("remote = x", ORIGINAL_FILE) == "remote = x"
    assert bare(" rem x", ORIGINAL_FILE) == " rem x"


def test_every_option_knows_the_lines_of_its_value():
    scanned = scan("x.ini", ["[a]", "b = 1,", "  2,", "", "  # note", "  3", "c = 4"])
    assert scanned.options["a", "b"] == (2, 3, 6)
    assert scanned.options["a", "c"] == (7,)
    assert scanned.sections == {"a": 1}
    assert scanned.problems == ()


def test_faulty_lines_become_comments_with_what_continues_them():
    lines = ["[a]", "b = 1", "nonsense", "  more of it", "c = 2", "c = 3", "  and 4", "d = 5"]
    scanned = scan("x.ini", lines)
    assert scanned.lines == ("[a]", "b = 1", "#", "#", "c = 2", "#", "#", "d = 5")
    assert [problem.line for problem in scanned.problems] == [3, 6]


def test_a_grammar_may_allow_more():
    grammar = Grammar((";", "#"), indented=True, example="[thing NAME]")
    assert bare("a = b # c", grammar) == "a = b"
    lines = [" [ thing  a ]", "  b = 1 # c", "    2", "  c=3", "[thing d]"]
    scanned = scan("x.ini", lines, grammar)
    assert not scanned.problems
    assert scanned.lines == ("[thing a]", "b = 1 # c", "    2", "c=3", "[thing d]")
    assert scanned.options["thing a", "b"] == (2, 3)
    (problem,) = scan("x.ini", ["b = 1"], grammar).problems
    assert problem.hint == "start with a line such as [thing NAME]"


def test_what_was_meant_goes_on():
    scanned = scan("x.ini", ["[[ a ]", "b: 1", "  c = 2"])
    assert scanned.lines == ("[a]", "b = 1", "c = 2")
    assert [problem.line for problem in scanned.problems] == [1, 2, 3]


def test_indented_text_with_an_equals_sign_is_fine_where_it_is_no_option():
    lines = ["[h:db]", "db = host=here", "   dbname=x user=y", "   a/b = c"]
    assert scan("x.ini", lines).problems == ()


lines = st.lists(
    st.one_of(
        st.sampled_from([
            "[a]", "[b]", "[routes]", "[DEFAULT]", " [a]", "[a", "a = 1", "a: 1", "b = 2 ; c", "",
            "  x", "  y = 1", "\tz=1", "# c", "  ; c", "a", "= 1", "a =", " ", "%", "c = %(a)s",
        ]),
        st.text(alphabet="ab[]=:;# \t%()s.\xa0\x1c", max_size=8),
        st.text(max_size=8).filter(lambda text: "\n" not in text),
    ),
    max_size=12,
)  # fmt: skip


@given(lines)
def test_configparser_reads_what_the_scanner_lets_through_and_agrees(given_lines):
    scanned = scan("x.ini", given_lines)
    parser = ConfigParser(
        delimiters=("=",), comment_prefixes=("#", ";"), inline_comment_prefixes=(";",),
        strict=not scanned.problems, interpolation=None,
    )  # fmt: skip
    parser.optionxform = str
    parser.read_file(scanned.lines)
    names = {(owner, name) for owner, name in scanned.options if owner != "DEFAULT"}
    read = {(one, name) for one in parser.sections() for name in parser._sections[one]}
    assert read == names
    defaults = {name for owner, name in scanned.options if owner == "DEFAULT"}
    assert set(parser.defaults()) == defaults
    for (owner, name), where in scanned.options.items():
        text = parser.get(owner, name)
        assert text.count("\n") < len(where)
        for row, line in zip(text.split("\n"), where, strict=False):
            assert row.strip() in given_lines[line - 1]


@given(lines)
def test_problems_have_lines_of_the_file(given_lines):
    for problem in scan("x.ini", given_lines).problems:
        assert 1 <= problem.line <= len(given_lines)
        assert "\n" not in str(problem)


@pytest.mark.parametrize(
    ("line", "asks"),
    [
        ("compat = cc", True),
        ("Compat: cc ; as it was", True),
        ("compat = no", False),
        ("# compat = cc", False),
        ("compat = ccx", False),
    ],
)
def test_a_file_asks_for_the_original_in_the_section_of_the_server(line, asks):
    assert asks_for_original(["[routes]", "a = b", "[ccserver]", line]) is asks
    assert not asks_for_original(["[routes]", line])


def test_the_original_splits_at_the_first_colon_or_equals_sign_and_the_last_one_counts():
    lines = ["[a]", "B : c = d", "b = e : f", "  g", "c=", "= x", "nonsense", "[a]", "d:e"]
    scanned = scan("x.ini", lines, ORIGINAL_FILE)
    assert scanned.lines == (
        "[a]", "B = c = d", "b = e : f", "  g", "c=", "#", "#", "[a]", "d = e",
    )  # fmt: skip
    assert scanned.options == {("a", "b"): (3, 4), ("a", "c"): (5,), ("a", "d"): (9,)}
    assert [(one.line, one.warning) for one in scanned.problems] == [
        (2, True), (3, True), (6, False), (7, False), (8, True), (9, True),
    ]  # fmt: skip
