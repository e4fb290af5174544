"""From a file to a plan: sections, listeners, roles, overrides; see tests/wrong for mistakes."""

import re
from pathlib import Path

import pytest

from ccproxy.config.build import build
from ccproxy.config.links import ZmtpListenerOptions
from ccproxy.config.plan import ListenerPlan, RoutePlan
from ccproxy.plugins import Plugins
from ccproxy.protocols.cc.protocol import CcProtocol
from tests.certificates import example

INI = """[ccserver]
cc-socket = tcp://127.0.0.1:22632
cc-role = local
peer-queue = 1 MiB
[routes]
echo = h:echo
[h:echo]
handler = echo
"""


def test_a_plan(build_ini):
    plan, problems = build_ini(INI)
    assert problems == []
    assert (plan.file, plan.job_name) == ("x.ini", "x")
    assert plan.listeners == (
        ListenerPlan(
            "ccserver",
            "cc",
            CcProtocol,
            "tcp://127.0.0.1:22632",
            ZmtpListenerOptions(peer_queue=1 << 20),
            2,
        ),
    )
    assert plan.routes == (RoutePlan("echo", ("h:echo",), 6),)
    [handler] = plan.handlers
    assert (handler.section, handler.word, handler.line) == ("h:echo", "echo", 7)
    assert handler.factory.__name__ == "Echo"
    assert plan.server.cc_role == "local"


def test_a_file_that_cannot_be_read_is_the_only_problem(finder, tmp_path):
    path = str(tmp_path / "nosuch.ini")
    plan, problems = build(path, {}, finder)
    assert plan is None
    assert [str(problem) for problem in problems] == [
        f"{path}: cannot be read: No such file or directory"
    ]


def test_the_command_line_wins_over_the_file(build_ini):
    plan, problems = build_ini(INI, {"cc-role": "remote", "job_name": "other"})
    assert problems == []
    assert (plan.server.cc_role, plan.job_name) == ("remote", "other")


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        ({"nonsense": "1"}, '--set: unknown option "nonsense" in [ccserver]'),
        ({"pidfil": "x"}, 'did you mean "pidfile"?'),
        ({"cc-stats": "9"}, '--set: "cc-stats" in [ccserver]: found "9", expected'),
        ({"logfile": "%"}, '--set: "logfile" in [ccserver] has a single "%"'),
        ({"plugins": "nowhere"}, '--set: no folder "nowhere" for plugins'),
    ],
)
def test_mistakes_on_the_command_line_are_called_so(build_ini, overrides, text):
    plan, [problem] = build_ini(INI, overrides)
    assert plan is None
    assert text in problem


def test_further_listeners(build_ini):
    more = "[listen:b]\nprotocol = cc\naddress = ipc:///tmp/b\nmax-peers = 5\n"
    typed = "[listen:c]\nprotocol = sodep\naddress = tcp://127.0.0.1:9000\ntype = calc\n"
    plan, problems = build_ini(INI + more + typed)
    assert problems == []
    assert [one.section for one in plan.listeners] == ["ccserver", "listen:b", "listen:c"]
    assert plan.listener("listen:b").options == ZmtpListenerOptions(max_peers=5)
    assert plan.listener("listen:c").type == "calc"
    assert plan.listener("listen:c").line == 15


def test_listeners_in_the_spelling_of_jolie(build_ini):
    more = (
        "[listen:b]\nprotocol = sodep\ntype = calc\naddress = {}\n"
        "[listen:c]\nprotocol = http\ntype = calc\naddress = {}\n"
    )
    ini = INI + more
    theirs, problems = build_ini(ini.format("socket://localhost:9000/", "localsocket:/tmp/c"))
    assert problems == []
    assert [one.address for one in theirs.listeners[1:]] == ["tcp://localhost:9000", "ipc:///tmp/c"]
    ours, _ = build_ini(ini.format("tcp://localhost:9000", "ipc:///tmp/c"))
    assert ours == theirs and ours.digest == theirs.digest
    _, [clash] = build_ini(ini.format("localsocket:/tmp/c", "ipc:///tmp/c"))
    assert "[listen:c] listens on ipc:///tmp/c; [listen:b] in line 12 has ipc:///tmp/c" in clash


