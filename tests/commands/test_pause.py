"""The verbs pause and resume; tests/e2e/test_steer.py has them with real links."""

import pytest

from ccproxy.commands.pause import PauseVerb

INI = "[ccserver]\ncc-socket = tcp://127.0.0.1:5000\n[h:far]\nhandler = echo\n"


@pytest.mark.parametrize("word", ["pause", "resume"])
def test_the_section_is_named(ini, call, serving, word):
    asked = serving(lambda method, target: (200, {"changed": 1}))
    assert call(word, ini(INI), "h:far") == (0, f"{word}d 1 link of h:far\n", "")
    assert asked == [("POST", f"/v1/{word}?link=h%3Afar")]
    assert call(word, ini(INI), "h:far", "--json") == (0, '{"changed": 1}\n', "")


def test_a_shell_is_offered_the_sections(ini):
    assert list(PauseVerb().candidates("LINK", ini(INI))) == ["h:far"]
    assert list(PauseVerb().candidates("LINK", "missing.ini")) == []
    assert list(PauseVerb().candidates("FILE", ini(INI))) == []
