"""The verb test, on the terminal."""

import json
from xml.etree import ElementTree

import pytest

from ccproxy.commands.candidates import candidates

INI = """\
    [ccserver]
    cc-socket = tcp://127.0.0.1:5000
    cc-role = remote
    [routes]
    echo = h:echo
    log = h:far
    [h:echo]
    handler = echo
    [h:far]
    handler = proxy
    remote-cc = tcp://127.0.0.1:5001
"""
GOOD = """\
[test:good]
send = log.info
expect = h:far
fate = forwarded
"""
BAD = """\
[test:<bad> & "worse"]
send = echo.request {"hostname": "h", "target": "me", "time": 1}
expect = h:far
reply = echo.response {"orig_time": 2}
"""


@pytest.fixture
def tested(ini, call, tmp_path):
    """Runs the tests in a text."""

    def tested(text, *words):
        file = ini(INI)
        (tmp_path / "x.ini.test").write_text(text)
        status, out, err = call("test", *words, file)
        folder = f"{tmp_path}/"
        return status, out.replace(folder, ""), err.replace(folder, "")

    return tested


def test_tests_that_pass(tested):
    assert tested(GOOD) == (0, "x.ini.test:1: [test:good] ok\n1 test, 0 failed\n", "")


def test_a_test_that_fails_says_what_happened(tested):
    status, out, err = tested(GOOD + BAD)
    assert (status, err) == (1, "")
    assert "x.ini.test:1: [test:good] ok\n" in out
    assert 'x.ini.test:5: [test:<bad> & "worse"] failed\n' in out
    assert "x.ini.test:7:   h:far was not reached; reached: h:echo\n" in out
    assert "x.ini.test:8:   reply echo.response: orig_time is 1.0, expected 2\n" in out
    assert "  line 6: echo.request: replied\n    reached h:echo\n" in out
    assert out.endswith("2 tests, 1 failed\n")


def test_more_is_told_if_wanted(tested):
    out = tested(GOOD, "-v")[1]
    assert "    h:far sends log.info to tcp://127.0.0.1:5001\n" in out


def test_mistakes_stop_everything(tested):
    status, out, err = tested(GOOD + "[test:b]\nsent = a\n[test:c]\nsend = a\nexpect = h:no\n")
    assert (status, out) == (78, "")
    assert 'x.ini.test:6: unknown option "sent" in [test:b]; did you mean "send"?' in err
    assert "x.ini.test:9: [test:c]" in err


def test_a_bad_configuration_is_not_tested(tested, call, tmp_path):
    (tmp_path / "bad.ini").write_text("[ccserver]\n")
    status, out, err = call("test", tmp_path / "bad.ini")
    assert (status, out) == (78, "")
    assert "cc-socket" in err


def test_without_a_file_of_tests(ini, call):
    status, out, err = call("test", ini(INI))
    assert status == 78
    assert "x.ini.test: cannot be read: No such file or directory; write a section" in err


def test_json(tested):
    status, out, _ = tested(GOOD + BAD, "--json")
    value = json.loads(out)
    assert status == 1
    assert (value["failed"], value["problems"]) == (1, [])
    good, bad = value["tests"]
    assert (good["name"], good["ok"], good["line"]) == ("good", True, 1)
    assert good["steps"][0]["forwarded"] == [
        {"section": "h:far", "address": "tcp://127.0.0.1:5001", "type": "log.info"}
    ]
    assert [one["line"] for one in bad["failures"]] == [7, 8]
    status, out, _ = tested("[test:a]\n", "--json")
    assert status == 78
    assert json.loads(out)["problems"][0]["line"] == 1


def test_xml(tested):
    status, out, _ = tested(GOOD + BAD, "--junit")
    suite = ElementTree.fromstring(out)
    assert status == 1
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    good, bad = suite
    assert (good.get("name"), len(good)) == ("good", 0)
    assert bad.get("name") == '<bad> & "worse"'
    assert [one.get("message") for one in bad][0].startswith("line 7: h:far was not reached")


def test_some_of_the_tests(ini, call, tmp_path):
    file = ini(INI)
    (tmp_path / "other").write_text(GOOD + BAD)
    status, out, _ = call("test", file, "good", "--tests", tmp_path / "other")
    assert (status, out.splitlines()[-1]) == (0, "1 test, 0 failed")
    status, out, err = call("test", file, "goood", "--tests", tmp_path / "other")
    assert (status, out) == (78, "")
    assert 'no section [test:goood]; did you mean "good"?' in err


def test_a_shell_offers_the_tests(ini, tmp_path):
    file = ini(INI)
    (tmp_path / "x.ini.test").write_text(GOOD)
    found = [one.word for one in candidates(["test", str(file), ""])]
    assert found == ["good"]