def test_options_that_say_nothing_to_a_protocol(build_ini):
    more = "[listen:b]\nprotocol = {}\n{} = {}\naddress = tcp://127.0.0.1:9000\n"
    calls = more + "type = calc\n"
    plan, [problem] = build_ini(INI + calls.format("sodep", "max-frames", 9))
    assert plan is not None
    assert (
        problem.startswith("x.ini:11: warning: ") and "no meaning with protocol = sodep" in problem
    )
    plan, problems = build_ini(INI + calls.format("sodep", "timeout", "9 s"))
    assert plan is not None and problems == []
    plan, [problem] = build_ini(INI + more.format("ssmmp", "type", "x"))
    assert plan is None and "its messages carry their type" in problem
    plan, [problem] = build_ini(INI + calls.format("sodep", "peer-on-full", "drop-old"))
    assert plan is not None and "x.ini:11: warning: " in problem
    assert '[listen:b]: "peer-on-full = drop-old" has no meaning with calls' in problem
    for protocol, policy in (("sodep", "block"), ("cc", "drop-old"), ("ssmmp", "drop-old")):
        section = (calls if protocol == "sodep" else more).format(protocol, "peer-on-full", policy)
        _, problems = build_ini(INI + section)
        assert problems == []
    default = "[DEFAULT]\nmax-frames = 9\n"
    plan, problems = build_ini(INI + calls.format("sodep", "timeout", 9) + default)
    assert plan is not None and problems == []


def test_a_listener_of_calls_needs_a_type(build_ini):
    for typed in ("", "type =\n"):
        more = f"[listen:b]\nprotocol = sodep\naddress = tcp://127.0.0.1:9000\n{typed}"
        plan, [problem] = build_ini(INI + more)
        assert plan is None
        assert problem.startswith(
            'x.ini:9: [listen:b] lacks "type"' if not typed else 'x.ini:12: "type" in [listen:b]: '
        )


def test_port_zero_clashes_with_nothing(build_ini):
    ini = INI.replace("22632", "0") + "[listen:b]\nprotocol = cc\naddress = tcp://127.0.0.1:0\n"
    assert build_ini(ini)[1] == []


def test_without_a_role_there_is_a_warning_and_everything_may_run(build_ini):
    plan, [problem] = build_ini(INI.replace("cc-role = local\n", ""))
    assert plan.server.cc_role == "insecure"
    assert problem.startswith("x.ini:1: warning: no")


PROXY = "[h:proxy]\nhandler = xmsg-proxy\naddress = tcp://127.0.0.1:5\n"
REGISTRAR = "[h:reg]\nhandler = xmsg-registrar\naddress = tcp://127.0.0.1:{}\n"
PULL = "[listen:a]\nprotocol = zmq\nsocket = pull\naddress = tcp://127.0.0.1:{}\ntype = a\n"
PUB = "[h:{}]\nhandler = zmq\nsocket = pub\nbind = tcp://*:6\nopen = yes\n"
CAMEO = "[h:cameo]\nhandler = cameo-proxy\nproxy-ports = 4, 5, 6\nhost = 127.0.0.1\n"
QUEUE = "[h:q]\nhandler = queue\nin = tcp://127.0.0.1:4\nout = tcp://127.0.0.1:6\n"


@pytest.mark.parametrize(
    ("text", "clash"),
    [
        (PROXY + REGISTRAR.format(6), "[h:reg] listens on tcp://127.0.0.1:6; [h:proxy] in line 2"),
        (PROXY + REGISTRAR.format(8), ""),
        (PUB.format("x") + PUB.format("y"), "[h:y] listens on tcp://*:6; [h:x] in line 2 has"),
        (
            PUB.format("x") + PULL.format(6) + "[routes]\na = h:x\n",
            "[h:x] listens on tcp://*:6; [listen:a] in line 10 has tcp://127.0.0.1:6",
        ),
        (CAMEO + PROXY, "[h:proxy] listens on tcp://127.0.0.1:5; [h:cameo] in line 2 has"),
        (QUEUE + CAMEO.replace("5", "9"), "[h:cameo] listens on tcp://127.0.0.1:4; [h:q] in line"),
        (QUEUE + "per-peer = yes\n" + REGISTRAR.format(6), ""),
        (QUEUE.replace("4", "6"), "[h:q] listens on tcp://127.0.0.1:6; [h:q] in line 2 has"),
    ],
)
def test_handlers_that_listen_where_another_section_does(build_ini, text, clash):
    plan, problems = build_ini("[ccserver]\n" + text)
    assert (plan is None) == bool(clash) == bool(problems)
    assert clash in "".join(problems)


