"""The verb log; tests/e2e/test_steer.py has it with a real server."""

import json

from ccproxy.commands.log import LogVerb

INI = "[ccserver]\ncc-socket = tcp://127.0.0.1:5000\n[h:far]\nhandler = echo\n"


def test_level_and_section_are_told(ini, call, serving):
    value = {"level": "info", "sections": {"h:far": "debug"}}
    asked = serving(lambda method, target: (200, value))
    assert call("log", ini(INI), "debug", "h:far") == (0, "h:far is logged at debug\n", "")
    status, out, _ = call("log", ini(INI), "warning", "--json")
    assert (status, json.loads(out)) == (0, value)
    assert asked == [
        ("POST", "/v1/log?level=debug&section=h%3Afar"),
        ("POST", "/v1/log?level=warning&section="),
    ]


def test_a_level_that_does_not_exist(ini, call):
    status, _, err = call("log", ini(INI), "loud")
    assert status == 2 and "invalid choice: 'loud'" in err


def test_a_shell_is_offered_the_sections(ini):
    assert list(LogVerb().candidates("SECTION", ini(INI))) == ["CCServer", "h:far"]
    assert list(LogVerb().candidates("SECTION", "")) == ["CCServer"]
    assert list(LogVerb().candidates("FILE", ini(INI))) == []
