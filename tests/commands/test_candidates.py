"""What may stand in the place of the last word of a command line."""

import pytest

from ccproxy import cli
from ccproxy.commands.candidates import ANY_FILES, INI_FILES, candidates

INI = """\
    [ccserver]
    cc-socket = tcp://127.0.0.1:5000
    [routes]
    * = h:echo
    log.info = h:echo
    relocate.sum = h:echo
    [h:echo]
    handler = echo
"""


def offered(line: str) -> set[str]:
    """Candidates for a line; a space at its end begins a new word."""
    return {one.word for one in candidates(line.split(" "))}


@pytest.mark.parametrize("verb", cli.Verbs().names)
def test_every_verb_and_each_of_its_options_is_offered(verb):
    assert verb in offered(verb[:-1])
    for action in cli.parser_of(verb)._actions:
        assert set(action.option_strings) <= offered(f"{verb} -")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("exp", {"explain", INI_FILES}),
        ("--verb", {"--verbose"}),
        ("run ", {INI_FILES}),
        ("x.ini -", {"-d", "-r"}),
        ("check a.ini ", {INI_FILES}),
        ("check --", {"--json", "--help"}),
        ("examples ", {ANY_FILES}),
        ("send x.ini a {} ", {ANY_FILES}),
        ("send x.ini log --t", {"--timeout"}),
        ("send --socket ", {"pub", "push", "req", "dealer"}),
        ("listen ", {INI_FILES}),
        ("listen x.ini --socket ", {"sub", "pull", "router", "xpub"}),
        ("completion f", {"fish"}),
        ("mesh ", {INI_FILES}),
        ("mesh x.ini dr", {"drain"}),
        ("mesh x.ini ", {"status", "scale", "cancel", "events"}),
        ("mesh --help x.ini ", {"status"}),
        ("mesh x.ini events --f", {"--follow"}),
        ("mesh x.ini graph --", {"--dot", "--mermaid", "--timeout"}),
    ],
)
def test_verbs_words_options_and_files(line, found):
    assert found <= offered(line)


@pytest.mark.parametrize(
    "line",
    [
        "send x.ini log --timeout ",  # a number
        "mesh x.ini status ",  # nothing more
        "explain gone.ini ",
        "nonsense ex",
        "mesh x.ini scale ",
    ],
)
def test_nothing_is_offered_where_nothing_is_known(line):
    assert offered(line) <= {INI_FILES}


@pytest.mark.parametrize("line", ["explain {} ", "send {} ", "explain --json {} log ", "send {} l"])
def test_the_types_of_the_file(line, ini):
    assert "log.info" in offered(line.format(ini(INI)))
    assert "*" not in offered(line.format(ini(INI)))


def test_the_names_that_relocations_have(ini):
    assert offered(f"relocate {ini(INI)} ") == {"sum"}
    assert offered(f"relocate {ini(INI)} sum ") == set()


def test_the_services_of_a_graph(call, tmp_path):
    assert call("examples", tmp_path)[0] == 0
    file = tmp_path / "conf" / "manager.ini"
    assert offered(f"mesh {file} scale ") == {"web", "catalog", "orders", "store"}
    (tmp_path / "conf" / "shop.graph.ini").unlink()
    assert offered(f"mesh {file} scale ") == set()


def test_options_and_values_are_no_arguments(ini):
    assert "log.info" in offered(f"send --wait 2 --timeout=3 {ini(INI)} ")


PLUGIN = """from ccproxy import Verb


class Greet(Verb):
    about = "greet"

    def arguments(self, parser):
        parser.add_argument("file", metavar="FILE")
        parser.add_argument("name", metavar="NAME")

    def candidates(self, metavar, file):
        return ["Ann", "Bob"] if metavar == "NAME" else []
"""


def test_a_verb_of_a_plugin_is_completed_too(ini, tmp_path):
    (tmp_path / "greet.py").write_text(PLUGIN, "utf-8")
    file = ini(INI.replace("[routes]", "plugins = .\n    [routes]"))
    assert offered(f"greet {file} A") == {"Ann"}


def test_a_verb_that_cannot_be_loaded_offers_nothing(ini, tmp_path):
    (tmp_path / "greet.py").write_text("raise OSError", "utf-8")
    file = ini(INI.replace("[routes]", "plugins = .\n    [routes]"))
    assert offered(f"greet {file} A") == set()