BUS = "[h:bus]\nhandler = forwarder\nin = tcp://127.0.0.1:1\nout = tcp://127.0.0.1:2\n"
LISTENER = "[listen:a]\nprotocol = zmq\nsocket = pull\naddress = tcp://127.0.0.1:3\ntype = a\n"
ECHO = "[routes]\na = h:echo\n[h:echo]\nhandler = echo\n"


@pytest.mark.parametrize("text", [BUS, LISTENER + ECHO, LISTENER + BUS + "[routes]\na = h:bus\n"])
def test_a_server_that_listens_elsewhere_needs_no_cc_socket(build_ini, text):
    plan, problems = build_ini("[ccserver]\n" + text)
    assert plan is not None and problems == []


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("", ['[ccserver] lacks "cc-socket"', "no section [routes]"]),
        (ECHO, ['[ccserver] lacks "cc-socket"']),
        (LISTENER, ["no section [routes]"]),
        (LISTENER + BUS, ["no section [routes]"]),
        ("cc-socket = tcp://127.0.0.1:4\ncc-role = local\n", ["no section [routes]"]),
    ],
)
def test_messages_must_come_in_and_go_somewhere(build_ini, text, missing):
    plan, problems = build_ini("[ccserver]\n" + text)
    assert plan is None
    for what in missing:
        assert sum(what in problem for problem in problems) == 1
    assert len(problems) == len(missing)


def test_warnings_alone_do_not_keep_a_server_from_starting(build_ini):
    plan, problems = build_ini(INI + "[h:spare]\nhandler = disposer\n")
    assert plan is not None
    assert all(": warning: " in problem for problem in problems)
    assert len(problems) == 1


def test_sections_of_other_programs_are_left_alone(build_ini):
    others = (
        "[d:infosender]\ninfodir = /x\n[infoscript]\nany = 1\n[cc.task.sample]\nsudo = x\n"
        "[t:x]\n[parser]\nmodule = x.y\n[taskclient]\ncc = tcp://127.0.0.1:22632\n"
    )
    assert build_ini(INI + others)[1] == []


def test_one_mistake_in_the_server_section_hides_none_elsewhere(build_ini, tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "mine.py").write_text(
        "from ccproxy import Handler\nclass Mine(Handler):\n    roles = frozenset({'remote'})\n"
    )
    ini = INI.replace("= 1 MiB", "= much\nplugins = p").replace("= echo\n", "= mine\n")
    ini += "[listen:b]\nprotocol = cc\naddress = tcp://127.0.0.1:22632\n"
    lines = [int(re.match(r"x\.ini:(\d+)", problem)[1]) for problem in build_ini(ini)[1]]
    assert lines == [4, 9, 12]


def test_plugin_folders_begin_where_the_file_is(finder, tmp_path, monkeypatch):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "mine.py").write_text(
        "from ccproxy import Handler\nclass Mine(Handler):\n    pass\n"
    )
    (tmp_path / "x.ini").write_text(
        INI.replace("= 1 MiB", "= 1 MiB\nplugins = p").replace("= echo\n", "= mine\n")
    )
    monkeypatch.chdir("/")
    plan, problems = build(str(tmp_path / "x.ini"), {}, finder)
    assert plan is not None and problems == []


def test_the_same_problem_is_said_once(build_ini):
    ini = INI.replace("echo = h:echo", "a = h:nosuch, h:nosuch")
    texts = build_ini(ini)[1]
    assert len(texts) == len(set(texts))


def test_every_example_configuration_has_no_problems(finder, monkeypatch, tmp_path):
    root = Path(__file__).parents[2]
    monkeypatch.chdir(root)
    files = sorted(one for one in Path("conf").glob("*.ini") if "." not in one.stem)
    assert files
    for file in files:
        plan, problems = build(str(example(file, tmp_path)), {}, finder)
        assert [str(problem) for problem in problems] == []
        assert plan is not None


