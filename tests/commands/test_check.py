"""The verb check: it reports every mistake at once."""

import json
from pathlib import Path

from tests.certificates import example

CONF = Path(__file__).parents[2] / "conf"

GOOD = """\
    [ccserver]
    cc-socket = tcp://127.0.0.1:5000
    cc-role = remote
    [routes]
    echo = h:echo
    [h:echo]
    handler = echo
"""
BAD = """\
    [ccserver]
    cc-socket = 127.0.0.1:5000
    cc-role = remote
    [routes]
    echo = h:echo, h:gone
    [h:echo]
    handler = echo
    pign-remotes = tcp://a:1
"""


def test_a_valid_file(ini, call):
    status, out, err = call("check", ini(GOOD))
    assert (status, err) == (0, "")
    assert out.startswith("x.ini: ok, digest ")
    assert out.endswith(", 1 route, 1 handler, 1 listener\n")


def test_numbers_agree_with_their_nouns(call):
    out = call("check", CONF / "src.ini")[1]
    assert "4 routes, 3 handlers, 1 listener" in out


def test_the_digest_is_the_same_for_the_same_meaning(ini, call):
    first = call("check", ini(GOOD))[1]
    same = call("check", ini("    # a comment\n" + GOOD))[1]
    other = call("check", ini(GOOD.replace("5000", "5001")))[1]
    assert first == same != other


def test_all_mistakes_at_once_with_lines_and_hints(ini, call):
    status, out, _ = call("check", ini(BAD))
    lines = out.splitlines()
    assert status == 78
    assert [line.split(":")[1] for line in lines[:-1]] == ["2", "5", "8"]
    assert 'did you mean "ping-remotes"?' in out
    assert lines[-1] == "x.ini: 3 mistakes"


def test_a_warning_is_no_mistake(ini, call):
    status, out, _ = call("check", ini(GOOD.replace("cc-role = remote", "")))
    assert status == 0
    assert "x.ini:1: warning: " in out and "x.ini: ok" in out


def test_several_files_one_of_them_bad(ini, call):
    status, out, _ = call("check", ini(GOOD), ini(BAD, "bad.ini"), "missing.ini")
    assert status == 78
    assert "x.ini: ok" in out
    assert "bad.ini: 3 mistakes" in out
    assert "missing.ini: cannot be read: No such file or directory" in out


def test_json(ini, call):
    status, out, _ = call("check", "--json", ini(GOOD), ini(BAD, "bad.ini"))
    good, bad = json.loads(out)
    assert status == 78
    assert len(good.pop("digest")) == 12
    assert good == {
        "file": "x.ini", "valid": True, "problems": [], "routes": 1, "handlers": 1, "listeners": 1,
    }  # fmt: skip
    assert bad["valid"] is False and len(bad["problems"]) == 3
    assert bad["problems"][0].keys() == {"file", "line", "what", "hint", "warning"}


def test_every_file_of_conf_is_checked_as_what_it_is(call, tmp_path):
    """Graphs and repositories were taken for configurations with seven mistakes."""
    files = [example(file, tmp_path) for file in sorted(CONF.glob("*.ini"))]
    status, out, err = call("check", *files)
    assert (status, err) == (0, ""), out
    assert f"{CONF}/shop.graph.ini: ok, a file for the handler ssmmp-manager\n" in out
    assert f"{CONF}/shop.repo.ini: ok, a file for the handler ssmmp-agent\n" in out


def test_mistakes_of_a_graph_and_a_repository(ini, call, tmp_path):
    graph = tmp_path / "g"
    graph.write_text("[app]\nname = x\n[service a]\nsocket = a_api\n")
    status, out, _ = call("check", graph)
    assert status == 78
    assert f'{graph}:4: unknown option "socket"' in out and 'did you mean "sockets"?' in out
    assert out.endswith(f"{graph}: 1 mistake\n")
    repository = tmp_path / "r"
    repository.write_text("[program a]\nsockets = a_api\n")
    [found] = json.loads(call("check", "--json", repository)[1])
    assert (found["valid"], found["handler"]) == (False, "ssmmp-agent")
    assert len(found["problems"]) == 1


def test_a_file_that_nothing_knows_is_checked_as_a_configuration(ini, call):
    status, out, _ = call("check", ini("    [h:echo]\n    handler = echo\n"))
    assert status == 78
    assert "no section [ccserver]" in out
