"""Where a verb asks the server of a file, whatever is wrong with the rest of the file."""

import os
from pathlib import Path

import pytest

from ccproxy.commands.control import control_places
from ccproxy.process.control_socket import open_at, places_to_look

INI = "[ccserver]\ncc-socket = tcp://127.0.0.1:5000\n"


def test_without_the_option_the_places_follow_from_the_file(ini):
    file = Path(ini(INI))
    found = control_places(file, {})
    assert found.paths == tuple(places_to_look(file, os.geteuid()))
    assert found.problems == () and found.fault is None


@pytest.mark.parametrize(
    ("line", "path"),
    [("control = sub/c.sock", "sub/c.sock"), ("control = /run/c.sock", "/run/c.sock")],
)
def test_the_option_names_the_place(ini, tmp_path, line, path):
    assert control_places(Path(ini(INI + line)), {}).paths == (tmp_path / path,)


def test_the_command_line_names_the_place(ini, tmp_path):
    found = control_places(Path(ini(INI + "control = a.sock")), {"control": "b.sock"})
    assert found.paths == (tmp_path / "b.sock",)


@pytest.mark.parametrize("word", ["no", "No"])
def test_a_server_without_a_socket(ini, word):
    found = control_places(Path(ini(INI + f"control = {word}")), {})
    assert (found.paths, found.fault) == ((), None)


def test_other_mistakes_do_not_matter(ini, tmp_path):
    found = control_places(
        Path(ini(INI + "control = c.sock\nnonsense = 1\n[h:x]\nhandler = none")), {}
    )
    assert found.paths == (tmp_path / "c.sock",)
    assert found.problems == ()


@pytest.mark.parametrize("text", ["[routes]\na = h:b\n", None])
def test_a_file_that_says_nothing_is_no_reason_not_to_look(ini, tmp_path, text):
    file = Path(ini(text)) if text else tmp_path / "gone.ini"
    found = control_places(file, {})
    assert found.paths == tuple(places_to_look(file, os.geteuid()))
    assert bool(found.problems) == (text is None)


@pytest.mark.parametrize(
    ("line", "why"),
    [("control = %(nosuch)s/x", "nosuch"), ("control = ~/x", "a path without ~")],
)
def test_an_option_that_cannot_be_read_is_a_problem(ini, line, why):
    found = control_places(Path(ini(INI + line)), {})
    assert found.paths == ()
    assert why in str(found.fault)


def test_a_socket_stands_for_itself(tmp_path):
    made = open_at(tmp_path / "x.sock")
    assert control_places(made.path, {}).paths == (made.path,)
    made.socket.close()