ORIGINAL = """[ccserver]
CC-Socket: tcp://127.0.0.1:22632
cc-role = local
heartbeat = 60
my-note = for people
COMPAT
[routes]
echo : h:echo
echo = h:echo, h:all
Pub.Info = h:all
dead. = h:all
[h:echo]
handler = cc.handler.echo
colour = blue
[infosender]
infodir = /var/log
[h:unused]
handler = cc.handler.nosuch
[h:all]
handler = cc.handler.disposer
[h:all]
"""


def test_with_compat_nothing_is_a_mistake_that_the_original_did_not_mind(build_ini):
    plan, problems = build_ini(ORIGINAL.replace("COMPAT", "compat = cc"))
    assert plan is not None and plan.server.compat == "cc"
    assert plan.listeners[0].address == "tcp://127.0.0.1:22632"
    assert [(one.prefix, one.sections) for one in plan.routes] == [
        ("echo", ("h:echo", "h:all")), ("pub.info", ("h:all",)),
    ]  # fmt: skip
    assert all(": warning: " in one for one in problems)
    said = "\n".join(problems)
    for text in (
        ':2: warning: a colon separates name and value; better write "CC-Socket = tcp:',
        ':5: warning: unknown option "my-note" in [ccserver]',
        ':9: warning: "echo" is given twice in [routes]; first in line 8',
        ':10: warning: route "Pub.Info" is read as "pub.info", which no capital letter matches',
        ':11: warning: route "dead." never matches',
        ':14: warning: unknown option "colour" in [h:echo]',
        ":15: warning: unknown kind of section [infosender]",
        ":18: warning: no handler ",
        ":21: warning: section [h:all] is given twice",
    ):
        assert text in said


def test_without_compat_a_file_of_the_original_is_known_by_its_signs(build_ini):
    plan, problems = build_ini(ORIGINAL.replace("COMPAT", ""))
    assert plan is None
    [hint] = [one for one in problems if "compat = cc" in one]
    mistakes = sum(": warning: " not in one for one in problems)
    found = f"1: warning: {mistakes} of {mistakes} mistakes are none with compat = cc in [ccserver]"
    assert f'{found}; "heartbeat" in [ccserver]' in hint
    [capitals] = [one for one in problems if "Pub.Info" in one]
    assert ": warning: " in capitals and 'CC read it as "pub.info"' in capitals


def test_a_file_that_decides_about_compat_gets_no_hints(build_ini):
    _, problems = build_ini(ORIGINAL.replace("COMPAT", "compat = no"))
    assert not [one for one in problems if "compat" in one or "Pub.Info" in one]


def test_routes_with_capitals_need_no_word_in_a_file_of_ccserver(build_ini):
    plan, problems = build_ini(INI.replace("echo = h:echo", "calc.Sum = h:echo"))
    assert problems == [] and plan.routes[0].prefix == "calc.Sum"


def test_compat_on_the_command_line(build_ini):
    text = INI.replace("echo = h:echo", "Echo: h:echo")
    assert build_ini(text)[0] is None
    plan, _ = build_ini(text, {"compat": "cc"})
    assert plan.routes[0].prefix == "echo"
    assert build_ini(ORIGINAL.replace("COMPAT", "compat = cc"), {"compat": "no"})[0] is None


def test_in_the_original_defaults_are_routes(build_ini):
    text = INI.replace("cc-role", "compat = cc\ncc-role") + "[DEFAULT]\nlog = h:echo\n"
    plan, problems = build_ini(text)
    assert [one.prefix for one in plan.routes] == ["log", "echo"]
    assert all(": warning: " in one for one in problems)


def test_a_foreign_option_of_a_real_handler_names_its_owners(tmp_path):
    file = tmp_path / "x.ini"
    file.write_text(
        "[ccserver]\ncc-socket = tcp://127.0.0.1:1\ncc-role = remote\n[routes]\na = h:x\n"
        "[h:x]\nhandler = xmsg-proxy\naddress = tcp://127.0.0.1:7771\nexpire = 5 s\nbind = x\n"
    )
    found = [str(one) for one in build(str(file), {}, Plugins())[1]]
    assert any('"expire" in [h:x]; it belongs to xmsg-registrar' in one for one in found)
    assert any('"bind" in [h:x]; it belongs to ' in one for one in found)
