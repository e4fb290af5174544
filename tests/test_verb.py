"""The contract of a verb, and a verb in a drop-in folder beside a configuration."""

import argparse

import pytest

from ccproxy import cli
from ccproxy.verb import Verb

GREET = """\
from ccproxy.verb import Verb


class Greet(Verb):
    about = "greet somebody"
    examples = "examples:\\n  ccserver greet x.ini Ann"

    def arguments(self, parser):
        parser.add_argument("file", help="an INI file")
        parser.add_argument("name", help="who is greeted")

    def run(self, options):
        print("Hello", options.name)
        return 7
"""


@pytest.fixture
def file(ini, tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "greet.py").write_text(GREET)
    return ini("[ccserver]\nplugins = more\n[routes]\n")


def test_the_base_class_declares_nothing_and_cannot_run():
    parser = argparse.ArgumentParser()
    Verb().arguments(parser)
    assert vars(parser.parse_args([])) == {}
    with pytest.raises(NotImplementedError):
        Verb().run(argparse.Namespace())


def test_a_file_in_a_plugin_folder_is_a_verb(file, call):
    assert call("greet", file, "Ann") == (7, "Hello Ann\n", "")
    status, out, _ = call("greet", file, "--help")
    assert status == 0 and "Greet somebody." in out and "ccserver greet x.ini Ann" in out


def test_without_the_file_that_names_the_folder_it_is_no_verb(file, call):
    status, _, err = call("greet")
    assert status == 78 and "greet" in err


def test_a_verb_that_cannot_be_loaded_says_why(file, call, tmp_path):
    (tmp_path / "more" / "greet.py").write_text("raise SystemExit(3)\n")
    status, _, err = call("greet", file, "Ann")
    assert status == 1
    assert err == ('ccserver: verb "greet" cannot be loaded: more/greet.py:1: SystemExit: 3\n')


def test_folders_are_read_from_files_that_are_whole(file, tmp_path):
    assert cli.drop_in_folders([file]) == ("more",)
    assert cli.drop_in_folders(["none.ini", "x", "greet"]) == ()
    (tmp_path / "bad.ini").write_text("plugins = more\n")
    assert cli.drop_in_folders(["bad.ini"]) == ()


@pytest.mark.parametrize("word", ["check", "run"])
def test_a_drop_in_file_of_another_kind_may_have_the_word_of_a_verb(file, call, tmp_path, word):
    (tmp_path / "more" / f"{word}.py").write_text(
        "from ccproxy import Handler\n\n\nclass Mine(Handler):\n    pass\n"
    )
    status, out, err = call("check", file)
    assert "more than once" not in err
    assert (status, "lacks" in out) == (78, True)


def test_a_second_verb_of_the_same_word_is_not_chosen_from(file, call, tmp_path):
    (tmp_path / "more" / "check.py").write_text(GREET)
    status, _, err = call("check", file)
    assert status == 1 and 'verb "check" is there more than once' in err


def test_one_instance_declares_and_runs(file, call, tmp_path):
    (tmp_path / "more" / "greet.py").write_text(
        GREET.replace("def arguments(self, parser):", "def arguments(self, parser):\n"
                      "        self.parser = parser")
        .replace('print("Hello", options.name)', "print(self.parser.prog, options.name)")
    )  # fmt: skip
    assert call("greet", file, "Ann") == (7, "ccserver greet Ann\n", "")
