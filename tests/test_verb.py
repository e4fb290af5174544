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
