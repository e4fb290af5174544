"""INI files: values, interpolation, and the line of each value."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.config import ini
from ccproxy.config.scan import Grammar, bare

FILE = "/etc/cc/my.server.ini"


def parse(*lines, overrides=None):
    return ini.parse(FILE, "\n".join(lines), overrides or {}, "host1")


def value(section, name, *lines, overrides=None):
    entry = parse(*lines, overrides=overrides)[0].section(section).entry(name)
    return entry.text if entry and not entry.fault else entry and str(entry.fault)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%(job_name)s", "my.server"),
        ("%(service_name)s", "h:x"),
        ("%(host_name)s", "host1"),
        ("%(config_dir)s/%(config_file)s", f"/etc/cc/{FILE}"),
        ("%%(job_name)s", "%(job_name)s"),
        ("%(other)s!", "1!"),
        ("%(base)s", "/srv/my.server"),
        ("a = b", "a = b"),
        ("a;b ; c", "a;b"),
        ('"quoted"', '"quoted"'),
        ("café", "café"),
    ],
)
def test_values(text, expected):
    lines = ("[DEFAULT]", "base = /srv/%(job_name)s", "[h:x]", f"k = {text}", "other = 1")
    assert value("h:x", "k", *lines) == expected


def test_a_section_can_set_the_built_in_names_for_itself_only():
    lines = ("[ccserver]", "job_name = srv", "a = %(job_name)s", "[h:x]", "a = %(job_name)s")
    assert value("ccserver", "a", *lines) == "srv"
    assert value("h:x", "a", *lines) == "my.server"


def test_names_with_percent_signs_in_the_path_are_no_interpolation():
    made, problems = ini.parse("/a%b/c%(d)s.ini", "[x]\na = %(config_file)s", {}, "h%h")
    assert made.section("x").entry("a").text == "/a%b/c%(d)s.ini"
    assert problems == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("50%", 'has a single "%"'),
        ("%(nosuch)s", "uses %(nosuch)s, which is not set"),
        ("%(jobname)s", 'did you mean "job_name"?'),
        ("%(k)s", "uses itself"),
        ("%(open", 'has a single "%"'),
    ],
)
def test_faults_of_interpolation_wait_in_the_entry(text, what):
    made, problems = parse("[h:x]", f"k = {text}", "fine = 1")
    assert problems == []
    section = made.section("h:x")
    assert what in str(section.entry("k").fault)
    assert section.entry("k").fault.line == 2
    assert section.entry("fine").text == "1"


def test_defaults_are_inherited_but_never_own():
    made, _ = parse("[DEFAULT]", "a = %(service_name)s", "b = 1", "[routes]", "b = 2")
    routes = made.section("routes")
    assert [entry.name for entry in routes.entries] == ["b"]
    assert routes.own("a") is None
    assert routes.entry("a").text == "routes"
    assert routes.entry("a").line == 2
    assert made.section("DEFAULT") is None
    assert [entry.name for entry in made.defaults.entries] == ["a", "b"]


def test_the_command_line_overrides_the_server_section_only():
    lines = ("[ccserver]", "a = file", "b = %(a)s", "[h:x]", "a = file")
    overrides = {"a": "set-%(host_name)s", "new": "1", "bad": "5%"}
    assert value("ccserver", "a", *lines, overrides=overrides) == "set-host1"
    assert value("ccserver", "b", *lines, overrides=overrides) == "set-host1"
    assert value("ccserver", "new", *lines, overrides=overrides) == "1"
    assert value("ccserver", "bad", *lines, overrides=overrides).startswith("--set: ")
    assert value("h:x", "a", *lines, overrides=overrides) == "file"
    assert parse(*lines, overrides=overrides)[0].section("ccserver").entry("a").line == 0


def test_a_value_of_several_lines_knows_the_line_of_each_character():
    made, _ = parse("[routes]", "a = h:x,", "   ; note", "", "   h:y")
    entry = made.section("routes").entry("a")
    assert entry.text == "h:x,\nh:y"
    assert [entry.line_at(entry.text.index(name)) for name in ("h:x", "h:y")] == [2, 5]


def test_section_names_and_keys_keep_their_case():
    made, _ = parse("[H:x]", "A.B = 1")
    assert made.section("h:x") is None
    assert made.section("H:x").entry("a.b") is None
    assert made.section("H:x").entry("A.B").text == "1"


def test_references_are_the_names_in_percent_signs():
    made, _ = parse("[h:x]", "a = %(b)s %%(c)s", "d = %(e)s%(f)s")
    assert made.section("h:x").references == {"b", "e", "f"}


def test_read(tmp_path):
    path = tmp_path / "x.ini"
    path.write_bytes("\ufeff[h:x]\r\nk = caf\xe9\r\n  more\r\n".encode())
    made, problems = ini.read(str(path), {})
    assert made.section("h:x").entry("k").text == "café\nmore"
    assert made.job_name == "x"
    assert problems == []


def test_read_says_why_a_file_cannot_be_read(tmp_path):
    for name in ("nosuch.ini", "."):
        path = str(tmp_path / name)
        made, [problem] = ini.read(path, {})
        assert made is None
        assert str(problem).startswith(f"{path}: cannot be read: ")


def test_read_names_each_line_that_is_not_utf8(tmp_path):
    path = tmp_path / "x.ini"
    path.write_bytes(b"[a]\nb = \xff\nc = ok\nd = e\xe9\n")
    made, problems = ini.read(str(path), {})
    assert [(problem.line, problem.what) for problem in problems] == [
        (2, "byte 0xff in column 5 is not UTF-8"),
        (4, "byte 0xe9 in column 6 is not UTF-8"),
    ]
    assert made.section("a").entry("c").text == "ok"


def test_a_utf16_file_is_one_problem(tmp_path):
    path = tmp_path / "x.ini"
    path.write_bytes("[a]\nb = 1\n".encode("utf-16"))
    made, [problem] = ini.read(str(path), {})
    assert made is None
    assert "UTF-16" in problem.what


def test_the_folder_of_a_file_named_alone_is_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("x.ini").write_text("[a]\nb = %(config_dir)s/c")
    assert ini.read("x.ini", {})[0].section("a").entry("b").text == "./c"


@given(st.text(max_size=80), st.dictionaries(st.text(max_size=4), st.text(max_size=6), max_size=2))
def test_any_text_is_sections_and_problems(text, overrides):
    made, problems = ini.parse(FILE, text, overrides, "host1")
    lines = text.split("\n")
    for problem in problems:
        assert 0 < problem.line <= len(lines)
    for section in made.sections:
        for entry in section.entries:
            assert all(bare(lines[line - 1]) for line in entry.lines)


def test_a_grammar_without_variables_has_percent_signs():
    grammar = Grammar(variables=False)
    text = "[a]\nb = date +%s %(c)s %%\nc = 1\n"
    found, problems = ini.parse("x.ini", text, {}, "host", grammar)
    section = found.section("a")
    assert not problems and section.own("b").text == "date +%s %(c)s %%"
    assert (section.variables, section.references) == ((), frozenset())


def test_a_percent_sign_in_a_key_is_one_of_its_digits():
    key = "%(config)%%" + "a" * 29
    text = f"[x]\ncurve = {key}\ncurve-server = %(config_dir)s/server.key\nother = 50%%\n"
    found, problems = ini.parse("/etc/x.ini", text, {}, "host")
    assert not problems
    assert [one.text for one in found.sections[0].entries] == [key, "/etc/server.key", "50%"]
