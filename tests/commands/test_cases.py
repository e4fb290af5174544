"""Files of config tests: what they say, and every mistake in them."""

import pytest

from ccproxy.commands import common
from ccproxy.commands.cases import Described, Reach, read_cases

INI = """\
[ccserver]
cc-socket = tcp://127.0.0.1:5000
cc-role = remote
[listen:bus]
protocol = zmq
socket = pull
address = tcp://127.0.0.1:5001
type = bus
[routes]
* = h:echo
[h:echo]
handler = echo
[h:far]
handler = proxy
remote-cc = tcp://127.0.0.1:5002
[allow:ann]
plain = ann
"""


@pytest.fixture
def read(tmp_path):
    """Reads the text of a file of tests: its cases, and its problems as lines."""
    ini = tmp_path / "x.ini"
    ini.write_text(INI.replace("h:echo\n[", "h:echo, h:far\n[", 1))
    plan, problems = common.load(ini)
    assert plan is not None, problems

    def read(text):
        file = tmp_path / "x.ini.test"
        file.write_text(text)
        cases, problems = read_cases(file, plan)
        return cases, [str(one).removeprefix(f"{file}") for one in problems]

    return read


def test_a_whole_test(read):
    text = """\
[test:a name with spaces]
send = log.info {"text": "100 %",
    "list": [1, 2]}
as = ann
expect = h:echo, not h:far
fate = replied
reply = one {"a": 1} two
    three {"b": {}}
send.2 = log.end
wait.2 = 1.5 s
reply.2 = no
wait.10 = 3 s
raises.10 = h:far
"""
    [case], problems = read(text)
    assert problems == []
    assert (case.name, case.line) == ("a name with spaces", 1)
    first, second, last = case.steps
    assert [one.number for one in case.steps] == [1, 2, 10]
    assert first.options.send == Described("log.info", {"text": "100 %", "list": [1, 2]})
    assert first.options.peer == "ann"
    assert first.options.expect == (Reach("h:echo", True), Reach("h:far", False))
    assert first.options.reply == (
        Described("one", {"a": 1}), Described("two"), Described("three", {"b": {}}),
    )  # fmt: skip
    assert first.lines["reply"] == 7
    assert (second.options.wait, second.options.reply) == (1.5, ())
    assert second.listener.section == "ccserver"
    assert (last.options.send, last.options.raises, last.line) == (None, ("h:far",), 12)


def test_the_listener_follows_from_the_type(read):
    cases, problems = read(
        "[test:a]\nsend = bus\nfate = full\n[test:b]\nsend = busy\nfate = full\n"
        "[test:c]\nsend = bus.x\nfrom = ccserver\nfate = full\n"
    )
    assert problems == []
    assert [one.steps[0].listener.section for one in cases] == [
        "listen:bus", "ccserver", "ccserver",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[test:a]\nsend = a\nfat = full\n", ':3: unknown option "fat" in [test:a]; did you mean'),
        ("[test:a]\nsend.2 = a\nfate.2 = ful\n", ':3: "fate" in [test:a]: found'),
        ("[test:a]\nsend = a\nfate = lost\n", "expected forwarded, replied,"),
        ("[test:a]\nsend = a\n", ":1: [test:a] expects nothing; give one of"),
        ("[test:a]\nfate = full\n", ':2: [test:a]: "fate" is about a message'),
        ("[test:a]\nraises = h:echo\n", ':1: [test:a] lacks "send"'),
        ("[test:a]\nsend = a {\nfate = full\n", "the JSON of a cannot be read"),
        ("[test:a]\nsend = a b\nfate = full\n", "the next one is send.2"),
        ("[test:a]\nsend = a\nreply =\n", "expected TYPE, TYPE and JSON, or no"),
        ("[test:a]\nsend = a\nexpect = h:eco\n", 'no handler runs as [h:eco]; did you mean "h:e'),
        ("[test:a]\nsend = a\nexpect = never h:echo\n", "expected SECTION or not SECTION"),
        ("[test:a]\nsend = a\nraises = h:no\n", ":3: [test:a]: no handler runs as [h:no]"),
        ("[test:a]\nsend = a\nfrom = bus\nfate = full\n", ":3: [test:a]: no listener [bus]"),
        ("[test:a]\nsend = a\nas = bob\nfate = full\n", ":3: [test:a]: no section [allow:bob]"),
        ("[test:a]\nsend = a\nfrom = listen:bus\nfate = full\n", "types that begin with bus"),
        ("[test:a]\nsend = a [1]\nfate = full\n", "the JSON of a CC message is an object"),
        ("[test:]\nsend = a\n", "unknown kind of section [test:]; write [test:NAME]"),
        ("[h:echo]\nhandler = echo\n", "unknown kind of section [h:echo]"),
        ("# nothing\n", ": no section [test:NAME]"),
        ("[test:a]\nsend = a\nsend = b\nfate = full\n", ':3: "send" is given twice in [test:a]'),
        ("send = a\n", ":1: text before the first section; start with a line such as [test:NAME]"),
    ],
)
def test_a_mistake_has_its_line(read, text, problem):
    cases, problems = read(text)
    assert any(problem in one for one in problems), problems


def test_all_mistakes_at_once(read):
    cases, problems = read(
        "[test:a]\nsend = a\nfat = full\n[test:b]\nsend = a\nexpect = h:x, h:y\nas = z\n"
        "[test:c]\nsend = a\nfate = full\n"
    )
    assert [one.name for one in cases] == ["c"]
    assert [one.partition(" ")[0] for one in problems] == [":1:", ":3:", ":6:", ":6:", ":7:"]


def test_a_wrong_option_is_no_reason_to_doubt_the_others(read):
    text = "[test:a]\nsend = a\nexpect = h:echo\nfate = lost\n[test:b]\nsned = a\nfate = full\n"
    cases, problems = read(text)
    assert cases == []
    assert [one.partition(" ")[0] for one in problems] == [":4:", ":5:", ":6:"]


def test_a_file_that_is_not_there(read, tmp_path):
    plan, _ = common.load(tmp_path / "x.ini")
    cases, [problem] = read_cases(tmp_path / "none", plan)
    assert cases == []
    assert "none: cannot be read: No such file or directory; write a section [test:" in str(problem)
